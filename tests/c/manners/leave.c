/*
 * A process that ends in the middle of everything: connected, with notifications and requests on their way, it leaves by
 * exit, on a thread that says so, and its exit status is what it said. Its exit handler and its destructor, which run
 * beside the library's threads, still call the library, and may even end the connector.
 *
 *   leave ENDPOINT_JSON CA_FILE main|thread|callback uses|destroys
 *
 * The cloud application asks for /work without end, and with "callback" for /leave.
 */
#define _POSIX_C_SOURCE 200809L
#include "../counting_host.h"

enum { EXIT_STATUS = 7, AT_ONCE_MS = 3000, NOTIFIERS = 2 };

static struct counting_host host = COUNTING_HOST_INIT;
static struct counter works = COUNTER_INIT;
static nbwss_connector *connector;
static bool in_callback, destroys;

/* Where exit was called in a callback, this is a callback still. */
static void call_the_library(void) {
  nbwss_job job = small_job(1);
  nbwss_health health = NBWSS_HEALTH_INIT;
  long begin = now_ms();
  CHECK_OK(nbwss_connector_health(connector, &health));
  CHECK(health.groups == 1);
  nbwss_status notified = nbwss_notify_job(connector, &job, NULL);
  CHECK(notified == NBWSS_OK || (in_callback && notified == NBWSS_QUEUE_FULL)); /* a callback does not wait for space */
  nbwss_status drained = nbwss_connector_drain(connector, 1, NULL);
  CHECK(in_callback ? drained == NBWSS_ILLEGAL_STATE : drained == NBWSS_OK || drained == NBWSS_TIMEOUT);
  CHECK(now_ms() - begin < AT_ONCE_MS);
}

static void at_exit(void) {
  call_the_library();
  if (!destroys) return;
  CHECK_STATUS(nbwss_connector_destroy(connector), in_callback ? NBWSS_ILLEGAL_STATE : NBWSS_OK);
}

__attribute__((destructor)) static void at_the_very_end(void) {
  if (connector == NULL) return;
  if (destroys && !in_callback) CHECK_STATUS(nbwss_connector_stop(connector), NBWSS_BAD_HANDLE);
  else call_the_library();
}

static void *notify_without_end(void *unused) {
  (void)unused;
  for (;;) {
    nbwss_job job = small_job(1);
    nbwss_status status = nbwss_notify_job(connector, &job, NULL);
    CHECK(status == NBWSS_OK || destroys); /* under its hands */
  }
  return NULL;
}

static void *leave(void *unused) {
  (void)unused;
  exit(EXIT_STATUS);
}

static void on_request(nbwss_request *request, void *user_data) {
  nbwss_str uri;
  (void)user_data;
  CHECK_OK(nbwss_request_uri(request, &uri));
  if (str_is(uri, "/leave")) leave(NULL);
  nbwss_request_fail(request, 404, "not here"); /* EXPIRED once destroy has begun */
  counter_raise(&works);
}

int main(int argc, char **argv) {
  pthread_t thread;
  CHECK(argc == 5);
  in_callback = strcmp(argv[3], "callback") == 0;
  destroys = strcmp(argv[4], "destroys") == 0;
  CHECK(atexit(at_exit) == 0);
  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_options_set_int(options, "outbox.maxCount", 1000));
  CHECK_OK(nbwss_options_set_int(options, "outbox.fullWait", DEADLINE_MS));
  CHECK_OK(nbwss_options_on_request(options, on_request, NULL, NULL));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_connector_start(connector));
  for (int i = 0; i < NOTIFIERS; i++) CHECK(pthread_create(&thread, NULL, notify_without_end, NULL) == 0);
  CHECK(counter_reaches(&host.delivered, 1000) && counter_reaches(&works, 1));
  if (strcmp(argv[3], "main") == 0) return EXIT_STATUS;
  if (!in_callback) CHECK(pthread_create(&thread, NULL, leave, NULL) == 0);
  for (;;) pthread_join(thread, NULL); /* until the process is gone */
}
