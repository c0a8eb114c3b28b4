/*
 * Guest manners. With the default disposition a write to a connection that the peer has reset kills a process: this host
 * keeps the default, notifies without pause, is reset in mid-stream several times, and lives on to see every
 * notification delivered. All the while the library leaves the host's signals alone, and lets none near its own threads.
 *
 *   sigpipe ENDPOINT_JSON CA_FILE     (ends when /finish is asked for)
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "counting_host.h"

/* In flight at once; enough for every reset to hit some. */
enum { IN_FLIGHT = 32, MAX_THREADS = 64 };

static struct counter finished = COUNTER_INIT;

static void on_request(nbwss_request *request, void *user_data) {
  (void)user_data;
  CHECK_OK(nbwss_request_fail(request, 404, "this host only notifies"));
  counter_raise(&finished);
}

struct signals {
  struct sigaction actions[_NSIG];
  sigset_t mask;
};

static void read_signals(struct signals *signals) {
  memset(signals, 0, sizeof *signals);
  for (int number = 1; number < _NSIG; number++) sigaction(number, NULL, &signals->actions[number]);
  CHECK(pthread_sigmask(SIG_BLOCK, NULL, &signals->mask) == 0);
}

static void check_signals_unchanged(const struct signals *before) {
  struct signals now;
  read_signals(&now);
  for (int number = 1; number < _NSIG; number++) {
    CHECK(before->actions[number].sa_handler == now.actions[number].sa_handler);
    CHECK(before->actions[number].sa_flags == now.actions[number].sa_flags);
    CHECK(sigismember(&before->mask, number) == sigismember(&now.mask, number));
  }
  CHECK(now.actions[SIGPIPE].sa_handler == SIG_DFL);
}

struct thread {
  char name[64];
  unsigned long long pending; /* sets of signals: number n is bit n - 1 */
  unsigned long long blocked;
};

/* One thread, from /proc. False: it has ended meanwhile. */
static bool read_thread(const char *id, struct thread *thread) {
  char path[300], line[256];
  snprintf(path, sizeof path, "/proc/self/task/%s/status", id);
  FILE *status = fopen(path, "r");
  if (status == NULL) return false;
  bool all = false;
  while (!all && fgets(line, sizeof line, status) != NULL) {
    sscanf(line, "Name: %63s", thread->name);
    sscanf(line, "SigPnd: %llx", &thread->pending);
    all = sscanf(line, "SigBlk: %llx", &thread->blocked) == 1; /* the last of the three */
  }
  fclose(status);
  return all;
}

/*
 * Every thread but this one is the library's: named after it, with all signals blocked that can be, and with no SIGPIPE
 * that waits behind the block, which would mean that a write had raised it.
 */
static void check_threads(void) {
  /* KILL and STOP can't be blocked by anyone; 32 and 33 are the C library's own. */
  const unsigned long long blockable =
      ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1) | 1ULL << (32 - 1) | 1ULL << (33 - 1));
  long own = (long)getpid();
  int seen = 0;
  DIR *tasks = opendir("/proc/self/task");
  CHECK(tasks != NULL);
  for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
    struct thread thread = {"", 0, 0};
    if (entry->d_name[0] == '.' || strtol(entry->d_name, NULL, 10) == own) continue;
    if (!read_thread(entry->d_name, &thread)) continue;
    CHECK(strncmp(thread.name, "nbwss-", 6) == 0);
    CHECK((thread.blocked & blockable) == blockable);
    CHECK((thread.pending & 1ULL << (SIGPIPE - 1)) == 0);
    seen++;
  }
  closedir(tasks);
  CHECK(seen > 0 && seen < MAX_THREADS);
}

int main(int argc, char **argv) {
  static struct counting_host host = COUNTING_HOST_INIT;
  static struct signals before;
  nbwss_connector *connector = NULL;
  CHECK(argc == 3);
  /* Whatever the parent left: what matters is what a program gets that cares about no signal. */
  CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  read_signals(&before);

  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_options_on_request(options, on_request, NULL, NULL));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.established, 1));
  check_signals_unchanged(&before);

  long notified = 0;
  while (counter_value(&finished) == 0) {
    nbwss_job job = small_job(notified + 1);
    CHECK_OK(nbwss_notify_job(connector, &job, NULL));
    notified++;
    CHECK(counter_reaches(&host.delivered, notified - IN_FLIGHT));
  }
  check_threads();
  check_signals_unchanged(&before);
  CHECK(counter_value(&host.established) > 1);
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  CHECK(counter_value(&host.delivered) == notified);
  CHECK(counter_value(&host.abandoned) == 0);
  CHECK_OK(nbwss_connector_destroy(connector));
  check_signals_unchanged(&before);
  return 0;
}
