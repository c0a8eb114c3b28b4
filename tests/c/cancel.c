/*
 * Requests that are not wanted any more. Two connectors, one after the other: with the first, deadlines pass while the
 * host holds requests, which then come too late. With the second, a session is lost while the host holds requests; their
 * answers are kept, and the same request on the next session gets them without a second call. The host is told of each
 * that it holds, once, and of none that it has consumed.
 *
 * Once the host holds a request, a job notification tells the cloud application so: job 10 + n for the n-th fate with the
 * first connector, 20 + n with the second.
 *
 *   cancel ENDPOINT_JSON CA_FILE     (each connector ends when /finish is asked for)
 */
#define _POSIX_C_SOURCE 200809L
#include "audit_trail.h"
#include "counting_host.h"

/* Long enough to look at a request before it, short enough to wait for it to pass. */
#define SHORT_TIMEOUT_MS "1500"
#define LONG_TIMEOUT_MS "60000"

/* What becomes of a request that is held. */
enum fate {
  CONSUMED_IN_CANCEL, /* by the cancel callback */
  CONSUMED_LATER,     /* by the main thread, after the cancel callback */
  REJOINED,           /* by the main thread, after the cloud application has asked again */
  LEFT,               /* by the main thread, after the connector has gone */
  FATES
};

static const char *const uris[FATES] = {"/consumed-in-cancel", "/consumed-later", "/rejoined", "/left"};

struct cancel_host {
  struct counting_host counting;
  struct audit_trail audit;
  struct counter called, finished;
  struct counter cancelled[FATES];
  nbwss_connector *connector;
  int64_t connectors;
  nbwss_request *held[FATES]; /* written before its job is notified, read after */
  nbwss_status too_late;      /* what an answer after the cancel callback comes to */
};

static bool is_wanted(const nbwss_request *request) {
  bool wanted = false;
  CHECK_OK(nbwss_request_is_wanted(request, &wanted));
  return wanted;
}

static void respond(nbwss_request *request, nbwss_status expected) {
  bool wanted = true;
  nbwss_response response = NBWSS_RESPONSE_INIT;
  response.body = nbwss_str_z("answered once");
  CHECK_STATUS(nbwss_request_respond(request, &response), expected);
  CHECK_STATUS(nbwss_request_respond(request, &response), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_request_is_wanted(request, &wanted), NBWSS_BAD_HANDLE);
  CHECK(!wanted);
}

static void on_request(nbwss_request *request, void *user_data) {
  struct cancel_host *host = user_data;
  nbwss_str uri;
  CHECK_OK(nbwss_request_uri(request, &uri));
  CHECK_STATUS(nbwss_request_is_wanted(request, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK(is_wanted(request));
  counter_raise(&host->called);
  for (int fate = 0; fate < FATES; fate++) {
    if (!str_is(uri, uris[fate])) continue;
    nbwss_job job = small_job(10 * host->connectors + fate);
    host->held[fate] = request;
    CHECK_OK(nbwss_notify_job(host->connector, &job, NULL));
    return;
  }
  bool finish = str_is(uri, "/finish");
  CHECK(finish || str_is(uri, "/quick"));
  respond(request, NBWSS_OK);
  if (finish) counter_raise(&host->finished);
}

static void on_cancel(nbwss_request *request, void *user_data) {
  struct cancel_host *host = user_data;
  nbwss_str uri;
  int fate = 0;
  while (fate < FATES && host->held[fate] != request) fate++;
  CHECK(fate < FATES); /* none that was consumed before, and none that is unknown */
  /* Still the host's, and still readable. */
  CHECK_OK(nbwss_request_uri(request, &uri));
  CHECK(str_is(uri, uris[fate]));
  CHECK(!is_wanted(request));
  CHECK_STATUS(nbwss_connector_drain(host->connector, 1, NULL), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_destroy(host->connector), NBWSS_ILLEGAL_STATE);
  if (fate == CONSUMED_IN_CANCEL) respond(request, host->too_late);
  counter_raise(&host->cancelled[fate]);
}

static void connect_with(struct cancel_host *host, const char *timeout_ms, char **argv) {
  nbwss_options *options = counting_options(&host->counting, argv[2]);
  CHECK_OK(nbwss_options_set(options, "dispatch.timeout", timeout_ms));
  CHECK_OK(nbwss_options_on_request(options, on_request, host, NULL));
  CHECK_OK(nbwss_options_on_cancel(options, on_cancel, host, NULL));
  CHECK_OK(nbwss_options_on_audit(options, audit_trail_on_audit, &host->audit, NULL));
  CHECK_OK(nbwss_connector_new(options, &host->connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(host->connector, argv[1]));
  host->connectors++;
  counter_reset(&host->called);
  counter_reset(&host->finished);
  for (int fate = 0; fate < FATES; fate++) {
    counter_reset(&host->cancelled[fate]);
    host->held[fate] = NULL;
  }
  CHECK_OK(nbwss_connector_start(host->connector));
}

static void destroy_after(struct cancel_host *host, long calls, const long cancelled[FATES]) {
  CHECK(counter_reaches(&host->finished, 1));
  CHECK_OK(nbwss_connector_destroy(host->connector));
  CHECK(counter_value(&host->called) == calls);
  for (int fate = 0; fate < FATES; fate++) CHECK(counter_value(&host->cancelled[fate]) == cancelled[fate]);
}

/* The cloud application has its 504: an answer is of no use to anybody. */
static void deadlines_pass(struct cancel_host *host, char **argv) {
  static const long cancelled[FATES] = {[CONSUMED_IN_CANCEL] = 1, [CONSUMED_LATER] = 1};
  host->too_late = NBWSS_EXPIRED;
  connect_with(host, SHORT_TIMEOUT_MS, argv);
  CHECK(counter_reaches(&host->cancelled[CONSUMED_IN_CANCEL], 1));
  CHECK(counter_reaches(&host->cancelled[CONSUMED_LATER], 1));
  CHECK(!is_wanted(host->held[CONSUMED_LATER]));
  respond(host->held[CONSUMED_LATER], NBWSS_EXPIRED);
  destroy_after(host, 4, cancelled);
}

/* Nobody is there for the answer, but somebody may come back for it. */
static void a_session_is_lost(struct cancel_host *host, char **argv) {
  static const long cancelled[FATES] = {1, 1, 1, 1};
  host->too_late = NBWSS_OK;
  connect_with(host, LONG_TIMEOUT_MS, argv);
  for (int fate = 0; fate <= REJOINED; fate++) CHECK(counter_reaches(&host->cancelled[fate], 1));
  respond(host->held[CONSUMED_LATER], NBWSS_OK);
  CHECK(!is_wanted(host->held[REJOINED]));
  audit_trail_await(&host->audit, "repeated", "rejoined");
  CHECK(is_wanted(host->held[REJOINED]));
  respond(host->held[REJOINED], NBWSS_OK);
  destroy_after(host, 6, cancelled);
  /* What the end of the connector has answered with 503 is not wanted any more, either. */
  CHECK(!is_wanted(host->held[LEFT]));
  respond(host->held[LEFT], NBWSS_EXPIRED);
}

int main(int argc, char **argv) {
  static struct cancel_host host = {
      .counting = COUNTING_HOST_INIT,
      .called = COUNTER_INIT,
      .finished = COUNTER_INIT,
      .cancelled = {COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, COUNTER_INIT},
  };
  CHECK(argc == 3);
  audit_trail_open(&host.audit);
  deadlines_pass(&host, argv);
  a_session_is_lost(&host, argv);
  audit_trail_close(&host.audit);
  return 0;
}
