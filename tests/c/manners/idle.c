/*
 * Idle costs nothing: while nothing happens no thread of the library wakes up, be there no endpoint, a session, or one
 * whose callbacks are polled and whose notifications are stored. Only what is due wakes one: with a ping a second, the
 * thread that sends it and reads the answer.
 *
 *   idle ENDPOINT_JSON CA_FILE DATABASE
 */
#define _GNU_SOURCE
#include "../counting_host.h"
#include "../tasks.h"

/* A busy machine may put off for a while what a thread has still to do, so there may be some windows that are not idle. */
enum { WINDOW_MS = 2000, WINDOWS = 5 };
/* A timer is found in up to three steps; then comes the pong. */
enum { PING_MS = 1000, WAITS_PER_PING = 4 };

/* How often the threads of this name have gone to sleep, which they do once for each time that they woke up. */
static long waits_of(const char *name) {
  struct tasks tasks;
  long waits = 0;
  tasks_read(&tasks);
  for (size_t i = 0; i < tasks.count; i++) waits += strcmp(tasks.all[i].name, name) == 0 ? tasks.all[i].waits : 0;
  return waits;
}

/* Those that stay: the threads for names are kept for some seconds in case there are more. */
static long waits_of_the_others(void) {
  return waits_of("nbwss-report") + waits_of("nbwss-call-0") + waits_of("nbwss-call-1") + waits_of("nbwss-store");
}

/* Wake-ups of the thread with the sockets, in a window in which no other woke up. Its length comes back, too. */
static long wake_ups(long *window_ms) {
  struct timespec rest = {WINDOW_MS / 1000, WINDOW_MS % 1000 * 1000000};
  long begin = now_ms(), others = waits_of_the_others(), io = waits_of("nbwss-io");
  CHECK(nanosleep(&rest, NULL) == 0);
  io = waits_of("nbwss-io") - io;
  *window_ms = now_ms() - begin;
  return waits_of_the_others() == others ? io : -1;
}

static void check_idle(void) {
  long window_ms, woke = -1;
  for (int i = 0; i < WINDOWS && woke != 0; i++) woke = wake_ups(&window_ms);
  CHECK(woke == 0);
}

static void check_only_pings(void) {
  long window_ms, woke = -1;
  for (int i = 0; i < WINDOWS && woke < 0; i++) woke = wake_ups(&window_ms);
  CHECK(woke > 0 && woke <= WAITS_PER_PING * (window_ms / PING_MS + 1));
}

static void with(char **argv, const char *ping_seconds, bool has_endpoint, bool polls_and_stores) {
  struct counting_host host = COUNTING_HOST_INIT;
  nbwss_connector *connector = NULL;
  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_options_set_int(options, "dispatch.threads", 2));
  CHECK_OK(nbwss_options_set(options, "keepAlive.scheduledRate", ping_seconds));
  CHECK_OK(nbwss_options_set_int(options, "connect.timeout", DEADLINE_MS)); /* its timers outlive the test */
  CHECK_OK(nbwss_options_set_bool(options, "callbacks.poll", polls_and_stores));
  if (polls_and_stores) CHECK_OK(nbwss_options_set(options, "outbox.store.path", argv[3]));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_connector_start(connector));
  if (has_endpoint) {
    nbwss_job job = small_job(1);
    CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
    CHECK_OK(nbwss_notify_job(connector, &job, NULL));
    CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  }
  if (strcmp(ping_seconds, "1") == 0) check_only_pings();
  else check_idle();
  CHECK(counter_value(&host.established) == has_endpoint && counter_value(&host.disconnected) == 0);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(threads_fall_to(1));
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  with(argv, "3600", false, false);
  with(argv, "3600", true, false);
  with(argv, "3600", true, true);
  with(argv, "1", true, false);
  return 0;
}
