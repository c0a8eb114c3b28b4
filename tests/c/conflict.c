/*
 * Requests that come again under their id, others that come under it, and those over a limit; then the keys of an answer
 * as settings have them. One connector after another, each with its settings, each ended by a request for /finish. What
 * the cloud application gets is its side's to check; the audit of all is in GET /records.
 *
 *   conflict ENDPOINT_JSON CA_FILE
 */
#define _POSIX_C_SOURCE 200809L
#include "audit_trail.h"
#include "counting_host.h"

enum { MAX_SETTINGS = 3, HELD = 2 };

struct setting {
  const char *key, *value;
};

static const struct setting lives[][MAX_SETTINGS] = {
    {{"dispatch.maxRate", "5"}},
    {{"dispatch.maxPerSession", "2"}, {"dispatch.maxBodyBytes", "64"}, {"dispatch.maxJsonDepth", "4"}},
    {{"dispatch.statusKey", "code"}},
    {{"dispatch.bodyKey", "body"}},
    {{"dispatch.embedJson", "true"}},
};

struct conflict_host {
  struct counting_host counting;
  struct audit_trail audit;
  struct counter finished;
  struct counter holding; /* how many of these there are */
  nbwss_request *held[HELD];
};

static void respond(nbwss_request *request, int32_t status_code, const char *body) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  response.status_code = status_code;
  response.body = nbwss_str_z(body);
  CHECK_OK(nbwss_request_respond(request, &response));
}

static void hold(struct conflict_host *host, nbwss_request *request) {
  pthread_mutex_lock(&host->holding.lock);
  CHECK(host->holding.value < HELD);
  host->held[host->holding.value] = request;
  pthread_mutex_unlock(&host->holding.lock);
  counter_raise(&host->holding);
}

static void on_request(nbwss_request *request, void *user_data) {
  struct conflict_host *host = user_data;
  nbwss_str uri;
  CHECK_OK(nbwss_request_uri(request, &uri));
  bool finish = str_is(uri, "/finish");
  audit_trail_note_call(&host->audit, request);
  if (str_is(uri, "/hold")) hold(host, request);
  else if (str_is(uri, "/records")) audit_trail_answer(&host->audit, request);
  else if (str_is(uri, "/json")) respond(request, 200, "{\"embedded\":[true]}");
  else if (finish) respond(request, 204, NULL);
  else respond(request, 200, "plain words");
  if (finish) counter_raise(&host->finished);
}

/* The one over the limit lets those go that are within it. */
static void on_audit(const nbwss_audit *record, void *user_data) {
  struct conflict_host *host = user_data;
  audit_trail_on_audit(record, &host->audit);
  if (!str_is(record->id, "third") || record->step != NBWSS_AUDIT_LIMITED) return;
  CHECK(counter_reaches(&host->holding, HELD));
  for (int i = 0; i < HELD; i++) respond(host->held[i], 200, "held");
}

static void live(struct conflict_host *host, const struct setting *settings, char **argv) {
  nbwss_connector *connector = NULL;
  nbwss_options *options = counting_options(&host->counting, argv[2]);
  for (int i = 0; i < MAX_SETTINGS && settings[i].key != NULL; i++) {
    CHECK_OK(nbwss_options_set(options, settings[i].key, settings[i].value));
  }
  CHECK_OK(nbwss_options_on_request(options, on_request, host, NULL));
  CHECK_OK(nbwss_options_on_audit(options, on_audit, host, NULL));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host->finished, 1));
  counter_reset(&host->finished);
  CHECK_OK(nbwss_connector_destroy(connector));
}

int main(int argc, char **argv) {
  static struct conflict_host host = {
      .counting = COUNTING_HOST_INIT, .finished = COUNTER_INIT, .holding = COUNTER_INIT};
  CHECK(argc == 3);
  audit_trail_open(&host.audit);
  for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) live(&host, lives[i], argv);
  audit_trail_close(&host.audit);
  return 0;
}
