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

static void on_request(nbwss_request *request, void *user_data) {
  (void)user_data;
  nbwss_request_fail(request, 404, "this host only notifies");
}

/* Everything the parent has, used in the child. */
static void every_call_is_refused(nbwss_options *options, nbwss_connector *connector, nbwss_endpoints *list) {
  nbwss_options *new_options = (nbwss_options *)&new_options;
  nbwss_connector *new_connector = (nbwss_connector *)&new_connector;
  nbwss_endpoints *new_list = (nbwss_endpoints *)&new_list;
  nbwss_endpoint endpoint = NBWSS_ENDPOINT_INIT;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  nbwss_job job = small_job(1);
  nbwss_image image = NBWSS_IMAGE_INIT;
  nbwss_response response = NBWSS_RESPONSE_INIT;
  nbwss_request *request = (nbwss_request *)&request;
  nbwss_str text = {"x", 1};
  size_t count = 7;
  CHECK_STATUS(nbwss_options_new(&new_options), NBWSS_FORKED);
  CHECK(new_options == NULL);
  CHECK_STATUS(nbwss_options_set(options, "log.level", "info"), NBWSS_FORKED);
  CHECK_STATUS(nbwss_options_set_int(options, "connectionInfo.period", 1), NBWSS_FORKED);
  CHECK_STATUS(nbwss_options_set_bool(options, "exception.ignoreDecoder", true), NBWSS_FORKED);
  CHECK_STATUS(nbwss_options_on_request(options, on_request, NULL, NULL), NBWSS_FORKED);
  CHECK_STATUS(nbwss_connector_new(options, &new_connector), NBWSS_FORKED);
  CHECK_STATUS(nbwss_connector_start(connector), NBWSS_FORKED);
  CHECK_STATUS(nbwss_connector_stop(connector), NBWSS_FORKED);
  CHECK_STATUS(nbwss_connector_drain(connector, DEADLINE_MS, NULL), NBWSS_FORKED);
  CHECK_STATUS(nbwss_connector_wait(connector, DEADLINE_MS), NBWSS_FORKED);
  CHECK_STATUS(nbwss_group_start(connector, "g"), NBWSS_FORKED);
  CHECK_STATUS(nbwss_group_stop(connector, "g"), NBWSS_FORKED);
  CHECK_STATUS(nbwss_endpoint_add(connector, &endpoint), NBWSS_FORKED);
  CHECK_STATUS(nbwss_endpoint_add_json(connector, "{}"), NBWSS_FORKED);
  CHECK_STATUS(nbwss_endpoint_add_file(connector, "/dev/null"), NBWSS_FORKED);
  CHECK_STATUS(nbwss_endpoint_remove(connector, "h"), NBWSS_FORKED);
  CHECK_STATUS(nbwss_endpoint_list(connector, &new_list), NBWSS_FORKED);
  CHECK(new_list == NULL && new_connector == NULL);
  CHECK_STATUS(nbwss_endpoints_count(list, &count), NBWSS_FORKED);
  CHECK(count == 0);
  CHECK_STATUS(nbwss_endpoints_get(list, 0, &info), NBWSS_FORKED);
  CHECK_STATUS(nbwss_notify_job(connector, &job, NULL), NBWSS_FORKED);
  CHECK_STATUS(nbwss_notify_image(connector, &image, NULL), NBWSS_FORKED);
  CHECK_STATUS(nbwss_notify_json(connector, "{}", NULL), NBWSS_FORKED);
  CHECK_STATUS(nbwss_request_uri(request, &text), NBWSS_FORKED);
  CHECK(text.ptr == NULL && text.len == 0);
  CHECK_STATUS(nbwss_request_respond(request, &response), NBWSS_FORKED);
  CHECK_STATUS(nbwss_request_fail(request, 500, "no"), NBWSS_FORKED);
  CHECK_STATUS(nbwss_endpoints_free(list), NBWSS_FORKED);
  CHECK_STATUS(nbwss_connector_destroy(connector), NBWSS_FORKED);
  CHECK_STATUS(nbwss_options_free(options), NBWSS_FORKED);
  CHECK(strcmp(nbwss_status_name(NBWSS_FORKED), "NBWSS_FORKED") == 0);
  CHECK(nbwss_last_error().len > 0);
  CHECK(strcmp(nbwss_version(), NBWSS_VERSION) == 0);
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
