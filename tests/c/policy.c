/*
 * Which calls reach the host. Rules that cannot be meant are refused by their number. Then two connectors, one after the
 * other: the first has no rule, so it has no host either; the second has rules by its setting, which the cloud
 * application replaces through the host (POST /policy, with the new rules as body). Everything that does reach the host
 * is answered with its method and uri. What each call came to is in the audit, which GET /records shows.
 *
 *   policy ENDPOINT_JSON CA_FILE SECOND_ENDPOINT_JSON     (ends when /finish is asked for)
 */
#define _POSIX_C_SOURCE 200809L
#include "audit_trail.h"
#include "counting_host.h"

/* The header has no name for it. */
enum { MAX_RULES = 1000 };

static const char RULES[] =
    "# what the cloud application may do\n"
    "deny * /read/not/**\n"
    "allow GET /read/**; allow POST,PUT /write/*   # one segment\n"
    "\n"
    "allow GET /trusted group trusted\n"
    "allow POST /policy; allow GET /records; allow DELETE /finish; allow GET /%7B%7D; allow GET /a\n";

struct policy_host {
  struct counting_host counting;
  struct audit_trail audit;
  struct counter finished;
  nbwss_connector *connector;
};

static void bad_rules_are_refused_by_number(nbwss_options *options, nbwss_connector *connector) {
  static const char *const bad[] = {
      "permit GET /a",    "allow",          "allow GET",           "allow get /a",       "allow GET, /a",
      "allow GET a",      "allow GET /a*",  "allow GET /**/a",     "allow GET /a/../b",  "allow GET /a//b",
      "allow GET /a%2fb", "allow GET /%61", "allow GET /a?b",      "allow GET /a group", "allow GET /a group g h",
      "allow GET /a\tif", "allow GET /a b", "allow G\xc3\x89T /a", "allow GET /{}",      "deny",
  };
  char rules[100];
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    snprintf(rules, sizeof rules, "allow GET /good # comment\n\n%s", bad[i]);
    CHECK_STATUS(nbwss_options_set(options, "dispatch.policy", rules), NBWSS_INVALID_VALUE);
    CHECK_ERROR_NAMES("rule 2");
    CHECK_STATUS(nbwss_connector_set_policy(connector, rules), NBWSS_INVALID_VALUE);
    CHECK_ERROR_NAMES("rule 2");
  }
  nbwss_str not_text = {"allow GET /\xff", 12};
  CHECK_STATUS(nbwss_connector_set_policy_n(connector, not_text), NBWSS_INVALID_ARGUMENT);
  not_text.ptr = NULL;
  CHECK_STATUS(nbwss_connector_set_policy_n(connector, not_text), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_connector_set_policy(NULL, "allow GET /"), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_connector_set_policy((nbwss_connector *)options, "allow GET /"), NBWSS_BAD_HANDLE);
}

static void there_may_be_so_many_rules_and_no_more(nbwss_connector *connector) {
  static const char rule[] = "allow GET /a\n";
  const size_t length = sizeof rule - 1;
  char *rules = malloc(length * (MAX_RULES + 1));
  CHECK(rules != NULL);
  for (size_t i = 0; i < MAX_RULES + 1; i++) memcpy(rules + i * length, rule, length);
  nbwss_str text = {rules, length * MAX_RULES};
  CHECK_OK(nbwss_connector_set_policy_n(connector, text));
  text.len += length;
  CHECK_STATUS(nbwss_connector_set_policy_n(connector, text), NBWSS_INVALID_VALUE);
  CHECK_ERROR_NAMES("1001");
  free(rules);
}

static void offline(const char *ca_file) {
  struct counting_host host = COUNTING_HOST_INIT;
  nbwss_connector *connector = NULL;
  nbwss_options *options = counting_options(&host, ca_file);
  CHECK_OK(nbwss_connector_new(options, &connector));
  bad_rules_are_refused_by_number(options, connector);
  there_may_be_so_many_rules_and_no_more(connector);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK_STATUS(nbwss_connector_set_policy(connector, "allow GET /"), NBWSS_BAD_HANDLE);
  CHECK_OK(nbwss_options_free(options));
}

/* From inside a callback, as a host's own administration might: the next call is under the new rules. */
static void replace_policy(struct policy_host *host, nbwss_request *request) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  nbwss_str rules;
  CHECK_OK(nbwss_request_body(request, &rules));
  nbwss_status status = nbwss_connector_set_policy_n(host->connector, rules);
  CHECK(status == NBWSS_OK || status == NBWSS_INVALID_VALUE);
  if (status != NBWSS_OK) {
    response.status_code = 422;
    response.body = nbwss_last_error();
  }
  CHECK_OK(nbwss_request_respond(request, &response));
}

static void echo(nbwss_request *request, nbwss_str method, nbwss_str uri) {
  char body[9000];
  nbwss_response response = NBWSS_RESPONSE_INIT;
  snprintf(body, sizeof body, "%.*s %.*s", (int)method.len, method.ptr, (int)uri.len, uri.ptr);
  response.body = nbwss_str_z(body);
  CHECK_OK(nbwss_request_respond(request, &response));
}

static void on_request(nbwss_request *request, void *user_data) {
  struct policy_host *host = user_data;
  nbwss_str method, uri;
  CHECK_OK(nbwss_request_method(request, &method));
  CHECK_OK(nbwss_request_uri(request, &uri));
  bool finish = str_is(uri, "/finish");
  audit_trail_note_call(&host->audit, request);
  if (str_is(uri, "/policy")) replace_policy(host, request);
  else if (str_is(uri, "/records")) audit_trail_answer(&host->audit, request);
  else echo(request, method, uri);
  if (finish) counter_raise(&host->finished);
}

/* `rules` NULL: the setting is left alone. */
static void connect_with(struct policy_host *host, const char *rules, const char *ca_file) {
  nbwss_options *options = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "tls.caFile", ca_file));
  if (rules != NULL) CHECK_OK(nbwss_options_set(options, "dispatch.policy", rules));
  /* A setting that was refused leaves the rules as they were. */
  CHECK_STATUS(nbwss_options_set(options, "dispatch.policy", "allow * /**; allow"), NBWSS_INVALID_VALUE);
  CHECK_OK(nbwss_options_on_request(options, on_request, host, NULL));
  CHECK_OK(nbwss_options_on_audit(options, audit_trail_on_audit, &host->audit, NULL));
  CHECK_OK(nbwss_options_on_event(options, counting_on_event, &host->counting, counting_destructor));
  CHECK_OK(nbwss_connector_new(options, &host->connector));
  CHECK_OK(nbwss_options_free(options));
}

int main(int argc, char **argv) {
  static struct policy_host host = {.counting = COUNTING_HOST_INIT, .finished = COUNTER_INIT};
  CHECK(argc == 4);
  offline(argv[2]);
  audit_trail_open(&host.audit);

  connect_with(&host, NULL, argv[2]);
  CHECK_OK(nbwss_endpoint_add_file(host.connector, argv[1]));
  CHECK_OK(nbwss_connector_start(host.connector));
  audit_trail_await(&host.audit, "ended", "no-rule-last");
  CHECK_OK(nbwss_connector_destroy(host.connector));
  CHECK(strstr(host.audit.text, "called") == NULL);

  connect_with(&host, RULES, argv[2]);
  CHECK_OK(nbwss_endpoint_add_file(host.connector, argv[1]));
  CHECK_OK(nbwss_endpoint_add_file(host.connector, argv[3]));
  CHECK_OK(nbwss_connector_start(host.connector));
  CHECK(counter_reaches(&host.finished, 1));
  CHECK_OK(nbwss_connector_destroy(host.connector));
  audit_trail_close(&host.audit);
  return 0;
}
