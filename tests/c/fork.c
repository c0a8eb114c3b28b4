/*
 * A host that forks. Before the library is first used that is harmless: the child may use it, too. Afterwards a child has
 * none of the library's threads: every call that could need one says FORKED at once, zeroes its results as ever, and the
 * child ends unharmed. The parent goes on delivering.
 *
 *   fork ENDPOINT_JSON CA_FILE
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counting_host.h"

#define DRAFT "{\"hostName\":\"h\",\"groupId\":\"g\",\"url\":\"wss://h/\",\"priority\":1,\"token\":\"t\"}"

static const char *draft_file;

static void on_request(nbwss_request *request, void *user_data) {
  (void)user_data;
  nbwss_request_fail(request, 404, "this host only notifies");
}

#define REFUSED(call) CHECK_STATUS(call, NBWSS_FORKED)

/* Results are zeroed, as ever. */
#define REFUSED_FOR(result, call) \
  do { \
    memset(&(result), 7, sizeof(result)); \
    REFUSED(call); \
    CHECK(all_zero(&(result), sizeof(result))); \
  } while (0)

static bool all_zero(const void *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (((const unsigned char *)bytes)[i] != 0) return false;
  }
  return true;
}

static void options_are_refused(nbwss_options *options) {
  const unsigned char key[32] = {0};
  nbwss_options *new_options;
  nbwss_str unknown;
  REFUSED_FOR(new_options, nbwss_options_new(&new_options));
  REFUSED(nbwss_options_set(options, "log.level", "info"));
  REFUSED(nbwss_options_set_int(options, "connectionInfo.period", 1));
  REFUSED(nbwss_options_set_bool(options, "exception.ignoreDecoder", true));
  REFUSED_FOR(unknown, nbwss_options_load_file(options, "/dev/null", &unknown));
  REFUSED(nbwss_options_set_store_key(options, key, sizeof key));
  REFUSED(nbwss_options_on_request(options, on_request, NULL, NULL));
  REFUSED(nbwss_options_on_delivery(options, counting_on_delivery, NULL, NULL));
  REFUSED(nbwss_options_on_event(options, counting_on_event, NULL, NULL));
  REFUSED(nbwss_options_on_log(options, NULL, NULL, NULL));
  REFUSED(nbwss_options_on_audit(options, NULL, NULL, NULL));
  REFUSED(nbwss_options_on_cancel(options, NULL, NULL, NULL));
  REFUSED(nbwss_options_on_dial(options, NULL, NULL, NULL));
  REFUSED(nbwss_options_on_store_key(options, NULL, NULL, NULL));
  REFUSED(nbwss_options_free(options));
}

static void connectors_are_refused(nbwss_options *options, nbwss_connector *connector) {
  nbwss_connector *new_connector;
  nbwss_stats stats = NBWSS_STATS_INIT;
  nbwss_group_counts counts = NBWSS_GROUP_COUNTS_INIT;
  nbwss_health health = NBWSS_HEALTH_INIT;
  nbwss_socket fd;
  size_t ran;
  REFUSED_FOR(new_connector, nbwss_connector_new(options, &new_connector));
  REFUSED(nbwss_connector_start(connector));
  REFUSED(nbwss_connector_stop(connector));
  REFUSED(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  REFUSED(nbwss_connector_stats(connector, &stats));
  REFUSED(nbwss_connector_health(connector, &health));
  REFUSED(nbwss_connector_wait(connector, DEADLINE_MS));
  REFUSED_FOR(ran, nbwss_connector_poll(connector, DEADLINE_MS, &ran));
  REFUSED_FOR(fd, nbwss_connector_poll_fd(connector, &fd));
  REFUSED(nbwss_connector_set_policy(connector, "allow * /**"));
  REFUSED(nbwss_group_start(connector, "g"));
  REFUSED(nbwss_group_stop(connector, "g"));
  REFUSED(nbwss_group_stats(connector, "g", &counts));
  REFUSED(nbwss_group_forget(connector, "g"));
  REFUSED(nbwss_connector_destroy(connector));
}

static void endpoints_are_refused(nbwss_connector *connector, nbwss_endpoints *list) {
  nbwss_endpoint endpoint = NBWSS_ENDPOINT_INIT;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  nbwss_tls tls = NBWSS_TLS_INIT;
  nbwss_endpoints *new_list;
  size_t count;
  REFUSED(nbwss_endpoint_add(connector, &endpoint));
  REFUSED(nbwss_endpoint_add_json(connector, "{}"));
  REFUSED(nbwss_endpoint_add_file(connector, "/dev/null"));
  REFUSED(nbwss_endpoint_add_url(connector, "https://localhost/"));
  REFUSED(nbwss_endpoint_remove(connector, "h"));
  REFUSED(nbwss_endpoint_activate(connector, "h"));
  REFUSED(nbwss_endpoint_deactivate(connector, "h"));
  REFUSED(nbwss_endpoint_set_token(connector, "h", "t"));
  REFUSED(nbwss_endpoint_set_tls(connector, "h", &tls));
  REFUSED(nbwss_endpoint_set_priority(connector, "h", 1));
  REFUSED(nbwss_endpoint_reconnect(connector, "h"));
  REFUSED_FOR(new_list, nbwss_endpoint_get(connector, "h", &new_list));
  REFUSED_FOR(new_list, nbwss_endpoint_list(connector, &new_list));
  REFUSED_FOR(new_list, nbwss_endpoints_read_json(DRAFT, &new_list));
  REFUSED_FOR(new_list, nbwss_endpoints_read_file(draft_file, &new_list));
  REFUSED_FOR(new_list, nbwss_endpoints_fetch(connector, "https://localhost/", &new_list));
  REFUSED(nbwss_endpoints_add(connector, list, NULL));
  REFUSED_FOR(count, nbwss_endpoints_count(list, &count));
  REFUSED(nbwss_endpoints_get(list, 0, &info));
  REFUSED_FOR(count, nbwss_endpoints_token(list, 0, NULL, 0, &count));
  REFUSED(nbwss_endpoints_free(list));
}

static void inspections_are_refused(nbwss_connector *connector) {
  nbwss_inspection *made_up = (nbwss_inspection *)&made_up, *inspection;
  nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
  nbwss_certificate certificate = NBWSS_CERTIFICATE_INIT;
  nbwss_step step = NBWSS_STEP_INIT;
  nbwss_str text;
  size_t count;
  REFUSED_FOR(inspection, nbwss_endpoint_validate(connector, "wss://localhost/", NULL, &inspection));
  REFUSED_FOR(inspection, nbwss_endpoint_diagnose(connector, "h", true, &inspection));
  REFUSED(nbwss_inspection_get_result(made_up, &result));
  REFUSED_FOR(count, nbwss_inspection_certificate_count(made_up, &count));
  REFUSED(nbwss_inspection_certificate(made_up, 0, &certificate));
  REFUSED_FOR(count, nbwss_inspection_step_count(made_up, &count));
  REFUSED(nbwss_inspection_step(made_up, 0, &step));
  REFUSED_FOR(text, nbwss_inspection_text(made_up, &text));
  REFUSED(nbwss_inspection_free(made_up));
}

static void notifications_are_refused(nbwss_connector *connector) {
  nbwss_job job = small_job(1);
  nbwss_image image = NBWSS_IMAGE_INIT;
  uint64_t sequence;
  REFUSED_FOR(sequence, nbwss_notify_job(connector, &job, &sequence));
  REFUSED_FOR(sequence, nbwss_notify_image(connector, &image, &sequence));
  REFUSED_FOR(sequence, nbwss_notify_json(connector, "{}", &sequence));
  REFUSED_FOR(sequence, nbwss_job_queued(connector, &job, &sequence));
  REFUSED_FOR(sequence, nbwss_job_active(connector, &job, &sequence));
  REFUSED_FOR(sequence, nbwss_job_done(connector, &job, 0, &sequence));
}

static void requests_are_refused(void) {
  nbwss_request *made_up = (nbwss_request *)&made_up;
  nbwss_response response = NBWSS_RESPONSE_INIT;
  nbwss_header header;
  nbwss_str text;
  size_t count;
  bool wanted;
  REFUSED_FOR(text, nbwss_request_id(made_up, &text));
  REFUSED_FOR(text, nbwss_request_host_name(made_up, &text));
  REFUSED_FOR(text, nbwss_request_group_id(made_up, &text));
  REFUSED_FOR(text, nbwss_request_method(made_up, &text));
  REFUSED_FOR(text, nbwss_request_uri(made_up, &text));
  REFUSED_FOR(text, nbwss_request_body(made_up, &text));
  REFUSED_FOR(text, nbwss_request_header(made_up, "accept", &text));
  REFUSED_FOR(count, nbwss_request_header_count(made_up, &count));
  REFUSED_FOR(header, nbwss_request_header_at(made_up, 0, &header));
  REFUSED_FOR(wanted, nbwss_request_is_wanted(made_up, &wanted));
  REFUSED(nbwss_request_respond(made_up, &response));
  REFUSED(nbwss_request_fail(made_up, 500, "no"));
}

/* Everything the parent has, used in the child. */
static void every_call_is_refused(nbwss_options *options, nbwss_connector *connector, nbwss_endpoints *list) {
  options_are_refused(options);
  connectors_are_refused(options, connector);
  endpoints_are_refused(connector, list);
  inspections_are_refused(connector);
  notifications_are_refused(connector);
  requests_are_refused();
  CHECK(strcmp(nbwss_status_name(NBWSS_FORKED), "NBWSS_FORKED") == 0);
  CHECK(nbwss_last_error().len > 0);
  CHECK(strcmp(nbwss_version(), NBWSS_VERSION) == 0);
  CHECK_OK(nbwss_check_compat());
}

static void check_child(pid_t child) {
  int status = 0;
  CHECK(child > 0);
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void fork_before_first_use(void) {
  pid_t child = fork();
  if (child == 0) {
    nbwss_options *options = NULL;
    nbwss_connector *connector = NULL;
    CHECK_OK(nbwss_options_new(&options));
    CHECK_OK(nbwss_connector_new(options, &connector));
    CHECK_OK(nbwss_connector_start(connector));
    CHECK_OK(nbwss_connector_destroy(connector));
    CHECK_OK(nbwss_options_free(options));
    _exit(0);
  }
  check_child(child);
}

int main(int argc, char **argv) {
  static struct counting_host host = COUNTING_HOST_INIT;
  nbwss_connector *connector = NULL, *another = NULL;
  nbwss_endpoints *list = NULL;
  char database[4096];
  size_t count = 0;
  long notified = 0;
  CHECK(argc == 3);
  draft_file = argv[1];
  snprintf(database, sizeof database, "%s.db", argv[1]);
  fork_before_first_use();
  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_options_on_request(options, on_request, &host, counting_destructor));
  CHECK_OK(nbwss_options_set(options, "endpoint.store.path", database));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.established, 1));

  for (int round = 0; round < 3; round++) {
    /* Some are on their way while the process forks. */
    for (int i = 0; i < 20; i++) {
      nbwss_job job = small_job(++notified);
      CHECK_OK(nbwss_notify_job(connector, &job, NULL));
    }
    pid_t child = fork();
    if (child == 0) {
      long begin = now_ms();
      every_call_is_refused(options, connector, list);
      CHECK(now_ms() - begin < 3000);
      CHECK(counter_value(&host.destructors) == 0);
      _exit(0);
    }
    check_child(child);
  }

  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  CHECK(counter_value(&host.delivered) == notified);
  /* The children's ends did not touch the parent's session. */
  CHECK(counter_value(&host.established) == 1);
  CHECK_OK(nbwss_endpoints_free(list));

  /* Nor its database: it is still the parent's alone and takes changes, and when the parent lets it go, it is free even
   * while a child lives that has inherited the file. */
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(1);
  }
  CHECK(child > 0);
  CHECK_STATUS(nbwss_connector_new(options, &another), NBWSS_STORE_IN_USE);
  CHECK_OK(nbwss_endpoint_add_json(
      connector, "{\"hostName\":\"late\",\"groupId\":\"late\",\"url\":\"wss://127.0.0.1:1/\",\"priority\":1,\"token\":\"t\"}"));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_OK(nbwss_endpoints_count(list, &count));
  CHECK(count == 2);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&host.destructors) == 3);
  return 0;
}
