/*
 * A bug in the library is the library's. Where it panics in a call of the host's, the call says PANIC, a log line says
 * what it was, and the same call works afterwards. In a session it ends that session, and what was being sent is sent on
 * the next one. Around a callback it costs one call at the most, and the next is answered. Standard error stays empty.
 *
 *   panic ENDPOINT_JSON CA_FILE calls|threads|poll
 *
 * But for "calls" the cloud application asks for /after, /before, /lost, which may be, and /finish.
 */
#define _GNU_SOURCE
#include <poll.h>

#include "../counting_host.h"
#include "../dispositions.h"
#include "../event_trail.h"
#include "failing.h"

struct panicking {
  struct counting_host counting;
  struct event_trail trail;
  struct counter panics; /* log lines that tell of one */
  struct counter finished;
  bool polls;
};

static void on_event(const nbwss_event *event, void *user_data) {
  struct panicking *host = user_data;
  counting_on_event(event, &host->counting);
  event_trail_on_event(event, &host->trail);
}

static void on_log(const nbwss_log *line, void *user_data) {
  struct panicking *host = user_data;
  if (!str_contains(line->text, "panicked")) return;
  CHECK(line->level == NBWSS_LOG_ERROR);
  counter_raise(&host->panics);
}

/* Answers, and has the thread that it runs on panic afterwards: right after the callback, or with the next one in hand. */
static void on_request(nbwss_request *request, void *user_data) {
  struct panicking *host = user_data;
  nbwss_response response = NBWSS_RESPONSE_INIT;
  nbwss_str uri;
  CHECK_OK(nbwss_request_uri(request, &uri));
  int reading = host->polls ? 0 : str_is(uri, "/after") ? 1 : str_is(uri, "/before") ? 2 : 0;
  bool finish = str_is(uri, "/finish");
  CHECK_OK(nbwss_request_respond(request, &response));
  if (reading > 0) fail(&failing_clock, "nbwss-call-0", reading);
  if (finish) counter_raise(&host->finished);
}

static nbwss_options *panicking_options(struct panicking *host, const char *ca_file) {
  nbwss_options *options = counting_options(&host->counting, ca_file);
  CHECK_OK(nbwss_options_on_event(options, on_event, host, NULL));
  CHECK_OK(nbwss_options_on_log(options, on_log, host, NULL));
  CHECK_OK(nbwss_options_on_request(options, on_request, host, NULL));
  CHECK_OK(nbwss_options_set_int(options, "dispatch.threads", 1));
  CHECK_OK(nbwss_options_set_bool(options, "callbacks.poll", host->polls));
  return options;
}

static nbwss_connector *begin(struct panicking *host, char **argv) {
  nbwss_connector *connector = NULL;
  nbwss_options *options = panicking_options(host, argv[2]);
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  return connector;
}

/* Before there is a connector there is no log: the status says it, and nothing is left of the attempt. */
static void no_connector(struct panicking *host, const char *ca_file) {
  static struct dispositions before;
  nbwss_connector *connector = (nbwss_connector *)&connector;
  nbwss_options *options = panicking_options(host, ca_file);
  long fds = count_fds();
  dispositions_read(&before);
  CHECK_PANICS(nbwss_connector_new(options, &connector));
  CHECK(connector == NULL);
  check_dispositions_unchanged(&before);
  CHECK(threads_fall_to(1) && count_fds() == fds);
  CHECK_OK(nbwss_options_free(options));
}

/* Panics, is told so in the log, and works the next time. */
#define PANICS_AND_THEN(call, wanted) \
  do { \
    CHECK_PANICS(call); \
    CHECK(counter_reaches(&host->panics, ++panics)); \
    CHECK_STATUS(call, wanted); \
  } while (0)

static void in_calls(struct panicking *host, char **argv) {
  nbwss_job job = small_job(1);
  long panics = 0;
  no_connector(host, argv[2]);
  nbwss_connector *connector = begin(host, argv);
  PANICS_AND_THEN(nbwss_connector_start(connector), NBWSS_OK);
  event_trail_await(&host->trail, NBWSS_EVENT_ESTABLISHED, 1);
  PANICS_AND_THEN(nbwss_notify_job(connector, &job, NULL), NBWSS_OK);
  PANICS_AND_THEN(nbwss_connector_drain(connector, DEADLINE_MS, NULL), NBWSS_OK);
  CHECK(counter_value(&host->counting.delivered) == 1);
  PANICS_AND_THEN(nbwss_connector_wait(connector, DEADLINE_MS), NBWSS_ILLEGAL_STATE);
  CHECK(event_trail_count(&host->trail, NBWSS_EVENT_DISCONNECTED) == 0);

  /* The message's id is random: here the session panics, with the notification in its hands. */
  fail(&failing_random, "nbwss-io", 1);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK(event_trail_await(&host->trail, NBWSS_EVENT_DISCONNECTED, 1)->cause == NBWSS_CAUSE_INTERNAL);
  CHECK(counter_reaches(&host->panics, ++panics));
  event_trail_await(&host->trail, NBWSS_EVENT_ESTABLISHED, 2);
  CHECK(counter_reaches(&host->counting.delivered, 2));

  CHECK_PANICS(nbwss_connector_destroy(connector));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&host->panics) == panics + 1);
}

static void around_callbacks(struct panicking *host, char **argv) {
  nbwss_connector *connector = begin(host, argv);
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host->finished, 1));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&host->panics) == 2);
}

/* With a callback to run, the second look at the clock is after the thread has taken its turn to run them. */
static void while_polling(struct panicking *host, char **argv) {
  nbwss_connector *connector = begin(host, argv);
  nbwss_socket fd;
  CHECK_OK(nbwss_connector_poll_fd(connector, &fd));
  CHECK_OK(nbwss_connector_start(connector));
  struct pollfd waiting = {.fd = (int)fd, .events = POLLIN};
  bool panicked = false;
  CHECK(pthread_setname_np(pthread_self(), "event-loop") == 0);
  while (counter_value(&host->finished) == 0) {
    CHECK(poll(&waiting, 1, DEADLINE_MS) == 1);
    if (!panicked) fail(&failing_clock, "event-loop", 2);
    nbwss_status status = nbwss_connector_poll(connector, 0, NULL);
    fail(&failing_clock, "event-loop", 0);
    CHECK(status == NBWSS_OK || (status == NBWSS_PANIC && !panicked));
    panicked = panicked || status == NBWSS_PANIC;
  }
  CHECK(panicked);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&host->panics) == 1);
}

int main(int argc, char **argv) {
  static struct panicking host = {
      .counting = COUNTING_HOST_INIT, .trail = EVENT_TRAIL_INIT, .panics = COUNTER_INIT, .finished = COUNTER_INIT};
  CHECK(argc == 4);
  host.polls = strcmp(argv[3], "poll") == 0;
  if (host.polls) while_polling(&host, argv);
  else if (strcmp(argv[3], "threads") == 0) around_callbacks(&host, argv);
  else in_calls(&host, argv);
  CHECK(threads_fall_to(1));
  return 0;
}
