/*
 * A thread of the library panics at one point after the other, from the first thing that it does until destroy. Wherever it
 * is: the process lives, the host hears of it, every notification that was accepted has its one report, and destroy does
 * its work in its time.
 *
 *   panic_anywhere ENDPOINT_JSON CA_FILE THREAD     (its name)
 */
#define _GNU_SOURCE
#include "../counting_host.h"
#include "failing.h"

/* A life may be over before that reading of the clock comes: three such are enough. */
enum { JOBS = 3, QUIET_LIVES = 3, MOST_READINGS = 400, SHUTDOWN_TIMEOUT_MS = 5000, SLACK_MS = 3000 };

struct host {
  struct counting_host counting;
  struct counter panics; /* log lines that tell of one */
};

static void on_log(const nbwss_log *line, void *user_data) {
  struct host *host = user_data;
  if (str_contains(line->text, "panicked")) counter_raise(&host->panics);
}

/* Without the thread that has the sockets a connector can only be destroyed, and says so. */
static bool works(nbwss_status status) {
  CHECK(status == NBWSS_OK || status == NBWSS_PANIC);
  return status == NBWSS_OK;
}

/* Whether the panic came. */
static bool live(char **argv, int reading) {
  static const struct host fresh = {COUNTING_HOST_INIT, COUNTER_INIT};
  struct host host = fresh;
  nbwss_connector *connector = NULL;
  long accepted = 0;
  nbwss_options *options = counting_options(&host.counting, argv[2]);
  CHECK_OK(nbwss_options_on_log(options, on_log, &host, NULL));
  CHECK_OK(nbwss_options_set_int(options, "shutdown.timeout", SHUTDOWN_TIMEOUT_MS));
  fail(&failing_clock, argv[3], reading);
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  if (works(nbwss_endpoint_add_file(connector, argv[1])) && works(nbwss_connector_start(connector))) {
    for (int i = 0; i < JOBS; i++) {
      nbwss_job job = small_job(i + 1);
      accepted += works(nbwss_notify_job(connector, &job, NULL));
    }
    works(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  }
  bool panicked = atomic_load(&failing_clock.call) <= 0;
  fail(&failing_clock, argv[3], 0);
  long begin = now_ms();
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(now_ms() - begin < SHUTDOWN_TIMEOUT_MS + SLACK_MS);
  CHECK(counter_value(&host.panics) == panicked);
  CHECK(counter_value(&host.counting.delivered) + counter_value(&host.counting.abandoned) == accepted);
  CHECK(counter_value(&host.counting.destructors) == 2);
  CHECK(threads_fall_to(1));
  return panicked;
}

int main(int argc, char **argv) {
  int reading = 1;
  CHECK(argc == 4);
  for (int quiet = 0; quiet < QUIET_LIVES; reading++) {
    CHECK(reading <= MOST_READINGS);
    quiet += !live(argv, reading);
  }
  CHECK(reading > QUIET_LIVES + 1);
  return 0;
}
