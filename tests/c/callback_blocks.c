/*
 * A host with a callback that does not return: of a request, or of an event. Other requests are answered all the same;
 * destroy gives up in its time and says TIMEOUT, after which the connector takes no call but another destroy. Then the
 * callback returns and the second destroy succeeds, or it never does and the process just ends.
 *
 *   callback_blocks ENDPOINT_JSON CA_FILE request|event|all released|stuck [OTHER_ENDPOINT_JSON]
 *
 * With "request" the cloud application asks for /block, and in the end, as with "event", for /finish. With "all" it asks for
 * /block as often as there are threads; then pings, notifications and refusals go on in this and another session, and each
 * cloud application asks once for what the policy refuses.
 */
#define _POSIX_C_SOURCE 200809L
#include "counting_host.h"

enum { SHUTDOWN_TIMEOUT_MS = 700, SLACK_MS = 3000, THREADS = 2, SESSIONS = 2 };

static struct counter entered = COUNTER_INIT, released = COUNTER_INIT, finished = COUNTER_INIT;
static struct counter refused = COUNTER_INIT;
static bool event_blocks, all_block;

static void block(struct counting_host *host) {
  counter_raise(&entered);
  pthread_mutex_lock(&released.lock);
  while (released.value == 0) pthread_cond_wait(&released.raised, &released.lock);
  pthread_mutex_unlock(&released.lock);
  /* Its user data is still its own: no destructor has run while a callback is in here. */
  CHECK(counter_value(&host->destructors) == 0);
}

static void on_request(nbwss_request *request, void *user_data) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  nbwss_str uri;
  CHECK_OK(nbwss_request_uri(request, &uri));
  if (str_is(uri, "/block")) {
    block(user_data);
    CHECK_STATUS(nbwss_request_respond(request, &response), NBWSS_EXPIRED);
    return;
  }
  bool last = str_is(uri, "/finish");
  CHECK_OK(nbwss_request_respond(request, &response));
  if (last) counter_raise(&finished);
}

static void on_event(const nbwss_event *event, void *user_data) {
  counting_on_event(event, user_data);
  if (event_blocks && event->kind == NBWSS_EVENT_ESTABLISHED) block(user_data);
}

static void on_audit(const nbwss_audit *record, void *user_data) {
  (void)user_data;
  if (record->step == NBWSS_AUDIT_REFUSED) counter_raise(&refused);
}

/* Milliseconds since the peer was heard that was silent for longest. */
static int64_t longest_silence(nbwss_connector *connector) {
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  int64_t longest = -1;
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  for (size_t i = 0; i < SESSIONS; i++) {
    CHECK_OK(nbwss_endpoints_get(list, i, &info));
    CHECK(info.state == NBWSS_CONNECTED && info.last_heard_ms >= 0);
    if (info.last_heard_ms > longest) longest = info.last_heard_ms;
  }
  CHECK_OK(nbwss_endpoints_free(list));
  return longest;
}

/* Both peers are heard again after this moment: pings go out, and pongs are read. */
static void pings_go_on(nbwss_connector *connector) {
  const struct timespec moment = {0, 20000000};
  long begin = now_ms();
  while (longest_silence(connector) >= now_ms() - begin) {
    CHECK(now_ms() - begin < DEADLINE_MS);
    nanosleep(&moment, NULL);
  }
}

static void all_threads_are_stuck(struct counting_host *host, nbwss_connector *connector) {
  nbwss_job job = small_job(1);
  nbwss_stats stats = NBWSS_STATS_INIT;
  CHECK(counter_reaches(&entered, THREADS));
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK(counter_reaches(&host->delivered, SESSIONS));
  CHECK(counter_reaches(&refused, SESSIONS));
  pings_go_on(connector);
  CHECK_OK(nbwss_connector_stats(connector, &stats));
  CHECK(stats.requests_outstanding == THREADS && stats.calls_refused == SESSIONS && stats.sessions == SESSIONS);
  counter_raise(&finished);
}

/* The cloud application acknowledges it, but with the reports stuck nobody was told: that is not drained yet. */
static void drain_waits_for_reports(nbwss_connector *connector) {
  nbwss_job job = small_job(1);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  long begin = now_ms();
  CHECK_STATUS(nbwss_connector_drain(connector, 300, NULL), NBWSS_TIMEOUT);
  CHECK(now_ms() - begin < 300 + SLACK_MS);
}

int main(int argc, char **argv) {
  static struct counting_host host = COUNTING_HOST_INIT;
  nbwss_connector *connector = NULL;
  nbwss_job job = small_job(2);
  CHECK(argc == 5 || argc == 6);
  event_blocks = strcmp(argv[3], "event") == 0;
  all_block = strcmp(argv[3], "all") == 0;
  nbwss_options *options = counting_options(&host, argv[2]);
  if (all_block) {
    CHECK_OK(nbwss_options_set_int(options, "dispatch.threads", THREADS));
    CHECK_OK(nbwss_options_set(options, "dispatch.policy", "deny * /denied; allow * /**"));
    CHECK_OK(nbwss_options_set_int(options, "keepAlive.scheduledRate", 1));
    CHECK_OK(nbwss_options_on_audit(options, on_audit, NULL, NULL));
  }
  CHECK_OK(nbwss_options_set_int(options, "shutdown.timeout", SHUTDOWN_TIMEOUT_MS));
  CHECK_OK(nbwss_options_on_event(options, on_event, &host, counting_destructor));
  CHECK_OK(nbwss_options_on_request(options, on_request, &host, counting_destructor));
  counter_reset(&host.destructors); /* the one of the event callback that was replaced */
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  if (all_block) CHECK_OK(nbwss_endpoint_add_file(connector, argv[5]));
  CHECK_OK(nbwss_connector_start(connector));

  if (all_block) all_threads_are_stuck(&host, connector);
  CHECK(counter_reaches(&finished, 1));
  CHECK(counter_reaches(&entered, 1));
  if (event_blocks) drain_waits_for_reports(connector);
  long begin = now_ms();
  CHECK_STATUS(nbwss_connector_destroy(connector), NBWSS_TIMEOUT);
  CHECK(now_ms() - begin < SHUTDOWN_TIMEOUT_MS + SLACK_MS);
  CHECK_STATUS(nbwss_connector_start(connector), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_stop(connector), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_notify_job(connector, &job, NULL), NBWSS_ILLEGAL_STATE);
  if (strcmp(argv[4], "stuck") == 0) return 0;

  counter_raise(&released);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&host.destructors) == 3);
  /* After a destroy that gave up no further callback is begun, not even for a delivery. */
  CHECK(counter_value(&host.delivered) == (all_block ? SESSIONS : 0) && counter_value(&host.abandoned) == 0);
  CHECK_STATUS(nbwss_connector_destroy(connector), NBWSS_BAD_HANDLE);
  return 0;
}
