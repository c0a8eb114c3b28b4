/*
 * A host whose request callback runs on the thread of the sessions (dispatch.inline). It answers there, or hands over to
 * eight threads that all answer at once; what would wait for that very thread is refused there. When it blocks, the host
 * is told so, once for each such call, and when it returns everything goes on.
 *
 *   inline ENDPOINT_JSON CA_FILE INLINE_LIMIT_MS     (ends when /finish is asked for)
 */
#define _GNU_SOURCE
#include <stdatomic.h>

#include "counting_host.h"

enum { LATER = 240, ANSWERING = 8 }; /* requests that are answered later, and the threads that do it */

struct inline_host {
  struct counting_host counting;
  struct counter blocks, finished;
  nbwss_connector *connector;
  long inline_limit_ms;
  long blocking_calls;          /* only of the callback */
  struct counter later;         /* how many of these there are */
  nbwss_request *requests[LATER];
  atomic_long next;
};

static void respond(nbwss_request *request, const char *body) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  response.body = nbwss_str_z(body);
  CHECK_OK(nbwss_request_respond(request, &response));
}

static void *answer_later(void *argument) {
  struct inline_host *host = argument;
  CHECK(counter_reaches(&host->later, LATER));
  for (;;) {
    long mine = atomic_fetch_add(&host->next, 1);
    if (mine >= LATER) return NULL;
    respond(host->requests[mine], "later");
  }
}

/* True: the counter has not got that far within this time. Waiting for what must not happen has no other end. */
static bool stays_below(struct counter *counter, long value, long milliseconds) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += milliseconds / 1000;
  until.tv_nsec += milliseconds % 1000 * 1000000;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  int timed_out = 0;
  pthread_mutex_lock(&counter->lock);
  while (counter->value < value && !timed_out) {
    timed_out = pthread_cond_timedwait(&counter->raised, &counter->lock, &until) != 0;
  }
  bool below = counter->value < value;
  pthread_mutex_unlock(&counter->lock);
  return below;
}

/* Released by its own event. A second one for the same call would come after another limit. */
static void block(struct inline_host *host) {
  host->blocking_calls++;
  CHECK(counter_reaches(&host->blocks, host->blocking_calls));
  CHECK(stays_below(&host->blocks, host->blocking_calls + 1, 3 * host->inline_limit_ms));
}

static void wait_on_the_thread_that_would_have_to_move(nbwss_connector *connector) {
  nbwss_endpoints *list = NULL;
  nbwss_job job = small_job(1);
  long begin = now_ms();
  CHECK_STATUS(nbwss_connector_drain(connector, DEADLINE_MS, NULL), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_wait(connector, DEADLINE_MS), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_destroy(connector), NBWSS_ILLEGAL_STATE);
  CHECK(now_ms() - begin < DEADLINE_MS / 2);
  /* Everything else may be called. */
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_connector_set_policy(connector, "allow * /**"));
  CHECK_OK(nbwss_connector_start(connector));
}

static void on_request(nbwss_request *request, void *user_data) {
  struct inline_host *host = user_data;
  char name[16];
  bool wanted = false;
  nbwss_str uri;
  CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
  CHECK(strcmp(name, "nbwss-io") == 0);
  CHECK_OK(nbwss_request_uri(request, &uri));
  CHECK_OK(nbwss_request_is_wanted(request, &wanted));
  CHECK(wanted);
  if (str_is(uri, "/later")) {
    long number = counter_value(&host->later);
    CHECK(number < LATER);
    host->requests[number] = request;
    counter_raise(&host->later);
    return;
  }
  bool finish = str_is(uri, "/finish");
  if (str_is(uri, "/block")) block(host);
  else if (str_is(uri, "/wait")) wait_on_the_thread_that_would_have_to_move(host->connector);
  else CHECK(finish || str_is(uri, "/inside"));
  respond(request, "inside");
  if (finish) counter_raise(&host->finished);
}

static void on_event(const nbwss_event *event, void *user_data) {
  struct inline_host *host = user_data;
  counting_on_event(event, &host->counting);
  if (event->kind == NBWSS_EVENT_CALLBACK_BLOCKS) {
    CHECK(str_contains(event->reason, "dispatch.inlineLimit"));
    CHECK(event->retry_in_ms == -1);
    counter_raise(&host->blocks);
  }
}

int main(int argc, char **argv) {
  static struct inline_host host = {
      .counting = COUNTING_HOST_INIT, .blocks = COUNTER_INIT, .finished = COUNTER_INIT, .later = COUNTER_INIT};
  pthread_t answering[ANSWERING];
  CHECK(argc == 4);
  host.inline_limit_ms = strtol(argv[3], NULL, 10);
  nbwss_options *options = counting_options(&host.counting, argv[2]);
  CHECK_OK(nbwss_options_set_bool(options, "dispatch.inline", true));
  CHECK_OK(nbwss_options_set(options, "dispatch.inlineLimit", argv[3]));
  CHECK_OK(nbwss_options_set_int(options, "dispatch.maxPerSession", 2 * LATER));
  CHECK_OK(nbwss_options_set_int(options, "dispatch.maxOutstanding", 2 * LATER));
  CHECK_OK(nbwss_options_on_event(options, on_event, &host, NULL));
  CHECK_OK(nbwss_options_on_request(options, on_request, &host, NULL));
  CHECK_OK(nbwss_connector_new(options, &host.connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(host.connector, argv[1]));
  CHECK_OK(nbwss_connector_start(host.connector));

  for (int i = 0; i < ANSWERING; i++) CHECK(pthread_create(&answering[i], NULL, answer_later, &host) == 0);
  for (int i = 0; i < ANSWERING; i++) CHECK(pthread_join(answering[i], NULL) == 0);
  CHECK(counter_reaches(&host.finished, 1));
  CHECK_OK(nbwss_connector_drain(host.connector, DEADLINE_MS, NULL));
  nbwss_stats stats = NBWSS_STATS_INIT;
  CHECK_OK(nbwss_connector_stats(host.connector, &stats));
  CHECK(stats.callbacks_blocked == 2 && stats.requests_outstanding == 0);
  CHECK_OK(nbwss_connector_destroy(host.connector));
  CHECK(counter_value(&host.blocks) == host.blocking_calls && host.blocking_calls == 2);
  CHECK(counter_value(&host.counting.established) == 1);
  return 0;
}
