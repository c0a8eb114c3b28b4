/*
 * Destroy comes to its end in its time, whoever stands in its way. Nobody on the network makes it fail: not a peer that
 * takes a connection and says nothing, nor one that stops in the middle of its TLS handshake, nor a name server that does
 * not answer, nor a cloud application that reads nothing of what is pressing to be written. A host's thread that is in a
 * callback while it polls does: TIMEOUT, and once it has come back, OK.
 *
 *   bounded_end ENDPOINT_JSON CA_FILE silent|tls|names|full|polling SHUTDOWN_TIMEOUT_MS
 *
 * With "names" the process has a network of its own, in which 127.0.0.9 is the name server. With "full" the cloud
 * application stops reading once there is a session and asks for /large many times; with "polling" it asks for /stuck.
 */
#define _POSIX_C_SOURCE 200809L
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../counting_host.h"
#include "../tasks.h"

enum { SLACK_MS = 3000, LARGE = 1 << 20, MOST_FDS = 100 };

static struct counting_host host = COUNTING_HOST_INIT;
static struct counter entered = COUNTER_INIT, released = COUNTER_INIT;
static char large[LARGE];

static void on_request(nbwss_request *request, void *user_data) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  nbwss_str uri;
  (void)user_data;
  CHECK_OK(nbwss_request_uri(request, &uri));
  counter_raise(&entered);
  if (str_is(uri, "/stuck")) {
    CHECK(counter_reaches(&released, 1));
    CHECK_STATUS(nbwss_request_respond(request, &response), NBWSS_EXPIRED);
    return;
  }
  response.body.ptr = large, response.body.len = sizeof large;
  nbwss_status status = nbwss_request_respond(request, &response);
  CHECK(status == NBWSS_OK || status == NBWSS_EXPIRED);
}

static nbwss_connector *begin(char **argv, bool polls) {
  nbwss_connector *connector = NULL;
  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_options_set(options, "shutdown.timeout", argv[4]));
  CHECK_OK(nbwss_options_set_int(options, "connect.timeout", DEADLINE_MS));
  CHECK_OK(nbwss_options_set_bool(options, "callbacks.poll", polls));
  CHECK_OK(nbwss_options_on_request(options, on_request, NULL, NULL));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  return connector;
}

static void dial(nbwss_connector *connector, const char *url_host, int port) {
  char json[256];
  snprintf(json, sizeof json,
           "{\"hostName\":\"h\",\"groupId\":\"g\",\"priority\":1,\"token\":\"t\",\"url\":\"wss://%s:%d/\"}", url_host, port);
  CHECK_OK(nbwss_endpoint_add_json(connector, json));
  CHECK_OK(nbwss_connector_start(connector));
}

static int open_socket(int type, in_addr_t address, int port, int *bound_port) {
  struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address), .sin_port = htons((uint16_t)port)};
  socklen_t size = sizeof place;
  int opened = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  CHECK(opened >= 0 && bind(opened, (struct sockaddr *)&place, sizeof place) == 0);
  CHECK(getsockname(opened, (struct sockaddr *)&place, &size) == 0);
  *bound_port = ntohs(place.sin_port);
  return opened;
}

/* Takes the connection, and the greeting of TLS; answers with nothing, or with the beginning of an answer. */
static void half_a_handshake(nbwss_connector *connector, bool answers) {
  static const unsigned char beginning[] = {22, 3, 3, 0, 122, 2, 0, 0, 118, 3, 3}; /* of a ServerHello of 122 bytes */
  unsigned char greeting[5];
  int port = 0, listener = open_socket(SOCK_STREAM, INADDR_LOOPBACK, 0, &port);
  CHECK(listen(listener, 8) == 0);
  dial(connector, "127.0.0.1", port);
  int taken = accept(listener, NULL, NULL);
  CHECK(taken >= 0 && recv(taken, greeting, sizeof greeting, MSG_WAITALL) == sizeof greeting);
  if (answers) CHECK(send(taken, beginning, sizeof beginning, MSG_NOSIGNAL) == sizeof beginning);
}

/* Takes the question. */
static void a_silent_name_server(nbwss_connector *connector) {
  unsigned char question[512];
  int port = 0, server = open_socket(SOCK_DGRAM, INADDR_LOOPBACK + 8, 53, &port);
  struct pollfd asked = {.fd = server, .events = POLLIN};
  dial(connector, "cloud.example.com", 443);
  CHECK(poll(&asked, 1, DEADLINE_MS) == 1 && recv(server, question, sizeof question, 0) > 0);
}

/* A connected TCP socket of the process, the library's, takes nothing any more. */
static bool a_connection_is_full(void) {
  for (int fd = 3; fd < MOST_FDS; fd++) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0 || peer.sin_family != AF_INET) continue;
    if (poll(&writable, 1, 0) == 0) return true;
  }
  return false;
}

static void a_full_connection(nbwss_connector *connector, const char *endpoint_file) {
  const struct timespec moment = {0, 2000000};
  CHECK_OK(nbwss_endpoint_add_file(connector, endpoint_file));
  CHECK_OK(nbwss_connector_start(connector));
  /* Full, and nothing has changed about it until a moment later. */
  long until = now_ms() + DEADLINE_MS;
  for (int full = 0; full < 50; full = a_connection_is_full() ? full + 1 : 0) {
    CHECK(now_ms() < until);
    nanosleep(&moment, NULL);
  }
}

static void *poll_and_stay(void *connector) {
  while (counter_value(&released) == 0) {
    nbwss_status status = nbwss_connector_poll(connector, DEADLINE_MS, NULL);
    CHECK(status == NBWSS_OK || (status == NBWSS_ILLEGAL_STATE && counter_value(&released) > 0));
  }
  return NULL;
}

static void a_polling_thread_that_stays_away(nbwss_connector *connector, const char *endpoint_file, long timeout_ms) {
  pthread_t thread;
  CHECK_OK(nbwss_endpoint_add_file(connector, endpoint_file));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(pthread_create(&thread, NULL, poll_and_stay, connector) == 0);
  CHECK(counter_reaches(&entered, 1));
  for (int again = 0; again < 2; again++) {
    long start = now_ms();
    CHECK_STATUS(nbwss_connector_destroy(connector), NBWSS_TIMEOUT);
    CHECK(now_ms() - start < timeout_ms + SLACK_MS);
  }
  counter_raise(&released);
  CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv) {
  struct tasks left;
  CHECK(argc == 5);
  const char *way = argv[3];
  long timeout_ms = strtol(argv[4], NULL, 10);
  bool names = strcmp(way, "names") == 0, polling = strcmp(way, "polling") == 0;
  nbwss_connector *connector = begin(argv, polling);
  if (names) a_silent_name_server(connector);
  else if (polling) a_polling_thread_that_stays_away(connector, argv[1], timeout_ms);
  else if (strcmp(way, "full") == 0) a_full_connection(connector, argv[1]);
  else half_a_handshake(connector, strcmp(way, "tls") == 0);

  long start = now_ms();
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(now_ms() - start < timeout_ms + SLACK_MS);
  CHECK(counter_value(&host.destructors) == 2);
  /* The C library's resolver cannot be called off: its thread is left to it, and touches nothing of the connector's. */
  CHECK(threads_fall_to(1 + names));
  tasks_read(&left);
  CHECK(tasks_named(&left, "nbwss-dns") == left.count);
  return 0;
}
