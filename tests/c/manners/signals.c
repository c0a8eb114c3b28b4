/*
 * A host's signals are the host's. Sent to the process, they come to its own threads: to none while those block them, for
 * the library's threads block all, and to the first thread that takes them. A storm of them, which interrupts every system
 * call that waits, costs neither a session nor a notification, and what waits in the library waits as long as it was told.
 * Even a call that fails leaves dispositions and masks as they were.
 *
 *   signals ENDPOINT_JSON CA_FILE
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/time.h>

#include "../counting_host.h"
#include "../dispositions.h"
#include "../tasks.h"

enum { STORM_US = 200, STORM = 2000, WAIT_MS = 150 };

static pthread_t first_thread;
static atomic_long taken, elsewhere;

static void on_signal(int number) {
  (void)number;
  atomic_fetch_add(&taken, 1);
  if (!pthread_equal(pthread_self(), first_thread)) atomic_fetch_add(&elsewhere, 1);
}

static void deliver(struct counting_host *host, nbwss_connector *connector) {
  long delivered = counter_value(&host->delivered);
  nbwss_job job = small_job(1);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  CHECK(counter_value(&host->delivered) == delivered + 1);
}

/* While this thread blocks them they wait for it, though the library's threads are at work. */
static void all_are_the_hosts(struct counting_host *host, nbwss_connector *connector) {
  sigset_t all, pending;
  sigfillset(&all);
  CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
  for (int number = 1; number <= SIGRTMAX; number++) {
    struct sigaction action = {.sa_handler = on_signal};
    /* The two that nobody can take, and the C library's own. */
    if (number == SIGKILL || number == SIGSTOP || (number >= 32 && number < SIGRTMIN)) continue;
    CHECK(sigaction(number, &action, NULL) == 0);
    CHECK(kill(getpid(), number) == 0);
    deliver(host, connector);
    CHECK(atomic_load(&taken) == 0);
    CHECK(sigpending(&pending) == 0);
    CHECK(sigismember(&pending, number));
    CHECK(pthread_sigmask(SIG_UNBLOCK, &all, NULL) == 0); /* taken before this returns */
    CHECK(atomic_exchange(&taken, 0) == 1 && atomic_load(&elsewhere) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
  }
  CHECK(pthread_sigmask(SIG_UNBLOCK, &all, NULL) == 0);
}

static void a_storm(struct counting_host *host, nbwss_connector *connector) {
  const struct itimerval storm = {{0, STORM_US}, {0, STORM_US}}, calm = {{0, 0}, {0, 0}};
  CHECK(setitimer(ITIMER_REAL, &storm, NULL) == 0); /* SIGALRM, whose handler restarts nothing */
  while (atomic_load(&taken) < STORM) {
    long begin = now_ms();
    deliver(host, connector);
    CHECK_OK(nbwss_connector_stop(connector));
    CHECK_OK(nbwss_connector_wait(connector, DEADLINE_MS));
    nbwss_job job = small_job(2);
    CHECK_OK(nbwss_notify_job(connector, &job, NULL));
    begin = now_ms();
    CHECK_STATUS(nbwss_connector_drain(connector, WAIT_MS, NULL), NBWSS_TIMEOUT);
    CHECK(now_ms() - begin >= WAIT_MS - 1);
    CHECK_OK(nbwss_connector_start(connector));
    CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  }
  CHECK(setitimer(ITIMER_REAL, &calm, NULL) == 0);
  CHECK(atomic_load(&elsewhere) == 0);
  CHECK(counter_value(&host->abandoned) == 0);
}

static void a_call_that_fails(const char *ca_file) {
  static struct counting_host unused = COUNTING_HOST_INIT;
  static struct dispositions before;
  nbwss_connector *connector = NULL;
  nbwss_options *options = counting_options(&unused, ca_file);
  sigset_t some;
  sigemptyset(&some);
  sigaddset(&some, SIGUSR2);
  CHECK(pthread_sigmask(SIG_BLOCK, &some, NULL) == 0);
  dispositions_read(&before);
  CHECK_OK(nbwss_options_set(options, "tls.caFile", "/nonexistent/ca.pem"));
  CHECK_STATUS(nbwss_connector_new(options, &connector), NBWSS_IO);
  check_dispositions_unchanged(&before);
  CHECK_OK(nbwss_options_set(options, "tls.caFile", ca_file));
  CHECK_OK(nbwss_connector_new(options, &connector));
  check_dispositions_unchanged(&before);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK_OK(nbwss_options_free(options));
  check_dispositions_unchanged(&before);
}

int main(int argc, char **argv) {
  static struct counting_host host = COUNTING_HOST_INIT;
  static struct dispositions before;
  nbwss_connector *connector = NULL;
  CHECK(argc == 3);
  first_thread = pthread_self();
  a_call_that_fails(argv[2]);
  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.established, 1));
  all_are_the_hosts(&host, connector);
  dispositions_read(&before);
  a_storm(&host, connector);
  check_dispositions_unchanged(&before);
  check_library_threads();
  CHECK_OK(nbwss_connector_destroy(connector));
  return 0;
}
