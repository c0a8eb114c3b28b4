/*
 * Everything a careless host does with handles and pointers: NULL in each place, handles freed twice or used after they
 * were freed, handles of another type, made-up handles, structs of another size. Each is answered by a status; nothing
 * crashes, and every out-parameter of a failed call is zero.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static const nbwss_str nothing = {NULL, 0};
static const nbwss_str null_with_length = {NULL, 3};
static const nbwss_str not_utf8 = {"a\xff\xfe", 3};

static void ignore_request(nbwss_request *request, void *user_data) { (void)request, (void)user_data; }
static void ignore_delivery(const nbwss_delivery *delivery, void *user_data) { (void)delivery, (void)user_data; }
static void ignore_event(const nbwss_event *event, void *user_data) { (void)event, (void)user_data; }
static void ignore_log(const nbwss_log *line, void *user_data) { (void)line, (void)user_data; }
static void must_not_run(void *user_data) { CHECK(user_data == NULL && !"a destructor ran after a failed call"); }

static nbwss_endpoint good_endpoint(void) {
  nbwss_endpoint endpoint = NBWSS_ENDPOINT_INIT;
  endpoint.host_name = nbwss_str_z("cloud.example.com");
  endpoint.url = nbwss_str_z("wss://cloud.example.com/ws");
  endpoint.group_id = nbwss_str_z("group");
  endpoint.token = nbwss_str_z("token");
  return endpoint;
}

/* Every function that takes options, with options that are none. */
static void options_refused(nbwss_options *bad, nbwss_status wanted) {
  nbwss_connector *connector = (nbwss_connector *)&connector;
  nbwss_str key = nbwss_str_z("log.level"), value = nbwss_str_z("info");
  CHECK_STATUS(nbwss_options_set_n(bad, key, value), wanted);
  CHECK_STATUS(nbwss_options_set_int_n(bad, key, 1), wanted);
  CHECK_STATUS(nbwss_options_set_bool_n(bad, key, true), wanted);
  CHECK_STATUS(nbwss_options_on_request(bad, ignore_request, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_delivery(bad, ignore_delivery, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_event(bad, ignore_event, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_log(bad, ignore_log, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_connector_new(bad, &connector), wanted);
  CHECK(connector == NULL);
}

/* Every function that takes a connector, with a connector that is none. */
static void connector_refused(nbwss_connector *bad, nbwss_status wanted) {
  nbwss_endpoint endpoint = good_endpoint();
  nbwss_job job = NBWSS_JOB_INIT;
  nbwss_image image = NBWSS_IMAGE_INIT;
  nbwss_drained drained = NBWSS_DRAINED_INIT;
  nbwss_endpoints *list = (nbwss_endpoints *)&list;
  uint64_t sequence = 7;
  CHECK_STATUS(nbwss_connector_start(bad), wanted);
  CHECK_STATUS(nbwss_connector_stop(bad), wanted);
  drained.pending = 7;
  CHECK_STATUS(nbwss_connector_drain(bad, 1, &drained), wanted);
  CHECK(drained.delivered == 0 && drained.pending == 0 && drained.abandoned == 0);
  CHECK_STATUS(nbwss_connector_drain(bad, 1, NULL), wanted);
  CHECK_STATUS(nbwss_connector_wait(bad, 1), wanted);
  CHECK_STATUS(nbwss_group_start(bad, "group"), wanted);
  CHECK_STATUS(nbwss_group_stop(bad, "group"), wanted);
  CHECK_STATUS(nbwss_endpoint_add(bad, &endpoint), wanted);
  CHECK_STATUS(nbwss_endpoint_add_json(bad, "{}"), wanted);
  CHECK_STATUS(nbwss_endpoint_add_file(bad, "/nonexistent"), wanted);
  CHECK_STATUS(nbwss_endpoint_remove(bad, "cloud.example.com"), wanted);
  CHECK_STATUS(nbwss_endpoint_list(bad, &list), wanted);
  CHECK(list == NULL);
  CHECK_STATUS(nbwss_notify_job(bad, &job, &sequence), wanted);
  CHECK(sequence == 0);
  sequence = 7;
  CHECK_STATUS(nbwss_notify_image(bad, &image, &sequence), wanted);
  CHECK(sequence == 0);
  sequence = 7;
  CHECK_STATUS(nbwss_notify_json(bad, "{}", &sequence), wanted);
  CHECK(sequence == 0);
}

static void list_refused(nbwss_endpoints *bad, nbwss_status wanted) {
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  size_t count = 7;
  CHECK_STATUS(nbwss_endpoints_count(bad, &count), wanted);
  CHECK(count == 0);
  info.priority = 7;
  CHECK_STATUS(nbwss_endpoints_get(bad, 0, &info), wanted);
  CHECK(info.struct_size == sizeof info && info.priority == 0 && info.host_name.ptr == NULL);
}

static void request_refused(nbwss_request *bad, nbwss_status wanted) {
  typedef nbwss_status (*accessor)(const nbwss_request *, nbwss_str *);
  const accessor accessors[] = {nbwss_request_id,     nbwss_request_host_name, nbwss_request_group_id,
                                nbwss_request_method, nbwss_request_uri,       nbwss_request_body};
  nbwss_response response = NBWSS_RESPONSE_INIT;
  nbwss_header header = {{"x", 1}, {"x", 1}};
  nbwss_str text = {"x", 1};
  size_t count = 7;
  for (size_t i = 0; i < sizeof accessors / sizeof accessors[0]; i++) {
    text = nbwss_str_z("x");
    CHECK_STATUS(accessors[i](bad, &text), wanted);
    CHECK(text.ptr == NULL && text.len == 0);
    CHECK_STATUS(accessors[i](bad, NULL), NBWSS_INVALID_ARGUMENT);
  }
  text = nbwss_str_z("x");
  CHECK_STATUS(nbwss_request_header(bad, "content-type", &text), wanted);
  CHECK(text.ptr == NULL && text.len == 0);
  CHECK_STATUS(nbwss_request_header_count(bad, &count), wanted);
  CHECK(count == 0);
  CHECK_STATUS(nbwss_request_header_at(bad, 0, &header), wanted);
  CHECK(header.name.ptr == NULL && header.value.ptr == NULL);
  response.status_code = 200;
  CHECK_STATUS(nbwss_request_respond(bad, &response), wanted);
  CHECK_STATUS(nbwss_request_fail(bad, 500, "no"), wanted);
}

static void everything_refused(void *bad, nbwss_status wanted) {
  options_refused(bad, wanted);
  connector_refused(bad, wanted);
  list_refused(bad, wanted);
  request_refused(bad, wanted);
}

static void made_up_handles(void) {
  int own = 0;
  const uintptr_t values[] = {1, 2, 0xdead, 0xdeadbeef, (uintptr_t)UINT32_MAX << 8, UINTPTR_MAX, (uintptr_t)&own};
  everything_refused(NULL, NBWSS_INVALID_ARGUMENT);
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    void *bad = (void *)values[i];
    everything_refused(bad, NBWSS_BAD_HANDLE);
    CHECK_STATUS(nbwss_options_free(bad), NBWSS_BAD_HANDLE);
    CHECK_STATUS(nbwss_endpoints_free(bad), NBWSS_BAD_HANDLE);
    CHECK_STATUS(nbwss_connector_destroy(bad), NBWSS_BAD_HANDLE);
  }
  CHECK(own == 0);
}

/* Each live handle where another type is asked for: refused, and unharmed. Then each after it was freed. */
static void stale_and_mistyped_handles(void) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  nbwss_endpoints *list = NULL;
  size_t count = 7;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_endpoint_list(connector, &list));

  connector_refused((nbwss_connector *)options, NBWSS_BAD_HANDLE);
  list_refused((nbwss_endpoints *)options, NBWSS_BAD_HANDLE);
  request_refused((nbwss_request *)options, NBWSS_BAD_HANDLE);
  options_refused((nbwss_options *)connector, NBWSS_BAD_HANDLE);
  list_refused((nbwss_endpoints *)connector, NBWSS_BAD_HANDLE);
  request_refused((nbwss_request *)connector, NBWSS_BAD_HANDLE);
  options_refused((nbwss_options *)list, NBWSS_BAD_HANDLE);
  connector_refused((nbwss_connector *)list, NBWSS_BAD_HANDLE);
  request_refused((nbwss_request *)list, NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_options_free((nbwss_options *)connector), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_options_free((nbwss_options *)list), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_endpoints_free((nbwss_endpoints *)options), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_endpoints_free((nbwss_endpoints *)connector), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_connector_destroy((nbwss_connector *)options), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_connector_destroy((nbwss_connector *)list), NBWSS_BAD_HANDLE);

  CHECK_OK(nbwss_endpoints_count(list, &count));
  CHECK(count == 0);
  CHECK_OK(nbwss_options_set(options, "log.level", "debug"));
  CHECK_OK(nbwss_connector_start(connector));

  CHECK_OK(nbwss_endpoints_free(list));
  list_refused(list, NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_endpoints_free(list), NBWSS_BAD_HANDLE);
  CHECK_OK(nbwss_connector_destroy(connector));
  connector_refused(connector, NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_connector_destroy(connector), NBWSS_BAD_HANDLE);
  CHECK_OK(nbwss_options_free(options));
  options_refused(options, NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_options_free(options), NBWSS_BAD_HANDLE);
  CHECK_ERROR_NAMES("options");

  /* A new one in the old one's place does not bring the old handle back. */
  nbwss_options *again = NULL;
  CHECK_OK(nbwss_options_new(&again));
  CHECK(again != options);
  options_refused(options, NBWSS_BAD_HANDLE);
  CHECK_OK(nbwss_options_free(again));
}

static void free_of_null(void) {
  CHECK_OK(nbwss_options_free(NULL));
  CHECK_OK(nbwss_connector_destroy(NULL));
  CHECK_OK(nbwss_endpoints_free(NULL));
}

/* Live handles, and each other pointer NULL or unusable in turn. */
static void bad_arguments(void) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  nbwss_endpoints *list = NULL;
  size_t count = 0;
  uint64_t sequence = 7;
  CHECK_STATUS(nbwss_options_new(NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_OK(nbwss_options_new(&options));
  CHECK_STATUS(nbwss_options_set(options, NULL, "info"), NBWSS_UNKNOWN_KEY);
  CHECK_STATUS(nbwss_options_set(options, "log.level", NULL), NBWSS_INVALID_VALUE);
  CHECK_STATUS(nbwss_options_set_n(options, null_with_length, nothing), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_options_set_n(options, nbwss_str_z("log.level"), null_with_length), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_options_set_n(options, not_utf8, nbwss_str_z("info")), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_options_set_n(options, nbwss_str_z("log.level"), not_utf8), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_options_set_int_n(options, not_utf8, 1), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_options_set_bool_n(options, null_with_length, true), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_connector_new(options, NULL), NBWSS_INVALID_ARGUMENT);

  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_STATUS(nbwss_endpoint_list(connector, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_add(connector, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_add_json(connector, NULL), NBWSS_INVALID_ENDPOINT);
  CHECK_STATUS(nbwss_endpoint_add_json_n(connector, null_with_length), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_add_json_n(connector, not_utf8), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_add_file_n(connector, null_with_length), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_remove_n(connector, null_with_length), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_remove_n(connector, not_utf8), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_remove(connector, NULL), NBWSS_NOT_FOUND);
  CHECK_STATUS(nbwss_group_start_n(connector, null_with_length), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_group_start(connector, "unknown"), NBWSS_NOT_FOUND);
  CHECK_STATUS(nbwss_group_stop_n(connector, not_utf8), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_group_stop(connector, "unknown"), NBWSS_NOT_FOUND);
  CHECK_STATUS(nbwss_notify_job(connector, NULL, &sequence), NBWSS_INVALID_ARGUMENT);
  CHECK(sequence == 0);
  CHECK_STATUS(nbwss_notify_image(connector, NULL, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_notify_json_n(connector, null_with_length, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_notify_json_n(connector, not_utf8, NULL), NBWSS_INVALID_ARGUMENT);

  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_STATUS(nbwss_endpoints_count(list, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoints_get(list, 0, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_OK(nbwss_endpoints_count(list, &count));
  CHECK(count == 0);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK_OK(nbwss_options_free(options));
}

/* A struct of a size that the library does not know: too small is refused, a newer host's larger one is taken. */
static void struct_sizes(void) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  nbwss_endpoints *list = NULL;
  struct { nbwss_endpoint endpoint; char newer[64]; } larger = {good_endpoint(), {0}};
  struct { nbwss_endpoint_info info; char newer[64]; } larger_info = {NBWSS_ENDPOINT_INFO_INIT, {0}};
  nbwss_drained drained = NBWSS_DRAINED_INIT;
  nbwss_job job = NBWSS_JOB_INIT;
  nbwss_image image = NBWSS_IMAGE_INIT;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_connector_new(options, &connector));
  const size_t too_small[] = {0, 1, sizeof(size_t)};
  for (size_t i = 0; i < sizeof too_small / sizeof too_small[0]; i++) {
    larger.endpoint.struct_size = too_small[i];
    CHECK_STATUS(nbwss_endpoint_add(connector, &larger.endpoint), NBWSS_INVALID_ARGUMENT);
    CHECK_ERROR_NAMES("struct_size");
    drained.struct_size = too_small[i];
    CHECK_STATUS(nbwss_connector_drain(connector, 1, &drained), NBWSS_INVALID_ARGUMENT);
    job.struct_size = too_small[i];
    CHECK_STATUS(nbwss_notify_job(connector, &job, NULL), NBWSS_INVALID_ARGUMENT);
    image.struct_size = too_small[i];
    CHECK_STATUS(nbwss_notify_image(connector, &image, NULL), NBWSS_INVALID_ARGUMENT);
  }
  larger.endpoint.struct_size = sizeof(nbwss_endpoint) - 1;
  CHECK_STATUS(nbwss_endpoint_add(connector, &larger.endpoint), NBWSS_INVALID_ARGUMENT);

  larger.endpoint.struct_size = sizeof larger;
  CHECK_OK(nbwss_endpoint_add(connector, &larger.endpoint));
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  larger_info.info.struct_size = 0;
  CHECK_STATUS(nbwss_endpoints_get(list, 0, &larger_info.info), NBWSS_INVALID_ARGUMENT);
  larger_info.info.struct_size = sizeof larger_info;
  memset(larger_info.newer, 0x5a, sizeof larger_info.newer);
  CHECK_OK(nbwss_endpoints_get(list, 0, &larger_info.info));
  CHECK(str_is(larger_info.info.host_name, "cloud.example.com"));
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK_OK(nbwss_options_free(options));
}

int main(void) {
  made_up_handles();
  stale_and_mistyped_handles();
  free_of_null();
  bad_arguments();
  struct_sizes();
  return 0;
}
