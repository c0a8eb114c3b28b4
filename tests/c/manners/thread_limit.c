/*
 * A system that gives no more threads. A connector that cannot have its own is not made, says so, and leaves nothing
 * behind, whichever of them it is. One that has them but can have none beside, as it would to resolve names, lives on: it
 * takes notifications, says why it has no session, and has one as soon as there is a thread to be had.
 *
 *   thread_limit ENDPOINT_JSON CA_FILE DATABASE
 *
 * The user is this process's alone, and has no privilege to have more threads than RLIMIT_NPROC.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../counting_host.h"
#include "../dispositions.h"
#include "../event_trail.h"

enum { CALL_THREADS = 2, THREADS = CALL_THREADS + 3 }; /* those with the sockets, the reports and the database */

/* Threads begin when it is raised: so there are all of a connector before the first of them wants one more. */
static struct counter gate = COUNTER_INIT;

struct start {
  void *(*run)(void *);
  void *argument;
};

static void *begin_in_turn(void *argument) {
  struct start start = *(struct start *)argument;
  free(argument);
  CHECK(counter_reaches(&gate, 1));
  return start.run(start.argument);
}

/* In the place of the C library's, which the library calls by this name: the program is linked with -rdynamic. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  struct start *start = malloc(sizeof *start);
  *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
  CHECK(create != NULL && start != NULL);
  start->run = run, start->argument = argument;
  int status = create(thread, attributes, begin_in_turn, start);
  if (status != 0) free(start);
  return status;
}

static void limit_threads(rlim_t most) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NPROC, &limit) == 0);
  limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
  CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

static void *nothing(void *argument) { return argument; }

static bool can_make_a_thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, nothing, NULL) != 0) return false;
  CHECK(pthread_join(thread, NULL) == 0 && threads_fall_to(1));
  return true;
}

int main(int argc, char **argv) {
  static struct event_trail trail = EVENT_TRAIL_INIT;
  static struct counting_host host = COUNTING_HOST_INIT;
  static struct dispositions before;
  nbwss_connector *connector = NULL;
  CHECK(argc == 4);
  counter_raise(&gate);
  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_options_on_event(options, event_trail_on_event, &trail, NULL));
  CHECK_OK(nbwss_options_set_int(options, "dispatch.threads", CALL_THREADS));
  CHECK_OK(nbwss_options_set(options, "outbox.store.path", argv[3]));
  CHECK_OK(nbwss_options_set(options, "connectionInfo.period", "1"));
  /* Loads what stays loaded, and shows that the limit holds for this user. */
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(threads_fall_to(1));
  limit_threads(1);
  CHECK(!can_make_a_thread());
  limit_threads(2);
  CHECK(can_make_a_thread());

  long fds = count_fds();
  dispositions_read(&before);
  for (int room = 0; room < THREADS; room++) {
    limit_threads((rlim_t)(1 + room));
    connector = (nbwss_connector *)&connector;
    CHECK_STATUS(nbwss_connector_new(options, &connector), NBWSS_IO);
    CHECK_ERROR_NAMES("a thread cannot be made");
    CHECK_ERROR_NAMES("temporarily unavailable");
    CHECK(connector == NULL);
    CHECK(threads_fall_to(1) && count_fds() == fds);
    check_dispositions_unchanged(&before);
  }

  counter_reset(&gate);
  limit_threads(1 + THREADS);
  CHECK_OK(nbwss_connector_new(options, &connector));
  counter_raise(&gate);
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_connector_start(connector));
  for (int attempt = 1; attempt <= 3; attempt++) {
    const struct told *told = event_trail_await(&trail, NBWSS_EVENT_CONNECT_FAILED, attempt);
    CHECK(told->cause == NBWSS_CAUSE_RESOLVE && strstr(told->reason, "a thread cannot be made") != NULL);
    CHECK(told->retry_in_ms >= 0);
  }
  nbwss_job job = small_job(1);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  limit_threads(RLIM_INFINITY);
  event_trail_await(&trail, NBWSS_EVENT_ESTABLISHED, 1);
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  CHECK(counter_value(&host.delivered) == 1 && counter_value(&host.abandoned) == 0);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK(threads_fall_to(1) && count_fds() == fds);
  return 0;
}
