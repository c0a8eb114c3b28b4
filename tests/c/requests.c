/*
 * Requests and their answers. The cloud application asks for a uri that names what the host is to do with the request:
 * answer it from another thread, from two at once, twice, too late, never, with a refusal, with a bad header, with bytes that are no text,
 * with nothing, or call the library in between. What the cloud application then gets is its side's to check.
 *
 *   requests ENDPOINT_JSON CA_FILE     (ends when /finish is asked for)
 */
#define _POSIX_C_SOURCE 200809L
#include "counting_host.h"

/* The deadline of an answer: long enough to do things before it, short enough to wait for it to pass. */
#define DISPATCH_TIMEOUT_MS "1500"

struct requests_host {
  struct counting_host counting;
  struct counter finished;
  nbwss_connector *connector;
  nbwss_request *late;  /* its deadline is over when /answer-late is asked for */
  nbwss_request *never; /* still waiting when the connector is destroyed */
  pthread_t answering;
  bool answering_started;
};

static nbwss_response plain(int32_t status_code, const char *body) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  response.status_code = status_code;
  response.body = nbwss_str_z(body);
  return response;
}

/* Once it was answered, a request is gone for every function. */
static void check_gone(nbwss_request *request) {
  nbwss_response again = plain(200, "again");
  nbwss_str text;
  CHECK_STATUS(nbwss_request_respond(request, &again), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_request_fail(request, 500, "again"), NBWSS_BAD_HANDLE);
  CHECK_STATUS(nbwss_request_uri(request, &text), NBWSS_BAD_HANDLE);
  CHECK(text.ptr == NULL && text.len == 0);
}

static void *answer(void *argument) {
  nbwss_request *request = argument;
  nbwss_response response = plain(200, "from another thread");
  CHECK_OK(nbwss_request_respond(request, &response));
  check_gone(request);
  return NULL;
}

static void from_another_thread(struct requests_host *host, nbwss_request *request) {
  CHECK(pthread_create(&host->answering, NULL, answer, request) == 0);
  host->answering_started = true;
}

struct race {
  nbwss_request *request;
  pthread_barrier_t start;
};

/* Returns whether this thread's answer was the one. */
static bool run_for_it(struct race *race) {
  nbwss_response response = plain(200, "by one of two");
  pthread_barrier_wait(&race->start);
  nbwss_status status = nbwss_request_respond(race->request, &response);
  CHECK(status == NBWSS_OK || status == NBWSS_BAD_HANDLE);
  return status == NBWSS_OK;
}

static void *other_runner(void *race) { return run_for_it(race) ? race : NULL; }

static void two_at_once(nbwss_request *request) {
  struct race race = {.request = request};
  pthread_t other;
  void *other_won = NULL;
  CHECK(pthread_barrier_init(&race.start, NULL, 2) == 0);
  CHECK(pthread_create(&other, NULL, other_runner, &race) == 0);
  bool won = run_for_it(&race);
  CHECK(pthread_join(other, &other_won) == 0 && won == (other_won == NULL));
  CHECK(pthread_barrier_destroy(&race.start) == 0);
  check_gone(request);
}

static void twice(nbwss_request *request) {
  nbwss_response response = plain(200, "once");
  CHECK_OK(nbwss_request_respond(request, &response));
  check_gone(request);
}

static void answer_late(struct requests_host *host, nbwss_request *request) {
  nbwss_response response = plain(200, "too late");
  nbwss_str uri;
  CHECK(host->late != NULL);
  /* Still readable: it is the host's until the host has consumed it. */
  CHECK_OK(nbwss_request_uri(host->late, &uri));
  CHECK(str_is(uri, "/keep-until-late"));
  CHECK_STATUS(nbwss_request_respond(host->late, &response), NBWSS_EXPIRED);
  check_gone(host->late);
  response = plain(200, "the late one was refused");
  CHECK_OK(nbwss_request_respond(request, &response));
}

/* Unusable answers: the host learns it, the cloud application gets a 500, the request is consumed all the same. */
static void unusable(nbwss_request *request, const nbwss_response *response) {
  CHECK_STATUS(nbwss_request_respond(request, response), NBWSS_INVALID_ARGUMENT);
  check_gone(request);
}

static void bad_header(nbwss_request *request, nbwss_header header) {
  nbwss_response response = plain(200, "with a header that can't be sent");
  response.headers = &header;
  response.header_count = 1;
  unusable(request, &response);
}

static void bad_header_name(nbwss_request *request) {
  nbwss_header header = {{"x y", 3}, {"value", 5}};
  bad_header(request, header);
}

static void bad_header_value(nbwss_request *request) {
  nbwss_header header = {{"x-y", 3}, {"two\r\nlines: 1", 12}};
  bad_header(request, header);
}

static void same_header_twice(nbwss_request *request) {
  nbwss_header headers[] = {{{"X-A", 3}, {"1", 1}}, {{"x-a", 3}, {"2", 1}}};
  nbwss_response response = plain(200, "");
  response.headers = headers;
  response.header_count = 2;
  CHECK_STATUS(nbwss_request_respond(request, &response), NBWSS_INVALID_ARGUMENT);
  CHECK_ERROR_NAMES("headers[1]");
  check_gone(request);
}

static void null_headers(nbwss_request *request) {
  nbwss_response response = plain(200, "");
  response.header_count = 2;
  unusable(request, &response);
}

static void bad_status_code(nbwss_request *request) {
  nbwss_response response = plain(99, "");
  unusable(request, &response);
}

static void small_struct(nbwss_request *request) {
  nbwss_response response = plain(200, "");
  response.struct_size = sizeof(size_t);
  unusable(request, &response);
}

static void no_response(nbwss_request *request) { unusable(request, NULL); }

static void bytes(nbwss_request *request) {
  static const char body[] = {'\xff', '\x00', '\xfe', '\x80'};
  nbwss_header header = {{"Content-Type", 12}, {"application/octet-stream", 24}};
  nbwss_response response = NBWSS_RESPONSE_INIT;
  response.status_code = 200;
  response.headers = &header;
  response.header_count = 1;
  response.body.ptr = body;
  response.body.len = sizeof body;
  CHECK_OK(nbwss_request_respond(request, &response));
}

static void without_body(nbwss_request *request) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  response.status_code = 204;
  CHECK_OK(nbwss_request_respond(request, &response));
}

static void refused(nbwss_request *request) {
  CHECK_OK(nbwss_request_fail(request, 418, "I'm a \"teapot\""));
  check_gone(request);
}

static void refused_badly(nbwss_request *request) {
  CHECK_STATUS(nbwss_request_fail(request, 1000, "no such status"), NBWSS_INVALID_ARGUMENT);
  check_gone(request);
}

/* Everything the request says, for a POST with the body {"a":"\u00e9"}. */
static void accessors(nbwss_request *request) {
  nbwss_str text, value;
  nbwss_header header;
  size_t count = 0;
  bool seen = false;
  CHECK_OK(nbwss_request_id(request, &text));
  CHECK(text.len == 36);
  CHECK_OK(nbwss_request_host_name(request, &text));
  CHECK(text.len > 0);
  CHECK_OK(nbwss_request_group_id(request, &text));
  CHECK(text.len > 0);
  CHECK_OK(nbwss_request_method(request, &text));
  CHECK(str_is(text, "POST"));
  CHECK_OK(nbwss_request_uri(request, &text));
  CHECK(str_is(text, "/accessors?first=1&second=2"));
  CHECK_OK(nbwss_request_body(request, &text));
  CHECK(str_is(text, "{\"a\":\"\xc3\xa9\"}"));
  CHECK_OK(nbwss_request_header(request, "content-type", &text));
  CHECK_OK(nbwss_request_header(request, "CONTENT-Type", &value));
  CHECK(text.len > 0 && text.len == value.len && memcmp(text.ptr, value.ptr, text.len) == 0);
  CHECK_STATUS(nbwss_request_header(request, "x-not-there", &text), NBWSS_NOT_FOUND);
  CHECK(text.ptr == NULL && text.len == 0);
  CHECK_ERROR_NAMES("x-not-there");
  CHECK_STATUS(nbwss_request_header(request, "content-type", NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_request_body(request, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_OK(nbwss_request_header_count(request, &count));
  for (size_t i = 0; i < count; i++) {
    CHECK_OK(nbwss_request_header_at(request, i, &header));
    CHECK(header.name.len > 0);
    seen = seen || (header.value.len == value.len && memcmp(header.value.ptr, value.ptr, value.len) == 0);
  }
  CHECK(seen);
  CHECK_STATUS(nbwss_request_header_at(request, count, &header), NBWSS_NOT_FOUND);
  CHECK(header.name.ptr == NULL && header.value.ptr == NULL);
  nbwss_response response = plain(200, "all as sent");
  CHECK_OK(nbwss_request_respond(request, &response));
}

static void absent_body(nbwss_request *request) {
  nbwss_str text = {"x", 1};
  nbwss_response response = plain(200, "no body");
  CHECK_OK(nbwss_request_body(request, &text));
  CHECK(text.ptr == NULL && text.len == 0);
  CHECK_OK(nbwss_request_respond(request, &response));
}

/* With a request in hand every call may be made, but those that would wait for this very callback. */
static void reenter(struct requests_host *host, nbwss_request *request) {
  nbwss_options *options = NULL;
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  nbwss_job job = small_job(7);
  uint64_t sequence = 0;
  CHECK_OK(nbwss_notify_job(host->connector, &job, &sequence));
  CHECK(sequence > 0);
  CHECK_OK(nbwss_endpoint_list(host->connector, &list));
  CHECK_OK(nbwss_endpoints_get(list, 0, &info));
  CHECK(info.state == NBWSS_CONNECTED);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "log.level", "off"));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_connector_start(host->connector));
  CHECK_STATUS(nbwss_connector_drain(host->connector, DEADLINE_MS, NULL), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_wait(host->connector, DEADLINE_MS), NBWSS_ILLEGAL_STATE);
  CHECK_STATUS(nbwss_connector_destroy(host->connector), NBWSS_ILLEGAL_STATE);
  nbwss_response response = plain(200, "reentered");
  CHECK_OK(nbwss_request_respond(request, &response));
}

/* What the host made of its requests so far. Ends without an answer are those of exceptions: see throws.cpp. */
static void check_counts(nbwss_connector *connector) {
  nbwss_stats stats = NBWSS_STATS_INIT;
  CHECK_OK(nbwss_connector_stats(connector, &stats));
  CHECK(stats.calls_expired == 1 && stats.answers_late == 1 && stats.answers_missing == 0);
  CHECK(stats.requests_outstanding == 2); /* the one that is never answered, and the one that asks for the end */
}

static void finish(struct requests_host *host, nbwss_request *request) {
  check_counts(host->connector);
  nbwss_response response = plain(202, "");
  CHECK_OK(nbwss_request_respond(request, &response));
  counter_raise(&host->finished);
}

static void on_request(nbwss_request *request, void *user_data) {
  static const struct {
    const char *uri;
    void (*act)(nbwss_request *);
  } acts[] = {
      {"/two-at-once", two_at_once},
      {"/twice", twice},
      {"/bad-header-name", bad_header_name},
      {"/bad-header-value", bad_header_value},
      {"/same-header-twice", same_header_twice},
      {"/null-headers", null_headers},
      {"/bad-status-code", bad_status_code},
      {"/small-struct", small_struct},
      {"/no-response", no_response},
      {"/bytes", bytes},
      {"/without-body", without_body},
      {"/refused", refused},
      {"/refused-badly", refused_badly},
      {"/accessors?first=1&second=2", accessors},
      {"/absent-body", absent_body},
  };
  struct requests_host *host = user_data;
  nbwss_str uri;
  CHECK_OK(nbwss_request_uri(request, &uri));
  for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
    if (str_is(uri, acts[i].uri)) {
      acts[i].act(request);
      return;
    }
  }
  if (str_is(uri, "/another-thread")) from_another_thread(host, request);
  else if (str_is(uri, "/keep-until-late")) host->late = request;
  else if (str_is(uri, "/answer-late")) answer_late(host, request);
  else if (str_is(uri, "/never")) host->never = request;
  else if (str_is(uri, "/reenter")) reenter(host, request);
  else if (str_is(uri, "/finish")) finish(host, request);
  else CHECK(!"a uri that this program knows");
}

int main(int argc, char **argv) {
  static struct requests_host host = {.counting = COUNTING_HOST_INIT, .finished = COUNTER_INIT};
  CHECK(argc == 3);
  nbwss_options *options = counting_options(&host.counting, argv[2]);
  /* One thread: what one request left behind, the next one finds. */
  CHECK_OK(nbwss_options_set(options, "dispatch.threads", "1"));
  CHECK_OK(nbwss_options_set(options, "dispatch.timeout", DISPATCH_TIMEOUT_MS));
  CHECK_OK(nbwss_options_on_request(options, on_request, &host, NULL));
  CHECK_OK(nbwss_connector_new(options, &host.connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(host.connector, argv[1]));
  CHECK_OK(nbwss_connector_start(host.connector));

  CHECK(counter_reaches(&host.finished, 1));
  CHECK_OK(nbwss_connector_drain(host.connector, DEADLINE_MS, NULL));
  CHECK(counter_value(&host.counting.delivered) == 1);
  CHECK_OK(nbwss_connector_destroy(host.connector));
  CHECK(counter_value(&host.counting.destructors) == 2);

  /* A request outlives its connector, until it is consumed. */
  nbwss_response response = plain(200, "to nobody");
  nbwss_str uri;
  CHECK(host.never != NULL);
  CHECK_OK(nbwss_request_uri(host.never, &uri));
  CHECK(str_is(uri, "/never"));
  CHECK_STATUS(nbwss_request_respond(host.never, &response), NBWSS_EXPIRED);
  check_gone(host.never);
  CHECK(host.answering_started && pthread_join(host.answering, NULL) == 0);
  return 0;
}
