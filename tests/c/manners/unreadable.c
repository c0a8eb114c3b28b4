/*
 * A disk that can be written but not read: notifications wait in the file, more than are read ahead, and cannot be
 * fetched. The host hears of it, no call waits for longer than the disk takes to say no, and everything goes on when the
 * disk can be read again.
 *
 *   unreadable ENDPOINT_JSON CA_FILE OUTBOX
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "../check.h"

enum { WAITING = 2000, AT_ONCE_MS = 10000 };

static atomic_bool failing;
static struct counter failed = COUNTER_INIT, recovered = COUNTER_INIT, delivered = COUNTER_INIT, kept = COUNTER_INIT;

/* In the place of the C library's, which the library calls by this name: the program is linked with -rdynamic. */
ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset) {
  union {
    void *object;
    ssize_t (*function)(int, void *, size_t, off64_t);
  } real;
  if (atomic_load(&failing)) {
    errno = EIO;
    return -1;
  }
  real.object = dlsym(RTLD_NEXT, "pread64");
  return real.function(fd, buffer, size, offset);
}

static void on_event(const nbwss_event *event, void *user_data) {
  (void)user_data;
  if (event->kind == NBWSS_EVENT_STORE_FAILED) counter_raise(&failed);
  if (event->kind == NBWSS_EVENT_STORE_RECOVERED) counter_raise(&recovered);
}

static void on_delivery(const nbwss_delivery *delivery, void *user_data) {
  (void)user_data;
  CHECK(delivery->outcome != NBWSS_ABANDONED);
  counter_raise(delivery->outcome == NBWSS_DELIVERED ? &delivered : &kept);
}

static nbwss_connector *new_connector(char **argv) {
  nbwss_options *options;
  nbwss_connector *connector;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "tls.caFile", argv[2]));
  CHECK_OK(nbwss_options_set(options, "outbox.store.path", argv[3]));
  CHECK_OK(nbwss_options_on_event(options, on_event, NULL, NULL));
  CHECK_OK(nbwss_options_on_delivery(options, on_delivery, NULL, NULL));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  return connector;
}

static nbwss_status notify(nbwss_connector *connector) {
  static char client[3000];
  memset(client, 'c', sizeof client - 1);
  nbwss_job job = NBWSS_JOB_INIT;
  job.client_name = nbwss_str_z(client);
  job.job_type = nbwss_str_z("BACKUP");
  job.state = nbwss_str_z("DONE");
  job.job_id = job.parent_job_id = 1;
  return nbwss_notify_job(connector, &job, NULL);
}

static void *bring(void *connector) {
  for (int number = 0; number < WAITING / 20; number++) CHECK_OK(notify(connector));
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t callers[20];
  CHECK(argc == 4);
  nbwss_connector *connector = new_connector(argv);
  for (int at = 0; at < 20; at++) CHECK(pthread_create(&callers[at], NULL, bring, connector) == 0);
  for (int at = 0; at < 20; at++) CHECK(pthread_join(callers[at], NULL) == 0);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&kept) == WAITING);

  connector = new_connector(argv);
  atomic_store(&failing, true);
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&failed, 1));
  long begin = now_ms(), taken = 0;
  nbwss_status status = notify(connector);
  taken += status == NBWSS_OK;
  CHECK(status == NBWSS_OK || status == NBWSS_STORE);
  CHECK(now_ms() - begin < AT_ONCE_MS);
  CHECK(counter_value(&recovered) == 0);
  atomic_store(&failing, false);
  CHECK(counter_reaches(&recovered, 1));
  CHECK_OK(notify(connector));
  CHECK(counter_reaches(&delivered, WAITING + taken + 1));
  CHECK(counter_value(&failed) == 1 && counter_value(&recovered) == 1);
  CHECK_OK(nbwss_connector_destroy(connector));
  return 0;
}
