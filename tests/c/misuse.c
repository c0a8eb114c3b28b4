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
static void ignore_audit(const nbwss_audit *record, void *user_data) { (void)record, (void)user_data; }
static int32_t ignore_dial(const nbwss_dial *dial, nbwss_socket *socket, void *user_data) {
  (void)dial, (void)socket, (void)user_data;
  return 1;
}
static int32_t ignore_store_key(uint8_t *key, void *user_data) {
  (void)key, (void)user_data;
  return 1;
}
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
  nbwss_str key = nbwss_str_z("log.level"), value = nbwss_str_z("info"), unknown = nbwss_str_z("x");
  const uint8_t store_key[32] = {0};
  CHECK_STATUS(nbwss_options_set_n(bad, key, value), wanted);
  CHECK_STATUS(nbwss_options_set_int_n(bad, key, 1), wanted);
  CHECK_STATUS(nbwss_options_set_bool_n(bad, key, true), wanted);
  CHECK_STATUS(nbwss_options_on_request(bad, ignore_request, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_delivery(bad, ignore_delivery, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_event(bad, ignore_event, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_log(bad, ignore_log, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_audit(bad, ignore_audit, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_cancel(bad, ignore_request, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_dial(bad, ignore_dial, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_on_store_key(bad, ignore_store_key, bad, must_not_run), wanted);
  CHECK_STATUS(nbwss_options_set_store_key(bad, store_key, sizeof store_key), wanted);
  CHECK_STATUS(nbwss_options_load_file(bad, "/nonexistent", &unknown), wanted);
  CHECK(unknown.ptr == NULL && unknown.len == 0);
  CHECK_STATUS(nbwss_options_load_file(bad, "/nonexistent", NULL), wanted);
  CHECK_STATUS(nbwss_connector_new(bad, &connector), wanted);
  CHECK(connector == NULL);
}

/* Every function that takes a connector, with a connector that is none. */
static void connector_refused(nbwss_connector *bad, nbwss_status wanted) {
  nbwss_endpoint endpoint = good_endpoint();
  nbwss_job job = NBWSS_JOB_INIT;
  nbwss_image image = NBWSS_IMAGE_INIT;
  nbwss_drained drained = NBWSS_DRAINED_INIT;
  nbwss_stats stats = NBWSS_STATS_INIT;
  nbwss_health health = NBWSS_HEALTH_INIT;
  nbwss_endpoints *list = (nbwss_endpoints *)&list;
  nbwss_inspection *inspection = (nbwss_inspection *)&inspection;
  const char *host = "cloud.example.com", *url = "wss://cloud.example.com/ws";
  uint64_t sequence = 7;
  size_t ran = 7;
  nbwss_socket fd = 7;
  CHECK_STATUS(nbwss_connector_start(bad), wanted);
  CHECK_STATUS(nbwss_connector_stop(bad), wanted);
  drained.pending = 7;
  CHECK_STATUS(nbwss_connector_drain(bad, 1, &drained), wanted);
  CHECK(drained.delivered == 0 && drained.pending == 0 && drained.abandoned == 0);
  CHECK_STATUS(nbwss_connector_drain(bad, 1, NULL), wanted);
  CHECK_STATUS(nbwss_connector_wait(bad, 1), wanted);
  CHECK_STATUS(nbwss_connector_poll(bad, 1, &ran), wanted);
  CHECK_STATUS(nbwss_connector_poll_fd(bad, &fd), wanted);
  CHECK(ran == 0 && fd == 0);
  CHECK_STATUS(nbwss_group_start(bad, "group"), wanted);
  CHECK_STATUS(nbwss_group_stop(bad, "group"), wanted);
  CHECK_STATUS(nbwss_endpoint_add(bad, &endpoint), wanted);
  CHECK_STATUS(nbwss_endpoint_add_json(bad, "{}"), wanted);
  CHECK_STATUS(nbwss_endpoint_add_file(bad, "/nonexistent"), wanted);
  CHECK_STATUS(nbwss_endpoint_add_url(bad, "https://cloud.example.com/details"), wanted);
  CHECK_STATUS(nbwss_endpoint_remove(bad, host), wanted);
  CHECK_STATUS(nbwss_endpoint_activate(bad, host), wanted);
  CHECK_STATUS(nbwss_endpoint_deactivate(bad, host), wanted);
  CHECK_STATUS(nbwss_endpoint_reconnect(bad, host), wanted);
  CHECK_STATUS(nbwss_endpoint_set_token(bad, host, "token"), wanted);
  CHECK_STATUS(nbwss_endpoint_set_tls(bad, host, NULL), wanted);
  CHECK_STATUS(nbwss_endpoint_set_priority(bad, host, 1), wanted);
  CHECK_STATUS(nbwss_endpoint_list(bad, &list), wanted);
  CHECK(list == NULL);
  list = (nbwss_endpoints *)&list;
  CHECK_STATUS(nbwss_endpoint_get(bad, host, &list), wanted);
  CHECK(list == NULL);
  list = (nbwss_endpoints *)&list;
  CHECK_STATUS(nbwss_endpoints_fetch(bad, "https://cloud.example.com/details", &list), wanted);
  CHECK(list == NULL);
  CHECK_STATUS(nbwss_endpoint_validate(bad, url, NULL, &inspection), wanted);
  CHECK(inspection == NULL);
  inspection = (nbwss_inspection *)&inspection;
  CHECK_STATUS(nbwss_endpoint_diagnose(bad, host, true, &inspection), wanted);
  CHECK(inspection == NULL);
  health.groups = 7;
  CHECK_STATUS(nbwss_connector_health(bad, &health), wanted);
  CHECK(health.struct_size == sizeof health && health.groups == 0);
  stats.sessions = 7;
  CHECK_STATUS(nbwss_connector_stats(bad, &stats), wanted);
  CHECK(stats.struct_size == sizeof stats && stats.sessions == 0);
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
  char buffer[4] = "xyz";
  count = 7;
  CHECK_STATUS(nbwss_endpoints_token(bad, 0, buffer, sizeof buffer, &count), wanted);
  CHECK(count == 0 && strcmp(buffer, "xyz") == 0);
}

/* Adding wants two handles: here the connector is a good one. */
static void adding_refused(nbwss_connector *connector, nbwss_endpoints *bad, nbwss_status wanted) {
  CHECK_STATUS(nbwss_endpoints_add(connector, bad, NULL), wanted);
}

static void inspection_refused(nbwss_inspection *bad, nbwss_status wanted) {
  nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
  nbwss_certificate certificate = NBWSS_CERTIFICATE_INIT;
  nbwss_step step = NBWSS_STEP_INIT;
  nbwss_str text = {"x", 1};
  size_t count = 7;
  result.ok = true;
  CHECK_STATUS(nbwss_inspection_get_result(bad, &result), wanted);
  CHECK(result.struct_size == sizeof result && !result.ok && result.failure.ptr == NULL);
  CHECK_STATUS(nbwss_inspection_certificate_count(bad, &count), wanted);
  CHECK(count == 0);
  certificate.is_ca = true;
  CHECK_STATUS(nbwss_inspection_certificate(bad, 0, &certificate), wanted);
  CHECK(certificate.struct_size == sizeof certificate && !certificate.is_ca);
  count = 7;
  CHECK_STATUS(nbwss_inspection_step_count(bad, &count), wanted);
  CHECK(count == 0);
  step.duration_us = 7;
  CHECK_STATUS(nbwss_inspection_step(bad, 0, &step), wanted);
  CHECK(step.struct_size == sizeof step && step.duration_us == 0);
  CHECK_STATUS(nbwss_inspection_text(bad, &text), wanted);
  CHECK(text.ptr == NULL && text.len == 0);
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
  inspection_refused(bad, wanted);
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
    CHECK_STATUS(nbwss_inspection_free(bad), NBWSS_BAD_HANDLE);
    CHECK_STATUS(nbwss_connector_destroy(bad), NBWSS_BAD_HANDLE);
  }
  CHECK(own == 0);
}

/* An inspection that needs no network: nobody listens on this machine's port 1. */
static nbwss_inspection *inspect(nbwss_connector *connector) {
  nbwss_inspection *inspection = NULL;
  CHECK_OK(nbwss_endpoint_validate(connector, "wss://127.0.0.1:1/ws", NULL, &inspection));
  return inspection;
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
  nbwss_inspection *inspection = inspect(connector);

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
  connector_refused((nbwss_connector *)inspection, NBWSS_BAD_HANDLE);
  list_refused((nbwss_endpoints *)inspection, NBWSS_BAD_HANDLE);
  adding_refused(connector, (nbwss_endpoints *)inspection, NBWSS_BAD_HANDLE);
  inspection_refused((nbwss_inspection *)list, NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_inspection_free((nbwss_inspection *)list), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_endpoints_free((nbwss_endpoints *)inspection), NBWSS_BAD_HANDLE);

  CHECK_OK(nbwss_endpoints_count(list, &count));
  CHECK(count == 0);
  CHECK_OK(nbwss_options_set(options, "log.level", "debug"));
  CHECK_OK(nbwss_connector_start(connector));

  CHECK_OK(nbwss_inspection_free(inspection));
  inspection_refused(inspection, NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_inspection_free(inspection), NBWSS_BAD_HANDLE);
  CHECK_OK(nbwss_endpoints_free(list));
  list_refused(list, NBWSS_BAD_HANDLE);
  adding_refused(connector, list, NBWSS_BAD_HANDLE);
  adding_refused(connector, NULL, NBWSS_INVALID_ARGUMENT);
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
  CHECK_OK(nbwss_inspection_free(NULL));
}

/* What an administrator does, with each pointer NULL or unusable in turn. The connector has cloud.example.com. */
static void bad_administration(nbwss_connector *connector) {
  typedef nbwss_status (*by_name)(nbwss_connector *, nbwss_str);
  const by_name functions[] = {nbwss_endpoint_remove_n, nbwss_endpoint_activate_n, nbwss_endpoint_deactivate_n,
                               nbwss_endpoint_reconnect_n};
  const char *host = "cloud.example.com", *url = "wss://127.0.0.1:1/ws";
  const nbwss_str name = nbwss_str_z(host);
  nbwss_endpoints *list = (nbwss_endpoints *)&list;
  nbwss_inspection *inspection = (nbwss_inspection *)&inspection;
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    CHECK_STATUS(functions[i](connector, null_with_length), NBWSS_INVALID_ARGUMENT);
    CHECK_STATUS(functions[i](connector, not_utf8), NBWSS_INVALID_ARGUMENT);
    CHECK_STATUS(functions[i](connector, nothing), NBWSS_NOT_FOUND);
    CHECK_STATUS(functions[i](connector, nbwss_str_z("other.example.com")), NBWSS_NOT_FOUND);
    CHECK_ERROR_NAMES("other.example.com");
  }
  CHECK_STATUS(nbwss_endpoint_set_token_n(connector, null_with_length, name), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_set_token_n(connector, name, null_with_length), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_set_token_n(connector, name, not_utf8), NBWSS_ENDPOINT_NOT_UTF8);
  CHECK_STATUS(nbwss_endpoint_set_token(connector, host, NULL), NBWSS_ENDPOINT_MISSING);
  CHECK_STATUS(nbwss_endpoint_set_token(connector, "other.example.com", "token"), NBWSS_NOT_FOUND);
  CHECK_STATUS(nbwss_endpoint_set_tls_n(connector, not_utf8, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_set_tls(connector, "other.example.com", NULL), NBWSS_NOT_FOUND);
  CHECK_STATUS(nbwss_endpoint_set_priority_n(connector, null_with_length, 1), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_set_priority(connector, "other.example.com", 1), NBWSS_NOT_FOUND);
  CHECK_STATUS(nbwss_endpoint_add_url_n(connector, not_utf8), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_add_url(connector, "http://127.0.0.1:1/"), NBWSS_FETCH_FAILED);

  CHECK_STATUS(nbwss_endpoint_get(connector, host, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_get_n(connector, not_utf8, &list), NBWSS_INVALID_ARGUMENT);
  CHECK(list == NULL);
  list = (nbwss_endpoints *)&list;
  CHECK_STATUS(nbwss_endpoint_get(connector, "other.example.com", &list), NBWSS_NOT_FOUND);
  CHECK(list == NULL);
  CHECK_STATUS(nbwss_endpoints_read_json("{}", NULL), NBWSS_INVALID_ARGUMENT);
  list = (nbwss_endpoints *)&list;
  CHECK_STATUS(nbwss_endpoints_read_json_n(null_with_length, &list), NBWSS_INVALID_ARGUMENT);
  CHECK(list == NULL);
  CHECK_STATUS(nbwss_endpoints_read_file("/nonexistent", NULL), NBWSS_INVALID_ARGUMENT);
  list = (nbwss_endpoints *)&list;
  CHECK_STATUS(nbwss_endpoints_read_file_n(not_utf8, &list), NBWSS_INVALID_ARGUMENT);
  CHECK(list == NULL);
  CHECK_STATUS(nbwss_endpoints_read_file("/nonexistent", &list), NBWSS_IO);
  CHECK_STATUS(nbwss_endpoints_fetch(connector, "https://127.0.0.1:1/", NULL), NBWSS_INVALID_ARGUMENT);
  list = (nbwss_endpoints *)&list;
  CHECK_STATUS(nbwss_endpoints_fetch(connector, "https://127.0.0.1:1/", &list), NBWSS_FETCH_FAILED);
  CHECK(list == NULL);

  CHECK_STATUS(nbwss_endpoint_validate(connector, url, NULL, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_validate_n(connector, null_with_length, NULL, &inspection), NBWSS_INVALID_ARGUMENT);
  CHECK(inspection == NULL);
  inspection = (nbwss_inspection *)&inspection;
  CHECK_STATUS(nbwss_endpoint_validate(connector, "https://127.0.0.1:1/", NULL, &inspection), NBWSS_ENDPOINT_BAD_URL);
  CHECK(inspection == NULL);
  CHECK_STATUS(nbwss_endpoint_diagnose(connector, host, false, NULL), NBWSS_INVALID_ARGUMENT);
  inspection = (nbwss_inspection *)&inspection;
  CHECK_STATUS(nbwss_endpoint_diagnose(connector, "other.example.com", false, &inspection), NBWSS_NOT_FOUND);
  CHECK(inspection == NULL);
  CHECK_STATUS(nbwss_connector_health(connector, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_connector_stats(connector, NULL), NBWSS_INVALID_ARGUMENT);

  inspection = inspect(connector);
  CHECK_STATUS(nbwss_inspection_get_result(inspection, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_inspection_certificate_count(inspection, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_inspection_certificate(inspection, 0, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_inspection_step_count(inspection, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_inspection_step(inspection, 0, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_inspection_text(inspection, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_OK(nbwss_inspection_free(inspection));
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
  CHECK_STATUS(nbwss_options_load_file_n(options, not_utf8, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_options_on_dial(options, NULL, NULL, must_not_run), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_options_on_store_key(options, NULL, NULL, must_not_run), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_options_set_store_key(options, NULL, 32), NBWSS_INVALID_ARGUMENT);

  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_STATUS(nbwss_endpoint_list(connector, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_add(connector, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_add_json(connector, NULL), NBWSS_ENDPOINT_NOT_JSON);
  CHECK_STATUS(nbwss_endpoint_add_json_n(connector, null_with_length), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoint_add_json_n(connector, not_utf8), NBWSS_ENDPOINT_NOT_UTF8);
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
  CHECK_STATUS(nbwss_endpoints_token(list, 0, NULL, 0, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_OK(nbwss_endpoints_count(list, &count));
  CHECK(count == 0);
  CHECK_OK(nbwss_endpoints_free(list));
  nbwss_endpoint endpoint = good_endpoint();
  CHECK_OK(nbwss_endpoint_add(connector, &endpoint));
  bad_administration(connector);
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
  nbwss_tls tls = NBWSS_TLS_INIT;
  nbwss_health health = NBWSS_HEALTH_INIT;
  nbwss_stats stats = NBWSS_STATS_INIT;
  nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
  nbwss_certificate certificate = NBWSS_CERTIFICATE_INIT;
  nbwss_step step = NBWSS_STEP_INIT;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_connector_new(options, &connector));
  nbwss_inspection *inspection = inspect(connector), *refused = NULL;
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
    tls.struct_size = too_small[i];
    CHECK_STATUS(nbwss_endpoint_set_tls(connector, "any", &tls), NBWSS_INVALID_ARGUMENT);
    CHECK_STATUS(nbwss_endpoint_validate(connector, "wss://127.0.0.1:1/", &tls, &refused), NBWSS_INVALID_ARGUMENT);
    larger.endpoint = good_endpoint();
    larger.endpoint.tls = &tls;
    CHECK_STATUS(nbwss_endpoint_add(connector, &larger.endpoint), NBWSS_INVALID_ARGUMENT);
    CHECK_ERROR_NAMES("tls");
    health.struct_size = too_small[i];
    CHECK_STATUS(nbwss_connector_health(connector, &health), NBWSS_INVALID_ARGUMENT);
    stats.struct_size = too_small[i];
    CHECK_STATUS(nbwss_connector_stats(connector, &stats), NBWSS_INVALID_ARGUMENT);
    result.struct_size = too_small[i];
    CHECK_STATUS(nbwss_inspection_get_result(inspection, &result), NBWSS_INVALID_ARGUMENT);
    certificate.struct_size = too_small[i];
    CHECK_STATUS(nbwss_inspection_certificate(inspection, 0, &certificate), NBWSS_INVALID_ARGUMENT);
    step.struct_size = too_small[i];
    CHECK_STATUS(nbwss_inspection_step(inspection, 0, &step), NBWSS_INVALID_ARGUMENT);
  }
  CHECK_OK(nbwss_inspection_free(inspection));
  larger.endpoint = good_endpoint();
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
