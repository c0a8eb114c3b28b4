/*
 * A process that runs out of descriptors. A connector that cannot have its own is not made, says so, and leaves nothing
 * behind, whichever of them it is. One that has them but can have no socket beside says why it has no session, tries again
 * no more often than it should, and has one as soon as there is a descriptor to be had.
 *
 *   descriptor_limit ENDPOINT_JSON CA_FILE DIRECTORY
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <unistd.h>

#include "../counting_host.h"
#include "../event_trail.h"

enum { BACKOFF_MS = 100, ATTEMPTS = 6, MOST_OF_ONE = 40, MOST = 1024, BUSY_MS = 300 };

static void limit_fds(rlim_t most) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = most;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* The first that is free; from there on all are. */
static int next_fd(void) {
  int next = dup(0);
  CHECK(next >= 0 && close(next) == 0);
  return next;
}

static long processor_ms(void) {
  struct timespec used;
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
  return (long)(used.tv_sec * 1000 + used.tv_nsec / 1000000);
}

int main(int argc, char **argv) {
  static struct event_trail trail = EVENT_TRAIL_INIT;
  static struct counting_host host = COUNTING_HOST_INIT;
  nbwss_connector *connector = NULL;
  char path[4096], json[1024];
  CHECK(argc == 4);
  FILE *endpoint = fopen(argv[1], "r");
  CHECK(endpoint != NULL);
  json[fread(json, 1, sizeof json - 1, endpoint)] = '\0';
  CHECK(fclose(endpoint) == 0);
  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_options_on_event(options, event_trail_on_event, &trail, NULL));
  CHECK_OK(nbwss_options_set_int(options, "connect.backoffBase", BACKOFF_MS));
  CHECK_OK(nbwss_options_set_bool(options, "callbacks.poll", true));
  snprintf(path, sizeof path, "%s/endpoints.db", argv[3]);
  CHECK_OK(nbwss_options_set(options, "endpoint.store.path", path));
  snprintf(path, sizeof path, "%s/outbox.db", argv[3]);
  CHECK_OK(nbwss_options_set(options, "outbox.store.path", path));
  /* Loads what stays loaded. */
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(threads_fall_to(1));

  /* Room for one more each time, until there is enough. */
  long fds = count_fds();
  int first = next_fd(), room = 0;
  for (;; room++) {
    CHECK(room < MOST_OF_ONE);
    limit_fds((rlim_t)(first + room));
    connector = (nbwss_connector *)&connector;
    nbwss_status status = nbwss_connector_new(options, &connector);
    limit_fds(MOST); /* to look at the rest */
    if (status == NBWSS_OK) break;
    CHECK(status == NBWSS_IO || status == NBWSS_STORE);
    CHECK_ERROR_NAMES("Too many open files");
    CHECK(connector == NULL);
    CHECK(threads_fall_to(1) && count_fds() == fds);
  }
  CHECK(room > 5);

  /* Not one beside those. */
  limit_fds((rlim_t)next_fd());
  long begin = processor_ms();
  CHECK(nbwss_endpoint_add_json(connector, json) == NBWSS_OK);
  CHECK_OK(nbwss_connector_start(connector));
  while (event_trail_count(&trail, NBWSS_EVENT_CONNECT_FAILED) < ATTEMPTS) {
    CHECK_OK(nbwss_connector_poll(connector, DEADLINE_MS, NULL));
  }
  CHECK(processor_ms() - begin < BUSY_MS);
  const struct told *told = event_trail_await(&trail, NBWSS_EVENT_CONNECT_FAILED, ATTEMPTS);
  CHECK(told->cause == NBWSS_CAUSE_RESOLVE || told->cause == NBWSS_CAUSE_TCP);
  CHECK(told->retry_in_ms >= 0);
  nbwss_job job = small_job(1);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL)); /* the file is open already */

  limit_fds(MOST);
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  CHECK(event_trail_count(&trail, NBWSS_EVENT_ESTABLISHED) == 1);
  CHECK(counter_value(&host.delivered) == 1);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK(threads_fall_to(1) && count_fds() == fds);
  return 0;
}
