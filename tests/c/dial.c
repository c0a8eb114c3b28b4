/*
 * A host that makes the connections itself: by TCP, and with one end of a pair of local sockets whose other end it
 * forwards. A host that says no, that hands over what is no connection, and that comes too late: each is told with its
 * cause, other attempts go on, destroy waits for nobody longer than it may, and no descriptor is left behind.
 *
 *   dial ENDPOINT_JSON CA_FILE
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "counting_host.h"
#include "event_trail.h"

enum { TIMEOUT_MS = 5000, SHORT_MS = 300, SLACK_MS = 3000, AT_ONCE_MS = 2000, REFUSAL = -4711, CLOSED_FD = 900 };

static const char *endpoint_file, *ca_file;
static char host_name[300], url[2100];

/* One connector, and how its callback dials. */
struct dialler {
  nbwss_connector *connector;
  int32_t (*dial)(struct dialler *dialler, long call, const nbwss_dial *dial, nbwss_socket *socket);
  struct event_trail trail;
  struct counter calls, released, destroyed;
  uint32_t timeout_ms;
};

static int connect_by_tcp(const nbwss_dial *dial) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
  char port[8];
  int connected = -1;
  snprintf(port, sizeof port, "%d", dial->port);
  CHECK(dial->host.ptr[dial->host.len] == '\0');
  CHECK(getaddrinfo(dial->host.ptr, port, &hints, &all) == 0);
  for (struct addrinfo *one = all; one != NULL && connected < 0; one = one->ai_next) {
    connected = socket(one->ai_family, SOCK_STREAM, 0);
    CHECK(connected >= 0);
    if (connect(connected, one->ai_addr, one->ai_addrlen) == 0) break;
    close(connected);
    connected = -1;
  }
  freeaddrinfo(all);
  CHECK(connected >= 0);
  return connected;
}

static int32_t on_dial(const nbwss_dial *dial, nbwss_socket *socket, void *user_data) {
  struct dialler *dialler = user_data;
  nbwss_inspection *inspection = NULL;
  nbwss_health health = NBWSS_HEALTH_INIT;
  counter_raise(&dialler->calls);
  CHECK(dial->struct_size >= sizeof *dial && str_is(dial->host, "localhost"));
  CHECK(dial->port > 0 && dial->timeout_ms == dialler->timeout_ms && *socket == -1);
  /* On a thread of the library: what waits for the network is refused. What does not is not, until destroy begins. */
  CHECK_STATUS(nbwss_endpoint_validate(dialler->connector, url, NULL, &inspection), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_destroy(dialler->connector), NBWSS_ILLEGAL_STATE);
  CHECK_OK(nbwss_connector_health(dialler->connector, &health));
  return dialler->dial(dialler, counter_value(&dialler->calls), dial, socket);
}

static void on_destroyed(void *user_data) {
  struct dialler *dialler = user_data;
  counter_raise(&dialler->destroyed);
}

static struct dialler *begin(int32_t (*dial)(struct dialler *, long, const nbwss_dial *, nbwss_socket *),
                             uint32_t timeout_ms) {
  static const struct event_trail no_events = EVENT_TRAIL_INIT;
  static const struct counter zero = COUNTER_INIT;
  struct dialler *dialler = calloc(1, sizeof *dialler);
  nbwss_options *options = NULL;
  CHECK(dialler != NULL);
  dialler->trail = no_events, dialler->calls = dialler->released = dialler->destroyed = zero;
  dialler->dial = dial, dialler->timeout_ms = timeout_ms;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "tls.caFile", ca_file));
  CHECK_OK(nbwss_options_set(options, "proxy.url", "http://proxy.invalid:1")); /* the callback replaces it */
  CHECK_OK(nbwss_options_set_int(options, "connect.timeout", timeout_ms));
  CHECK_OK(nbwss_options_set_int(options, "connect.backoffBase", 20));
  CHECK_OK(nbwss_options_set_int(options, "connectionInfo.period", 1));
  CHECK_OK(nbwss_options_set_int(options, "shutdown.timeout", SHORT_MS));
  CHECK_OK(nbwss_options_on_event(options, event_trail_on_event, &dialler->trail, NULL));
  CHECK_OK(nbwss_options_on_dial(options, on_dial, dialler, on_destroyed));
  CHECK_OK(nbwss_connector_new(options, &dialler->connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(dialler->connector, endpoint_file));
  CHECK_OK(nbwss_connector_start(dialler->connector));
  return dialler;
}

static void end(struct dialler *dialler) {
  CHECK_OK(nbwss_connector_destroy(dialler->connector));
  CHECK(counter_value(&dialler->destroyed) == 1);
  free(dialler);
}

static int32_t dial_by_tcp(struct dialler *dialler, long call, const nbwss_dial *dial, nbwss_socket *socket) {
  (void)dialler, (void)call;
  *socket = connect_by_tcp(dial);
  return 0;
}

/* A session, seen to carry something in both directions; and the other two that dial, for the administrator. */
static void a_session(struct dialler *dialler) {
  nbwss_job job = small_job(1);
  nbwss_inspection *inspection = NULL;
  nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
  nbwss_step step = NBWSS_STEP_INIT;
  event_trail_await(&dialler->trail, NBWSS_EVENT_ESTABLISHED, 1);
  CHECK_OK(nbwss_notify_job(dialler->connector, &job, NULL));
  CHECK_OK(nbwss_connector_drain(dialler->connector, DEADLINE_MS, NULL));
  CHECK_OK(nbwss_endpoint_validate(dialler->connector, url, NULL, &inspection));
  CHECK_OK(nbwss_inspection_get_result(inspection, &result));
  CHECK(result.ok && result.trusted);
  CHECK_OK(nbwss_inspection_step(inspection, 0, &step));
  CHECK(step.phase == NBWSS_PHASE_DIAL && step.failure.len == 0);
  CHECK_OK(nbwss_inspection_free(inspection));
  CHECK_OK(nbwss_endpoint_diagnose(dialler->connector, host_name, true, &inspection));
  CHECK_OK(nbwss_inspection_get_result(inspection, &result));
  CHECK(result.ok);
  CHECK_OK(nbwss_inspection_free(inspection));
  CHECK(counter_value(&dialler->calls) == 4); /* session, validation, and twice for the diagnosis */
}

/* Both ends of what is forwarded, until either has nothing more to say. */
struct forwarding {
  int local, remote;
};

static void *forward(void *argument) {
  struct forwarding *both = argument;
  struct pollfd ready[2] = {{both->local, POLLIN, 0}, {both->remote, POLLIN, 0}};
  char bytes[4096];
  for (bool open = true; open;) {
    CHECK(poll(ready, 2, -1) > 0);
    for (int i = 0; i < 2; i++) {
      if (ready[i].revents == 0) continue;
      ssize_t count = read(ready[i].fd, bytes, sizeof bytes);
      open = open && count > 0 && send(ready[1 - i].fd, bytes, (size_t)count, MSG_NOSIGNAL) == count;
    }
  }
  close(both->local);
  close(both->remote);
  free(both);
  return NULL;
}

static int32_t dial_by_local_socket(struct dialler *dialler, long call, const nbwss_dial *dial, nbwss_socket *socket) {
  int pair[2];
  pthread_t thread;
  struct forwarding *both = malloc(sizeof *both);
  (void)dialler, (void)call;
  CHECK(both != NULL && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  both->local = pair[1], both->remote = connect_by_tcp(dial);
  CHECK(pthread_create(&thread, NULL, forward, both) == 0 && pthread_detach(thread) == 0);
  *socket = pair[0];
  return 0;
}

/* What is no connection, by the number of the call; then a good one. */
static int32_t dial_badly(struct dialler *dialler, long call, const nbwss_dial *dial, nbwss_socket *place) {
  int pipes[2];
  switch (call) {
    case 1: return REFUSAL;
    case 2: return 0; /* nothing handed over */
    case 3: *place = -2; return 0;
    case 4: *place = PTRDIFF_MAX; return 0;
    case 5: *place = CLOSED_FD; return 0;
    case 6: *place = open("/dev/null", O_RDWR); return 0;
    case 7: *place = socket(AF_INET, SOCK_STREAM, 0); return 0; /* not connected */
    case 8: *place = socket(AF_INET, SOCK_DGRAM, 0); return 0;
    case 9:
      CHECK(pipe(pipes) == 0 && close(pipes[1]) == 0);
      *place = pipes[0];
      return 0;
    case 10:
      *place = connect_by_tcp(dial);
      return REFUSAL; /* and keeps it: closed here */
    default: return dial_by_tcp(dialler, call, dial, place);
  }
}

static nbwss_socket kept = -1;

static int32_t dial_badly_and_keep(struct dialler *dialler, long call, const nbwss_dial *dial, nbwss_socket *place) {
  int32_t result = dial_badly(dialler, call, dial, place);
  if (call == 10) kept = *place;
  return result;
}

static void bad_answers(void) {
  static const char *const reasons[] = {
      "returned -4711", "no socket", "no socket", "no socket", "no socket", "cannot be used", "not connected",
      "not a stream socket", "cannot be used", "returned -4711",
  };
  struct dialler *dialler = begin(dial_badly_and_keep, TIMEOUT_MS);
  for (long i = 0; i < 10; i++) {
    const struct told *told = event_trail_await(&dialler->trail, NBWSS_EVENT_CONNECT_FAILED, i + 1);
    if (told->cause != NBWSS_CAUSE_DIAL || strstr(told->reason, reasons[i]) == NULL) {
      check_failed(__FILE__, __LINE__, told->reason);
    }
    CHECK(told->retry_in_ms >= 0);
  }
  event_trail_await(&dialler->trail, NBWSS_EVENT_ESTABLISHED, 1);
  CHECK(event_trail_count(&dialler->trail, NBWSS_EVENT_CONNECT_FAILED) == 10);
  CHECK(kept >= 0 && close((int)kept) == 0); /* what came with a refusal was not taken */
  end(dialler);
}

/* The first call comes back when it is released, with a connection that nobody wants any more. */
static int32_t dial_late_at_first(struct dialler *dialler, long call, const nbwss_dial *dial, nbwss_socket *socket) {
  if (call == 1) {
    CHECK(counter_reaches(&dialler->released, 1));
    CHECK(counter_value(&dialler->destroyed) == 0);
  }
  return dial_by_tcp(dialler, call, dial, socket);
}

static void too_late(void) {
  struct dialler *dialler = begin(dial_late_at_first, SHORT_MS);
  const struct told *told = event_trail_await(&dialler->trail, NBWSS_EVENT_CONNECT_FAILED, 1);
  CHECK(told->cause == NBWSS_CAUSE_DIAL && strstr(told->reason, "connect.timeout") != NULL);
  /* Others go on beside it. */
  event_trail_await(&dialler->trail, NBWSS_EVENT_ESTABLISHED, 1);
  CHECK(counter_value(&dialler->calls) == 2);

  long start = now_ms();
  CHECK_STATUS(nbwss_connector_destroy(dialler->connector), NBWSS_TIMEOUT);
  CHECK(now_ms() - start >= SHORT_MS && now_ms() - start < SHORT_MS + SLACK_MS);
  nbwss_health health = NBWSS_HEALTH_INIT;
  CHECK_STATUS(nbwss_connector_health(dialler->connector, &health), NBWSS_ILLEGAL_STATE);
  CHECK(counter_value(&dialler->destroyed) == 0);
  counter_raise(&dialler->released);
  end(dialler);
}

/* A descriptor that is given back by a thread that is left behind goes a moment later. */
static void check_fds(long wanted) {
  const struct timespec moment = {0, 2000000};
  long until = now_ms() + DEADLINE_MS;
  while (count_fds() != wanted) {
    if (now_ms() > until) check_failed(__FILE__, __LINE__, "descriptors are left");
    nanosleep(&moment, NULL);
  }
}

int main(int argc, char **argv) {
  nbwss_endpoints *draft = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  CHECK(argc == 3);
  endpoint_file = argv[1], ca_file = argv[2];
  long fds = count_fds(), threads = count_threads();
  CHECK_OK(nbwss_endpoints_read_file(endpoint_file, &draft));
  CHECK_OK(nbwss_endpoints_get(draft, 0, &info));
  snprintf(host_name, sizeof host_name, "%.*s", (int)info.host_name.len, info.host_name.ptr);
  snprintf(url, sizeof url, "%.*s", (int)info.url.len, info.url.ptr);
  CHECK_OK(nbwss_endpoints_free(draft));

  struct dialler *dialler = begin(dial_by_tcp, TIMEOUT_MS);
  a_session(dialler);
  end(dialler);
  check_fds(fds);
  dialler = begin(dial_by_local_socket, TIMEOUT_MS);
  a_session(dialler);
  end(dialler);
  check_fds(fds);
  bad_answers();
  check_fds(fds);
  too_late();
  check_fds(fds);
  CHECK(threads_fall_to(threads));
  return 0;
}
