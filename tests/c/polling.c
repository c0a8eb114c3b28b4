/*
 * A host with an event loop of its own: callbacks run when it polls, on its thread and on no other; a descriptor says
 * when. Whatever waits for callbacks runs them meanwhile, and destroy leaves none behind.
 *
 *   polling ENDPOINT_JSON CA_FILE     (the cloud application asks for /now, /later and /unanswered)
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "counting_host.h"

static pthread_t the_loops_thread;
static struct counting_host counting = COUNTING_HOST_INIT;
static nbwss_connector *connector;
static nbwss_request *later;
static int requests, logs, audits;
static bool asked_for_the_end;

static void check_thread(void) { CHECK(pthread_equal(pthread_self(), the_loops_thread)); }

static void on_event(const nbwss_event *event, void *user_data) {
  check_thread();
  counting_on_event(event, user_data);
}

static void on_delivery(const nbwss_delivery *delivery, void *user_data) {
  check_thread();
  counting_on_delivery(delivery, user_data);
}

static void on_log(const nbwss_log *line, void *user_data) {
  check_thread();
  CHECK(line->text.len > 0 && user_data == &counting);
  logs++;
}

static void on_audit(const nbwss_audit *record, void *user_data) {
  check_thread();
  CHECK(record->id.len > 0 && user_data == &counting);
  audits++;
}

static void answer(nbwss_request *request) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  response.body = nbwss_str_z("polled");
  CHECK_OK(nbwss_request_respond(request, &response));
}

static void on_request(nbwss_request *request, void *user_data) {
  nbwss_str uri;
  size_t ran = 7;
  check_thread();
  CHECK(user_data == &counting);
  requests++;
  CHECK_OK(nbwss_request_uri(request, &uri));
  /* Not from within: it would wait for itself. */
  CHECK_STATUS(nbwss_connector_poll(connector, DEADLINE_MS, &ran), NBWSS_ILLEGAL_STATE);
  CHECK(ran == 0);
  CHECK_STATUS(nbwss_connector_drain(connector, DEADLINE_MS, NULL), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_destroy(connector), NBWSS_ILLEGAL_STATE);
  if (str_is(uri, "/later")) {
    later = request;
  } else if (str_is(uri, "/finish")) {
    asked_for_the_end = true;
    answer(request);
  } else {
    answer(request);
  }
}

static nbwss_options *polled_options(const char *ca_file) {
  nbwss_options *options = counting_options(&counting, ca_file);
  CHECK_OK(nbwss_options_set(options, "callbacks.poll", "true"));
  CHECK_OK(nbwss_options_set(options, "log.level", "debug"));
  CHECK_OK(nbwss_options_on_event(options, on_event, &counting, counting_destructor));
  CHECK_OK(nbwss_options_on_delivery(options, on_delivery, &counting, counting_destructor));
  CHECK_OK(nbwss_options_on_log(options, on_log, &counting, NULL));
  CHECK_OK(nbwss_options_on_audit(options, on_audit, &counting, NULL));
  CHECK_OK(nbwss_options_on_request(options, on_request, &counting, NULL));
  return options;
}

/* Two settings that exclude each other, and a connector that does not poll. */
static void polling_is_asked_for_and_possible(const char *ca_file) {
  nbwss_connector *other = NULL;
  nbwss_options *options = polled_options(ca_file);
  nbwss_socket fd = 7;
  size_t ran = 7;
  CHECK_OK(nbwss_options_set(options, "dispatch.inline", "true"));
  CHECK_STATUS(nbwss_connector_new(options, &other), NBWSS_INVALID_VALUE);
  CHECK_ERROR_NAMES("dispatch.inline");
  CHECK_ERROR_NAMES("callbacks.poll");
  CHECK_OK(nbwss_options_free(options));

  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_connector_new(options, &other));
  CHECK_STATUS(nbwss_connector_poll(other, 0, &ran), NBWSS_ILLEGAL_STATE);
  CHECK_ERROR_NAMES("callbacks.poll");
  CHECK_STATUS(nbwss_connector_poll_fd(other, &fd), NBWSS_ILLEGAL_STATE);
  CHECK(ran == 0 && fd == 0);
  CHECK_STATUS(nbwss_connector_poll_fd(other, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_OK(nbwss_connector_destroy(other));
  CHECK_OK(nbwss_options_free(options));
  CHECK_STATUS(nbwss_connector_poll(NULL, 0, NULL), NBWSS_INVALID_ARGUMENT);
}

/* The host's event loop, for as long as `goes_on` says. */
static void event_loop(int fd, bool (*goes_on)(void)) {
  struct pollfd waiting = {.fd = fd, .events = POLLIN};
  while (goes_on()) {
    CHECK(poll(&waiting, 1, DEADLINE_MS) == 1);
    CHECK_OK(nbwss_connector_poll(connector, 0, NULL));
  }
}

static bool is_connecting(void) { return counter_value(&counting.established) == 0; }
static bool awaits_later(void) { return later == NULL; }
static bool awaits_the_end(void) { return !asked_for_the_end; }

static void *poll_too(void *argument) {
  /* One thread at a time runs callbacks: this one finds nothing to do but when the loop's thread leaves it something. */
  size_t ran = 0;
  nbwss_status status = nbwss_connector_poll(connector, DEADLINE_MS, &ran);
  /* Destroyed meanwhile, or before this thread came to it. */
  CHECK((status == NBWSS_ILLEGAL_STATE || status == NBWSS_BAD_HANDLE) && ran == 0);
  *(bool *)argument = true;
  return NULL;
}

/* Only whoever polls runs callbacks, so with nothing waiting this thread polls until destroy has begun. */
static void destroy_ends_a_poll(const char *ca_file) {
  nbwss_options *options = NULL;
  pthread_t poller;
  bool ended = false;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "tls.caFile", ca_file));
  CHECK_OK(nbwss_options_set(options, "callbacks.poll", "true"));
  CHECK_OK(nbwss_options_set(options, "log.level", "off"));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK(pthread_create(&poller, NULL, poll_too, &ended) == 0);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(pthread_join(poller, NULL) == 0 && ended);
}

int main(int argc, char **argv) {
  nbwss_socket fd;
  nbwss_drained drained = NBWSS_DRAINED_INIT;
  CHECK(argc == 3);
  the_loops_thread = pthread_self();
  destroy_ends_a_poll(argv[2]); /* and loads all that stays loaded */
  polling_is_asked_for_and_possible(argv[2]);
  CHECK(threads_fall_to(1));
  long threads = 1, fds = count_fds(), destructors = counter_value(&counting.destructors);

  nbwss_options *options = polled_options(argv[2]);
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK(count_threads() == threads + 1); /* the one with the sockets */
  CHECK_OK(nbwss_connector_poll_fd(connector, &fd));
  CHECK(fcntl((int)fd, F_GETFD) & FD_CLOEXEC);
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_connector_start(connector));
  event_loop((int)fd, is_connecting);
  event_loop((int)fd, awaits_later);
  CHECK(requests > 0);

  /* Drain runs the callbacks that it waits for. */
  nbwss_job job = small_job(1);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, &drained));
  CHECK(drained.delivered == 1 && counter_value(&counting.delivered) == 1);
  answer(later);
  event_loop((int)fd, awaits_the_end);

  /* So does wait; what came last is told when it returns, or by the next poll. */
  CHECK_OK(nbwss_connector_stop(connector));
  CHECK_OK(nbwss_connector_wait(connector, DEADLINE_MS));
  while (counter_value(&counting.disconnected) == 0) CHECK_OK(nbwss_connector_poll(connector, DEADLINE_MS, NULL));
  size_t ran = 1;
  while (ran > 0) CHECK_OK(nbwss_connector_poll(connector, 0, &ran));
  struct pollfd waiting = {.fd = (int)fd, .events = POLLIN};
  CHECK(poll(&waiting, 1, 0) == 0);
  long begin = now_ms();
  CHECK_OK(nbwss_connector_poll(connector, 50, &ran));
  CHECK(ran == 0 && now_ms() - begin >= 50);

  /* And destroy tells the rest. */
  job = small_job(2);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&counting.abandoned) == 1);
  CHECK(counter_value(&counting.destructors) == destructors + 4); /* two replaced, two at the end */
  CHECK(logs > 0 && audits >= 2 * requests);
  CHECK(threads_fall_to(threads) && count_fds() == fds);
  return 0;
}
