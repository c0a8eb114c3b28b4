/*
 * What an administrator does with an endpoint while everything runs: looked at, validated, diagnosed, deactivated,
 * activated, reconnected, with another token, another choice for TLS, another priority, removed. What the list says is
 * true at each moment, each event bears its cause, and nothing waits for a timer: the pauses are an hour long, so
 * whatever is dialled was dialled because somebody did something.
 *
 *   administration ENDPOINT_JSON CA_FILE
 *
 * When it is notified of job 1 the cloud application closes the session with code 1012.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "counting_host.h"
#include "event_trail.h"

enum { HOUR_MS = 3600000, AT_ONCE_MS = 2000, SHUTDOWN_TIMEOUT_MS = 700, SLACK_MS = 3000 };

static struct event_trail trail = EVENT_TRAIL_INIT;
static struct counter refused_in_callback = COUNTER_INIT;
static nbwss_connector *connector;
static char host_name[300], url[2100], token[16385];

static int64_t clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The endpoint as it is now; its texts are compared here, because they go with the list. */
static nbwss_endpoint_info look(const char *last_error) {
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  CHECK_OK(nbwss_endpoint_get(connector, host_name, &list));
  CHECK_OK(nbwss_endpoints_get(list, 0, &info));
  CHECK(str_is(info.host_name, host_name) && str_is(info.url, url));
  CHECK(last_error[0] == '\0' ? info.last_error.len == 0 : str_contains(info.last_error, last_error));
  CHECK(!str_contains(info.last_error, token));
  CHECK((info.last_error_ms > 0) == (info.last_error.len > 0) && info.last_error_ms <= clock_ms());
  CHECK(info.since_ms > 0 && info.since_ms <= clock_ms());
  CHECK((info.last_heard_ms >= 0) == (info.state == NBWSS_CONNECTED));
  CHECK_OK(nbwss_endpoints_free(list));
  return info;
}

static void check_health(uint64_t groups, uint64_t connected, uint64_t active, uint64_t refused) {
  nbwss_health health = NBWSS_HEALTH_INIT;
  CHECK_OK(nbwss_connector_health(connector, &health));
  CHECK(health.groups == groups && health.groups_connected == connected);
  CHECK(health.endpoints == 1 && health.endpoints_active == active && health.endpoints_refused == refused);
}

/* The next session is there, and the list says so: dialled and established as often as it was. */
static void check_connected(long session, uint64_t attempts, const char *last_error) {
  event_trail_await(&trail, NBWSS_EVENT_ESTABLISHED, session);
  nbwss_endpoint_info info = look(last_error);
  CHECK(info.active && info.state == NBWSS_CONNECTED && info.next_attempt_in_ms == -1);
  CHECK(info.attempts == attempts && info.sessions == (uint64_t)session);
  check_health(1, 1, 1, 0);
}

static void check_stopped(long number) {
  const struct told *told = event_trail_await(&trail, NBWSS_EVENT_DISCONNECTED, number);
  CHECK(told->cause == NBWSS_CAUSE_STOPPED && told->code == 0);
}

/* On the library's own thread what waits is refused at once, and what does not wait goes. */
static void on_event(const nbwss_event *event, void *user_data) {
  event_trail_on_event(event, user_data);
  if (event->kind != NBWSS_EVENT_ESTABLISHED || counter_value(&refused_in_callback) > 0) return;
  nbwss_endpoints *list = NULL;
  nbwss_inspection *inspection = NULL;
  nbwss_health health = NBWSS_HEALTH_INIT;
  long begin = now_ms();
  CHECK_STATUS(nbwss_endpoint_validate(connector, url, NULL, &inspection), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_endpoint_diagnose(connector, host_name, true, &inspection), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_endpoints_fetch(connector, "https://localhost:1/", &list), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_endpoint_add_url(connector, "https://localhost:1/"), NBWSS_ILLEGAL_STATE);
  CHECK(list == NULL && inspection == NULL);
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_connector_health(connector, &health));
  CHECK_OK(nbwss_endpoint_set_priority(connector, host_name, 1));
  CHECK(now_ms() - begin < AT_ONCE_MS);
  counter_raise(&refused_in_callback);
}

static void check_steps(const nbwss_inspection *inspection, const nbwss_phase *phases, size_t wanted) {
  nbwss_step step = NBWSS_STEP_INIT;
  nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
  nbwss_str text = NBWSS_STR_INIT;
  size_t count = 0;
  CHECK_OK(nbwss_inspection_step_count(inspection, &count));
  CHECK(count == wanted);
  for (size_t i = 0; i < count; i++) {
    CHECK_OK(nbwss_inspection_step(inspection, i, &step));
    CHECK(step.phase == phases[i] && step.peer.len > 0 && step.failure.len == 0);
  }
  CHECK_STATUS(nbwss_inspection_step(inspection, count, &step), NBWSS_NOT_FOUND);
  CHECK_OK(nbwss_inspection_get_result(inspection, &result));
  CHECK(result.ok && result.trusted && result.distrust.len == 0 && result.failure.len == 0);
  CHECK(result.cause == NBWSS_CAUSE_NONE && str_is(result.tls_version, "TLS 1.3") && result.ca_to_accept.len > 0);
  CHECK_OK(nbwss_inspection_text(inspection, &text));
  CHECK(str_contains(text, "TLS 1.3") && !str_contains(text, token));
}

/* Validates, and gives the pin of the endpoint's key and the authority that may be accepted. */
static void validate(char pin[96], char ca_pem[8192]) {
  const nbwss_phase phases[] = {NBWSS_PHASE_RESOLVE, NBWSS_PHASE_TCP, NBWSS_PHASE_TLS};
  nbwss_inspection *inspection = NULL;
  nbwss_certificate own = NBWSS_CERTIFICATE_INIT, issuer = NBWSS_CERTIFICATE_INIT;
  size_t count = 0;
  CHECK_OK(nbwss_endpoint_validate(connector, url, NULL, &inspection));
  check_steps(inspection, phases, 3);
  CHECK_OK(nbwss_inspection_certificate_count(inspection, &count));
  CHECK(count == 2);
  CHECK_OK(nbwss_inspection_certificate(inspection, 0, &own));
  CHECK_OK(nbwss_inspection_certificate(inspection, 1, &issuer));
  CHECK_STATUS(nbwss_inspection_certificate(inspection, 2, &issuer), NBWSS_NOT_FOUND);
  CHECK_OK(nbwss_inspection_certificate(inspection, 1, &issuer));
  CHECK(own.issuer.len == issuer.subject.len && memcmp(own.issuer.ptr, issuer.subject.ptr, own.issuer.len) == 0);
  CHECK(!own.is_ca && issuer.is_ca && str_contains(own.names, "DNS:localhost") && own.serial.len > 0);
  CHECK(own.not_before < clock_ms() / 1000 && clock_ms() / 1000 < own.not_after && own.key_type.len > 0);
  CHECK(own.sha256.len == 64 && own.spki_sha256.len == 64);
  CHECK(str_contains(own.pem, "BEGIN CERTIFICATE") && issuer.pem.len < 8192);
  snprintf(pin, 96, "spki:%.*s", (int)own.spki_sha256.len, own.spki_sha256.ptr);
  snprintf(ca_pem, 8192, "%.*s", (int)issuer.pem.len, issuer.pem.ptr);
  CHECK_OK(nbwss_inspection_free(inspection));
}

static void diagnose(bool connect) {
  const nbwss_phase phases[] = {NBWSS_PHASE_RESOLVE, NBWSS_PHASE_TCP, NBWSS_PHASE_TLS, NBWSS_PHASE_UPGRADE,
                                NBWSS_PHASE_CONNECT};
  nbwss_inspection *inspection = NULL;
  CHECK_OK(nbwss_endpoint_diagnose(connector, host_name, connect, &inspection));
  check_steps(inspection, phases, connect ? 5 : 4);
  CHECK_OK(nbwss_inspection_free(inspection));
}

static void lost_and_reconnected(void) {
  nbwss_job job = small_job(1);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  const struct told *told = event_trail_await(&trail, NBWSS_EVENT_DISCONNECTED, 1);
  CHECK(told->cause == NBWSS_CAUSE_PEER_CLOSED && told->code == 1012 && strstr(told->reason, "1012") != NULL);
  CHECK(told->retry_in_ms >= 0 && told->retry_in_ms <= HOUR_MS);
  nbwss_endpoint_info info = look("1012");
  CHECK(info.active && info.state == NBWSS_DISCONNECTED && info.last_error_cause == NBWSS_CAUSE_PEER_CLOSED);
  CHECK(info.next_attempt_in_ms >= 0 && info.next_attempt_in_ms <= HOUR_MS);
  check_health(1, 0, 1, 0);
  CHECK_OK(nbwss_endpoint_reconnect(connector, host_name));
  check_connected(2, 2, "1012");
}

static void deactivated_and_activated(void) {
  CHECK_OK(nbwss_endpoint_deactivate(connector, host_name));
  event_trail_await(&trail, NBWSS_EVENT_DEACTIVATED, 1);
  check_stopped(2);
  nbwss_endpoint_info info = look("1012"); /* being stopped is no failure */
  CHECK(!info.active && info.state == NBWSS_DISCONNECTED && info.next_attempt_in_ms == -1);
  check_health(0, 0, 0, 0);
  CHECK_OK(nbwss_endpoint_reconnect(connector, host_name));
  CHECK_OK(nbwss_endpoint_activate(connector, host_name));
  event_trail_await(&trail, NBWSS_EVENT_ACTIVATED, 1);
  check_connected(3, 3, "1012");
}

static void another_token(void) {
  CHECK_OK(nbwss_endpoint_set_token(connector, host_name, "not-the-token"));
  check_stopped(3);
  const struct told *told = event_trail_await(&trail, NBWSS_EVENT_REJECTED, 1);
  CHECK(told->cause == NBWSS_CAUSE_TOKEN && told->code == 0 && strstr(told->reason, "not-the-token") == NULL);
  nbwss_endpoint_info info = look("token");
  CHECK(info.active && info.state == NBWSS_REFUSED && info.last_error_cause == NBWSS_CAUSE_TOKEN);
  CHECK(info.next_attempt_in_ms > HOUR_MS / 2); /* left alone for connectionInfo.period */
  check_health(1, 0, 1, 1);
  CHECK_OK(nbwss_endpoint_set_token(connector, host_name, token));
  check_connected(4, 5, "token");
}

static void another_trust(const char *pin, const char *ca_pem) {
  nbwss_tls tls = NBWSS_TLS_INIT;
  tls.pin = nbwss_str_z("spki:0000000000000000000000000000000000000000000000000000000000000000");
  CHECK_OK(nbwss_endpoint_set_tls(connector, host_name, &tls));
  check_stopped(4);
  const struct told *told = event_trail_await(&trail, NBWSS_EVENT_CONNECT_FAILED, 1);
  CHECK(told->cause == NBWSS_CAUSE_TLS && told->code == 0 && strstr(told->reason, "pin") != NULL);
  CHECK(look("pin").state == NBWSS_DISCONNECTED);
  check_health(1, 0, 1, 0);
  tls.pin = nbwss_str_z(pin);
  tls.ca_pem = nbwss_str_z(ca_pem);
  CHECK_OK(nbwss_endpoint_set_tls(connector, host_name, &tls));
  check_connected(5, 7, "pin");
  CHECK_OK(nbwss_endpoint_set_tls(connector, host_name, NULL));
  check_stopped(5);
  check_connected(6, 8, "pin");
}

static void removed(void) {
  nbwss_endpoints *list = NULL;
  CHECK_OK(nbwss_endpoint_set_priority(connector, host_name, 7));
  CHECK(look("pin").priority == 7);
  CHECK(event_trail_count(&trail, NBWSS_EVENT_DISCONNECTED) == 5); /* no fail-back, nothing is dialled anew */
  CHECK_OK(nbwss_endpoint_remove(connector, host_name));
  check_stopped(6);
  CHECK_STATUS(nbwss_endpoint_get(connector, host_name, &list), NBWSS_NOT_FOUND);
}

/* Failures by the step that they are in. */
static void unreachable(void) {
  static const struct {
    const char *json;
    nbwss_cause cause;
  } cases[] = {
      {"{\"hostName\":\"h\",\"groupId\":\"g\",\"priority\":1,\"token\":\"t\",\"url\":\"wss://127.0.0.1:1/\"}",
       NBWSS_CAUSE_TCP},
      {"{\"hostName\":\"h\",\"groupId\":\"g\",\"priority\":1,\"token\":\"t\",\"url\":\"wss://nowhere.invalid/\"}",
       NBWSS_CAUSE_RESOLVE},
  };
  for (long i = 0; i < 2; i++) {
    CHECK_OK(nbwss_endpoint_add_json(connector, cases[i].json));
    const struct told *told = event_trail_await(&trail, NBWSS_EVENT_CONNECT_FAILED, 2 + i);
    CHECK(told->cause == cases[i].cause && told->code == 0 && told->reason[0] != '\0');
    nbwss_inspection *inspection = NULL;
    nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
    CHECK_OK(nbwss_endpoint_diagnose(connector, "h", true, &inspection));
    CHECK_OK(nbwss_inspection_get_result(inspection, &result));
    CHECK(!result.ok && !result.trusted && result.cause == cases[i].cause && result.failure.len > 0);
    CHECK(result.distrust.len == 0 && result.ca_to_accept.len == 0 && result.tls_version.len == 0);
    CHECK_OK(nbwss_inspection_free(inspection));
    CHECK_OK(nbwss_endpoint_remove(connector, "h"));
  }
}

static nbwss_connector *left;

static void *diagnose_in_vain(void *unused) {
  nbwss_inspection *inspection = NULL;
  CHECK_STATUS(nbwss_endpoint_diagnose(left, "black-hole", true, &inspection), NBWSS_ILLEGAL_STATE);
  CHECK(inspection == NULL);
  return unused;
}

/* Destroyed while another thread diagnoses an endpoint that takes the connection and never says a word. */
static void destroyed_during_a_diagnosis(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  char json[300];
  nbwss_options *options = NULL;
  pthread_t thread;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 4) == 0);
  CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
  snprintf(json, sizeof json,
           "{\"hostName\":\"black-hole\",\"groupId\":\"g\",\"priority\":1,\"token\":\"t\",\"url\":\"wss://127.0.0.1:%d/\"}",
           ntohs(address.sin_port));
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set_int(options, "shutdown.timeout", SHUTDOWN_TIMEOUT_MS));
  CHECK_OK(nbwss_options_set_int(options, "connect.timeout", HOUR_MS / 10));
  CHECK_OK(nbwss_connector_new(options, &left));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_json(left, json));
  CHECK(pthread_create(&thread, NULL, diagnose_in_vain, NULL) == 0);
  int taken = accept(listener, NULL, NULL);
  CHECK(taken >= 0);
  long begin = now_ms();
  CHECK_OK(nbwss_connector_destroy(left));
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(now_ms() - begin < SHUTDOWN_TIMEOUT_MS + SLACK_MS);
  close(taken);
  close(listener);
}

int main(int argc, char **argv) {
  char pin[96], ca_pem[8192];
  nbwss_options *options = NULL;
  nbwss_endpoints *draft = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  size_t length = 0;
  CHECK(argc == 3);
  long fds = count_fds(), threads = count_threads();
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "tls.caFile", argv[2]));
  CHECK_OK(nbwss_options_set_int(options, "connectionInfo.period", HOUR_MS / 1000));
  CHECK_OK(nbwss_options_set_int(options, "connect.backoffBase", HOUR_MS));
  CHECK_OK(nbwss_options_on_event(options, on_event, &trail, NULL));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));

  CHECK_OK(nbwss_endpoints_read_file(argv[1], &draft));
  CHECK_OK(nbwss_endpoints_get(draft, 0, &info));
  snprintf(host_name, sizeof host_name, "%.*s", (int)info.host_name.len, info.host_name.ptr);
  snprintf(url, sizeof url, "%.*s", (int)info.url.len, info.url.ptr);
  CHECK_OK(nbwss_endpoints_token(draft, 0, token, sizeof token - 1, &length));
  validate(pin, ca_pem);

  CHECK_OK(nbwss_connector_start(connector));
  int64_t before = clock_ms();
  CHECK_OK(nbwss_endpoints_add(connector, draft, NULL));
  CHECK_OK(nbwss_endpoints_free(draft));
  check_connected(1, 1, "");
  CHECK(look("").since_ms >= before - 1); /* another clock's milliseconds */
  CHECK(counter_reaches(&refused_in_callback, 1));
  CHECK(event_trail_count(&trail, NBWSS_EVENT_CONNECTING) == 1);
  diagnose(false);
  diagnose(true);
  check_connected(1, 1, ""); /* beside it, all the while */
  lost_and_reconnected();
  deactivated_and_activated();
  another_token();
  another_trust(pin, ca_pem);
  removed();
  unreachable();
  CHECK_OK(nbwss_connector_destroy(connector));
  destroyed_during_a_diagnosis();
  CHECK(threads_fall_to(threads));
  CHECK(count_fds() == fds);
  return 0;
}
