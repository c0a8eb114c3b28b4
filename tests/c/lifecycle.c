/*
 * A connector's life: started and stopped more than once, stopped and destroyed at awkward moments (while it connects,
 * while it is connected, from its own callbacks, from two threads at once), used after its end. Destructors run once,
 * after the last call; threads and file descriptors come back, hundreds of times.
 *
 *   lifecycle ENDPOINT_JSON CA_FILE LOOPS
 */
#define _POSIX_C_SOURCE 200809L
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "counting_host.h"

/* What "at once" means for a call that must not wait, on a slow machine. */
enum { AT_ONCE_MS = 3000 };

static const char *endpoint_file, *ca_file;

static nbwss_connector *new_connector(struct counting_host *host) {
  nbwss_connector *connector = NULL;
  nbwss_options *options = counting_options(host, ca_file);
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK(counter_value(&host->destructors) == 0);
  return connector;
}

static void start_and_stop_are_idempotent(void) {
  struct counting_host host = COUNTING_HOST_INIT;
  nbwss_connector *connector = new_connector(&host);
  CHECK_OK(nbwss_connector_stop(connector));
  CHECK_OK(nbwss_endpoint_add_file(connector, endpoint_file));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.established, 1));
  CHECK_OK(nbwss_connector_stop(connector));
  CHECK_OK(nbwss_connector_stop(connector));
  CHECK_OK(nbwss_connector_wait(connector, DEADLINE_MS));
  CHECK(counter_reaches(&host.disconnected, 1));
  /* Stopped is not ended: it takes notifications, and delivers them once it is started again. */
  nbwss_job job = small_job(1);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.established, 2));
  CHECK(counter_reaches(&host.delivered, 1));
  CHECK(counter_value(&host.established) == 2);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&host.destructors) == 2);
}

/* A listener that takes connections, as the kernel does for it, and never says a word. */
static int black_hole(char json[256]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(listener >= 0);
  CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
  CHECK(listen(listener, 8) == 0);
  CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
  snprintf(json, 256,
           "{\"hostName\":\"black-hole\",\"groupId\":\"g\",\"priority\":1,\"token\":\"t\",\"url\":\"wss://127.0.0.1:%d/\"}",
           (int)ntohs(address.sin_port));
  return listener;
}

static void stop_and_destroy_while_connecting(void) {
  struct counting_host host = COUNTING_HOST_INIT;
  char json[256];
  int listener = black_hole(json);
  nbwss_connector *connector = new_connector(&host);
  CHECK_OK(nbwss_endpoint_add_json(connector, json));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.connecting, 1));
  int taken = accept(listener, NULL, NULL);
  CHECK(taken >= 0);
  long begin = now_ms();
  CHECK_OK(nbwss_connector_stop(connector));
  CHECK_OK(nbwss_connector_wait(connector, DEADLINE_MS));
  CHECK(now_ms() - begin < AT_ONCE_MS);

  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.connecting, 2));
  begin = now_ms();
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(now_ms() - begin < AT_ONCE_MS);
  CHECK(counter_value(&host.destructors) == 2);
  close(taken);
  close(listener);
}

/* What is pending when the connector goes is reported, not forgotten: in memory there is nobody left to deliver it. */
static void destroy_with_notifications_pending(void) {
  struct counting_host host = COUNTING_HOST_INIT;
  nbwss_connector *connector = new_connector(&host);
  nbwss_job job = small_job(1);
  CHECK_OK(nbwss_endpoint_add_file(connector, endpoint_file));
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&host.delivered) == 0);
  CHECK(counter_value(&host.abandoned) == 1);
}

static void calls_after_destroy(nbwss_connector *connector) {
  nbwss_job job = small_job(1);
  nbwss_image image = NBWSS_IMAGE_INIT;
  nbwss_endpoint endpoint = NBWSS_ENDPOINT_INIT;
  nbwss_endpoints *list = NULL;
  CHECK_STATUS(nbwss_connector_start(connector), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_connector_stop(connector), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_connector_drain(connector, 1, NULL), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_connector_wait(connector, 1), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_connector_destroy(connector), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_group_start(connector, "g"), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_group_stop(connector, "g"), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_endpoint_add(connector, &endpoint), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_endpoint_add_json(connector, "{}"), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_endpoint_add_file(connector, endpoint_file), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_endpoint_remove(connector, "h"), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_endpoint_list(connector, &list), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_notify_job(connector, &job, NULL), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_notify_image(connector, &image, NULL), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_notify_json(connector, "{}", NULL), NBWSS_BAD_HANDLE);
}

/* Connected, and with calls from inside the callbacks: those that would wait are refused at once, stop is fine. */
static nbwss_connector *reentered;
static struct counter reentries = COUNTER_INIT;

static void call_back_into_the_library(void) {
  long begin = now_ms();
  CHECK_STATUS(nbwss_connector_destroy(reentered), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_drain(reentered, DEADLINE_MS, NULL), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_wait(reentered, DEADLINE_MS), NBWSS_ILLEGAL_STATE);
  CHECK(now_ms() - begin < AT_ONCE_MS);
  counter_raise(&reentries);
}

static void on_event(const nbwss_event *event, void *user_data) {
  nbwss_job job = small_job(1);
  counting_on_event(event, user_data);
  if (event->kind != NBWSS_EVENT_ESTABLISHED) return;
  call_back_into_the_library();
  CHECK_OK(nbwss_notify_job(reentered, &job, NULL));
}

static void on_delivery(const nbwss_delivery *delivery, void *user_data) {
  counting_on_delivery(delivery, user_data);
  call_back_into_the_library();
  CHECK_OK(nbwss_connector_stop(reentered));
}

static atomic_long log_lines;

static void on_log(const nbwss_log *line, void *user_data) {
  (void)user_data;
  CHECK(line->struct_size >= sizeof *line);
  CHECK(line->level >= NBWSS_LOG_ERROR && line->level <= NBWSS_LOG_DEBUG);
  CHECK(line->text.len > 0 && line->time_ms > 0);
  if (atomic_fetch_add(&log_lines, 1) == 0) call_back_into_the_library();
}

static void calls_from_callbacks(void) {
  struct counting_host host = COUNTING_HOST_INIT;
  nbwss_options *options = counting_options(&host, ca_file);
  /* Replaced before any connector was made from them: the first ones' destructors run at once. */
  CHECK_OK(nbwss_options_on_event(options, on_event, &host, counting_destructor));
  CHECK_OK(nbwss_options_on_delivery(options, on_delivery, &host, counting_destructor));
  CHECK_OK(nbwss_options_on_log(options, on_log, &host, counting_destructor));
  CHECK_OK(nbwss_options_set(options, "log.level", "debug"));
  CHECK(counter_value(&host.destructors) == 2);
  CHECK_OK(nbwss_connector_new(options, &reentered));
  CHECK_OK(nbwss_endpoint_add_file(reentered, endpoint_file));
  CHECK_OK(nbwss_connector_start(reentered));
  CHECK(counter_reaches(&reentries, 3));
  CHECK(counter_reaches(&host.disconnected, 1));
  CHECK_OK(nbwss_connector_wait(reentered, DEADLINE_MS));
  long begin = now_ms();
  CHECK_OK(nbwss_connector_destroy(reentered));
  CHECK(now_ms() - begin < AT_ONCE_MS);
  /* The options are still there, and could make another connector. */
  CHECK(counter_value(&host.destructors) == 2);
  CHECK_OK(nbwss_options_free(options));
  CHECK(counter_value(&host.destructors) == 5);
  calls_after_destroy(reentered);
}

static pthread_barrier_t both_ready;

static void *destroy_with_another(void *argument) {
  pthread_barrier_wait(&both_ready);
  return (void *)(intptr_t)nbwss_connector_destroy(argument);
}

/* One of them ends it; the other is told that it comes too late, or waits for the same end. */
static void two_threads_destroy(void) {
  for (int round = 0; round < 5; round++) {
    struct counting_host host = COUNTING_HOST_INIT;
    nbwss_connector *connector = new_connector(&host);
    pthread_t thread;
    void *theirs = NULL;
    CHECK_OK(nbwss_endpoint_add_file(connector, endpoint_file));
    CHECK_OK(nbwss_connector_start(connector));
    CHECK(counter_reaches(&host.established, 1));
    CHECK(pthread_barrier_init(&both_ready, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, destroy_with_another, connector) == 0);
    nbwss_status mine = (nbwss_status)(intptr_t)destroy_with_another(connector);
    CHECK(pthread_join(thread, &theirs) == 0);
    pthread_barrier_destroy(&both_ready);
    nbwss_status other = (nbwss_status)(intptr_t)theirs;
    CHECK(mine == NBWSS_OK || other == NBWSS_OK);
    CHECK(mine == NBWSS_OK || mine == NBWSS_BAD_HANDLE || mine == NBWSS_ILLEGAL_STATE);
    CHECK(other == NBWSS_OK || other == NBWSS_BAD_HANDLE || other == NBWSS_ILLEGAL_STATE);
    CHECK(counter_value(&host.destructors) == 2);
    calls_after_destroy(connector);
  }
}

/* Every fourth time connected first, else wherever the start happens to be. */
static void many_lives(long loops) {
  long fds = 0, threads = 0;
  for (long i = 0; i <= loops; i++) {
    struct counting_host host = COUNTING_HOST_INIT;
    nbwss_connector *connector = new_connector(&host);
    CHECK_OK(nbwss_endpoint_add_file(connector, endpoint_file));
    CHECK_OK(nbwss_connector_start(connector));
    if (i % 4 == 0) CHECK(counter_reaches(&host.established, 1));
    CHECK_OK(nbwss_connector_destroy(connector));
    CHECK(counter_value(&host.destructors) == 2);
    if (i == 0) {
      /* What the process keeps from its first use of anything is there now. */
      threads = 1;
      CHECK(threads_fall_to(threads));
      fds = count_fds();
    }
  }
  CHECK(threads_fall_to(threads));
  CHECK(count_fds() == fds);
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  endpoint_file = argv[1];
  ca_file = argv[2];
  start_and_stop_are_idempotent();
  stop_and_destroy_while_connecting();
  destroy_with_notifications_pending();
  calls_from_callbacks();
  two_threads_destroy();
  many_lives(strtol(argv[3], NULL, 10));
  return 0;
}
