/*
 * Endpoint details and choices for TLS that break a rule: each rule has a status of its own, whichever way the details
 * come in; the last error names the field; and neither it nor anything else ever repeats a token.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#define TOKEN "token-that-must-not-show"
#define HOST "cloud.example.com"
#define URL "wss://cloud.example.com/ws"

static nbwss_connector *connector;

static nbwss_endpoint good_endpoint(void) {
  nbwss_endpoint endpoint = NBWSS_ENDPOINT_INIT;
  endpoint.host_name = nbwss_str_z(HOST);
  endpoint.url = nbwss_str_z(URL);
  endpoint.group_id = nbwss_str_z("group");
  endpoint.token = nbwss_str_z(TOKEN);
  return endpoint;
}

static void check_refused(const char *what, nbwss_status got, nbwss_status wanted, const char *field) {
  check_status(__FILE__, __LINE__, what, got, wanted);
  check_error_names(__FILE__, __LINE__, field);
  CHECK(!str_contains(nbwss_last_error(), TOKEN));
}

/* Nothing was added by all that. */
static void check_empty(void) {
  nbwss_health health = NBWSS_HEALTH_INIT;
  CHECK_OK(nbwss_connector_health(connector, &health));
  CHECK(health.endpoints == 0);
}

/* The same details as JSON. */
static const char *as_json(const nbwss_endpoint *endpoint) {
  static char json[200000];
  const nbwss_str *texts[] = {&endpoint->host_name, &endpoint->url, &endpoint->group_id, &endpoint->token};
  const char *keys[] = {"hostName", "url", "groupId", "token"};
  char *at = json + sprintf(json, "{\"priority\":%d", endpoint->priority);
  for (size_t i = 0; i < 4; i++) {
    at += sprintf(at, ",\"%s\":\"", keys[i]);
    for (size_t n = 0; n < texts[i]->len; n++) {
      unsigned char c = (unsigned char)texts[i]->ptr[n];
      at += sprintf(at, c >= 0x20 ? "%c" : "\\u%04x", c);
    }
    at += sprintf(at, "\"");
  }
  strcpy(at, "}");
  return json;
}

/* Refused as a struct, as JSON, in an array, and when it is only read. */
static void refuse(nbwss_endpoint endpoint, nbwss_status wanted, const char *field) {
  static char array[200000];
  nbwss_endpoints *draft = NULL;
  const char *json = as_json(&endpoint);
  check_refused(field, nbwss_endpoint_add(connector, &endpoint), wanted, field);
  check_refused(field, nbwss_endpoint_add_json(connector, json), wanted, field);
  check_refused(field, nbwss_endpoints_read_json(json, &draft), wanted, field);
  nbwss_endpoint good = good_endpoint();
  snprintf(array, sizeof array, "[%s,", as_json(&good));
  snprintf(array + strlen(array), sizeof array - strlen(array), "%s]", as_json(&endpoint));
  check_refused(field, nbwss_endpoints_read_json(array, &draft), wanted, "endpoint 1: ");
  CHECK(draft == NULL);
}

static void fields(void) {
  static char too_long[20000];
  memset(too_long, 'a', sizeof too_long - 1);
  static char long_url[2060] = "wss://h/";
  memset(long_url + strlen(long_url), 'a', 2049 - strlen(long_url));
  enum field { HOST_NAME, URL_, GROUP_ID, TOKEN_ };
  static const char *const keys[] = {"hostName", "url", "groupId", "token"};
  static const struct {
    enum field field;
    const char *value;
    nbwss_status wanted;
  } cases[] = {
      {HOST_NAME, "", NBWSS_ENDPOINT_MISSING},
      {HOST_NAME, " ", NBWSS_ENDPOINT_BAD_CHARACTER},
      {HOST_NAME, "two words", NBWSS_ENDPOINT_BAD_CHARACTER},
      {HOST_NAME, "line\nbreak", NBWSS_ENDPOINT_BAD_CHARACTER},
      {HOST_NAME, "bell\x07", NBWSS_ENDPOINT_BAD_CHARACTER},
      {HOST_NAME, too_long, NBWSS_ENDPOINT_TOO_LONG},
      {URL_, "", NBWSS_ENDPOINT_MISSING},
      {URL_, "cloud.example.com", NBWSS_ENDPOINT_BAD_URL},
      {URL_, "ws://cloud.example.com/ws", NBWSS_ENDPOINT_NOT_ENCRYPTED},
      {URL_, "WS://cloud.example.com/ws", NBWSS_ENDPOINT_NOT_ENCRYPTED},
      {URL_, "https://cloud.example.com/ws", NBWSS_ENDPOINT_BAD_URL},
      {URL_, "wss://", NBWSS_ENDPOINT_BAD_URL},
      {URL_, "wss:///path", NBWSS_ENDPOINT_BAD_URL},
      {URL_, "wss://user@cloud.example.com/ws", NBWSS_ENDPOINT_USER_INFO},
      {URL_, "wss://user:" TOKEN "@cloud.example.com/ws", NBWSS_ENDPOINT_USER_INFO},
      {URL_, "wss://cloud.example.com:99999/ws", NBWSS_ENDPOINT_BAD_URL},
      {URL_, "wss://cloud.example.com:0x50/ws", NBWSS_ENDPOINT_BAD_URL},
      {URL_, "wss://cloud.example.com:0/ws", NBWSS_ENDPOINT_BAD_URL},
      {URL_, "wss://cloud.example.com/ws#part", NBWSS_ENDPOINT_BAD_URL},
      {URL_, "wss://cloud.example.com/a b", NBWSS_ENDPOINT_BAD_URL},
      {URL_, "wss://cloud.example.com/\r\nX: y", NBWSS_ENDPOINT_BAD_CHARACTER},
      {URL_, long_url, NBWSS_ENDPOINT_TOO_LONG},
      {GROUP_ID, "", NBWSS_ENDPOINT_MISSING},
      {GROUP_ID, "a\nb", NBWSS_ENDPOINT_BAD_CHARACTER},
      {GROUP_ID, too_long, NBWSS_ENDPOINT_TOO_LONG},
      {TOKEN_, "", NBWSS_ENDPOINT_MISSING},
      {TOKEN_, TOKEN "\n", NBWSS_ENDPOINT_BAD_CHARACTER},
      {TOKEN_, TOKEN "\x01", NBWSS_ENDPOINT_BAD_CHARACTER},
      {TOKEN_, too_long, NBWSS_ENDPOINT_TOO_LONG},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nbwss_endpoint bad = good_endpoint();
    nbwss_str *places[] = {&bad.host_name, &bad.url, &bad.group_id, &bad.token};
    *places[cases[i].field] = nbwss_str_z(cases[i].value);
    refuse(bad, cases[i].wanted, keys[cases[i].field]);
  }
  nbwss_endpoint bad = good_endpoint();
  bad.priority = -1;
  refuse(bad, NBWSS_ENDPOINT_BAD_PRIORITY, "priority");

  for (size_t i = 0; i < 4; i++) {
    bad = good_endpoint();
    nbwss_str *places[] = {&bad.host_name, &bad.url, &bad.group_id, &bad.token};
    nbwss_str not_utf8 = {"a\xff\xfe", 3}, nowhere = {NULL, 3}, endless = {HOST, SIZE_MAX};
    *places[i] = not_utf8;
    check_refused("not UTF-8", nbwss_endpoint_add(connector, &bad), NBWSS_ENDPOINT_NOT_UTF8, keys[i]);
    *places[i] = nowhere;
    check_refused("NULL with a length", nbwss_endpoint_add(connector, &bad), NBWSS_INVALID_ARGUMENT, keys[i]);
    *places[i] = endless;
    check_refused("no such length", nbwss_endpoint_add(connector, &bad), NBWSS_INVALID_ARGUMENT, keys[i]);
  }
  check_empty();
}

#define MEMBERS(host, url, token, priority) \
  "\"hostName\":" host ",\"url\":" url ",\"token\":" token ",\"priority\":" priority ",\"groupId\":\"g\""
#define TEXT(text) "\"" text "\""
#define GOOD MEMBERS(TEXT(HOST), TEXT(URL), TEXT(TOKEN), "1")

/* What only JSON can have wrong. */
static void json(void) {
  static const struct {
    const char *json;
    nbwss_status wanted;
    const char *named;
  } cases[] = {
      {"{" MEMBERS("7", TEXT(URL), TEXT(TOKEN), "1") "}", NBWSS_INVALID_ENDPOINT, "hostName"},
      {"{" MEMBERS(TEXT(HOST), "false", TEXT(TOKEN), "1") "}", NBWSS_INVALID_ENDPOINT, "url"},
      {"{" MEMBERS(TEXT(HOST), "null", TEXT(TOKEN), "1") "}", NBWSS_ENDPOINT_MISSING, "url"},
      {"{" MEMBERS(TEXT(HOST), TEXT(URL), "[" TEXT(TOKEN) "]", "1") "}", NBWSS_INVALID_ENDPOINT, "token"},
      {"{" MEMBERS(TEXT(HOST), TEXT(URL), TEXT(TOKEN), "-1") "}", NBWSS_ENDPOINT_BAD_PRIORITY, "priority"},
      {"{" MEMBERS(TEXT(HOST), TEXT(URL), TEXT(TOKEN), "1.5") "}", NBWSS_ENDPOINT_BAD_PRIORITY, "priority"},
      {"{" MEMBERS(TEXT(HOST), TEXT(URL), TEXT(TOKEN), "99999999999") "}", NBWSS_ENDPOINT_BAD_PRIORITY, "priority"},
      {"{" MEMBERS(TEXT(HOST), TEXT(URL), TEXT(TOKEN), "\"first\"") "}", NBWSS_ENDPOINT_BAD_PRIORITY, "priority"},
      {"{" GOOD ",\"url\":" TEXT(URL) "}", NBWSS_ENDPOINT_DUPLICATE_KEY, "url"},
      {"{" GOOD ",\"token\":" TEXT(TOKEN) "}", NBWSS_ENDPOINT_DUPLICATE_KEY, "token"},
      {"{\"hostName\":\"h\",\"url\":" TEXT(URL) ",\"token\":" TEXT(TOKEN) ",\"priority\":1}", NBWSS_ENDPOINT_MISSING,
       "groupId"},
      {"{\n\n  \"hostName\": oops}", NBWSS_ENDPOINT_NOT_JSON, "line 3 column"},
      {"", NBWSS_ENDPOINT_NOT_JSON, "line 1"},
      {"{" GOOD, NBWSS_ENDPOINT_NOT_JSON, "line 1"},
      {"{" GOOD "} {}", NBWSS_ENDPOINT_NOT_JSON, "line 1"},
      {"[]", NBWSS_ENDPOINT_MISSING, "empty array"},
      {"7", NBWSS_INVALID_ENDPOINT, "object"},
      {"[7]", NBWSS_INVALID_ENDPOINT, "endpoint 0"},
      {"[[]]", NBWSS_INVALID_ENDPOINT, "endpoint 0"},
  };
  nbwss_endpoints *draft = NULL;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *text = cases[i].json;
    check_refused(text, nbwss_endpoint_add_json(connector, text), cases[i].wanted, cases[i].named);
    check_refused(text, nbwss_endpoints_read_json(text, &draft), cases[i].wanted, cases[i].named);
    CHECK(draft == NULL);
  }
  const nbwss_str not_utf8 = {"{\"hostName\":\"a\xff\"}", 17};
  check_refused("not UTF-8", nbwss_endpoint_add_json_n(connector, not_utf8), NBWSS_ENDPOINT_NOT_UTF8, "byte 14");
  check_refused("not UTF-8", nbwss_endpoints_read_json_n(not_utf8, &draft), NBWSS_ENDPOINT_NOT_UTF8, "byte 14");
  static char large[65538];
  memset(large, ' ', sizeof large - 1);
  check_refused("too long", nbwss_endpoint_add_json(connector, large), NBWSS_ENDPOINT_TOO_LONG, "65536");
  check_refused("too long", nbwss_endpoints_read_json(large, &draft), NBWSS_ENDPOINT_TOO_LONG, "65536");
  check_empty();
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define COLONS \
  "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF"

/* The choices for TLS that nobody can mean, wherever one is given. One that is refused changes nothing. */
static void tls(void) {
  static char long_pem[70000];
  memset(long_pem, 'a', sizeof long_pem - 1);
  const nbwss_str not_utf8 = {"\xff", 1}, nothing = NBWSS_STR_INIT;
#define Z(text) {text, sizeof text - 1}
  const struct {
    nbwss_str ca_pem, ca_file, pin, certificate, key;
    nbwss_status wanted;
    const char *named;
  } cases[] = {
      {nothing, nothing, Z("sha1:" HASH), nothing, nothing, NBWSS_ENDPOINT_BAD_TLS, "pin"},
      {nothing, nothing, Z("spki:" HASH "00"), nothing, nothing, NBWSS_ENDPOINT_BAD_TLS, "pin"},
      {nothing, nothing, Z("spki:"), nothing, nothing, NBWSS_ENDPOINT_BAD_TLS, "pin"},
      {nothing, nothing, Z(HASH), nothing, nothing, NBWSS_ENDPOINT_BAD_TLS, "pin"},
      {nothing, nothing, Z("certificate:oops"), nothing, nothing, NBWSS_ENDPOINT_BAD_TLS, "pin"},
      {Z("x"), Z("/y"), nothing, nothing, nothing, NBWSS_ENDPOINT_BAD_TLS, "caFile"},
      {nothing, nothing, nothing, Z("/c"), nothing, NBWSS_ENDPOINT_BAD_TLS, "clientKeyFile"},
      {nothing, nothing, nothing, nothing, Z("/k"), NBWSS_ENDPOINT_BAD_TLS, "clientKeyFile"},
      {nothing, nothing, not_utf8, nothing, nothing, NBWSS_ENDPOINT_NOT_UTF8, "pin"},
      {not_utf8, nothing, nothing, nothing, nothing, NBWSS_ENDPOINT_NOT_UTF8, "caPem"},
      {nothing, not_utf8, nothing, nothing, nothing, NBWSS_ENDPOINT_NOT_UTF8, "caFile"},
      {nothing, nothing, nothing, not_utf8, not_utf8, NBWSS_ENDPOINT_NOT_UTF8, "clientCertificateFile"},
      {{long_pem, sizeof long_pem}, nothing, nothing, nothing, nothing, NBWSS_ENDPOINT_TOO_LONG, "caPem"},
      {nothing, Z("/nonexistent/ca.pem"), nothing, nothing, nothing, NBWSS_IO, "/nonexistent/ca.pem"},
      {nothing, nothing, nothing, Z("/nonexistent/c"), Z("/nonexistent/k"), NBWSS_IO, "/nonexistent/c"},
      {nothing, Z("/dev/null"), nothing, nothing, nothing, NBWSS_TLS, "/dev/null"},
      {Z("no certificate"), nothing, nothing, nothing, nothing, NBWSS_TLS, "caPem"},
  };
  nbwss_endpoints *draft = NULL;
  nbwss_endpoint endpoint = good_endpoint();
  CHECK_OK(nbwss_endpoints_read_json("{" GOOD "}", &draft));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    nbwss_tls choice = NBWSS_TLS_INIT;
    nbwss_inspection *inspection = NULL;
    nbwss_status wanted = cases[i].wanted;
    const char *named = cases[i].named;
    choice.ca_pem = cases[i].ca_pem, choice.ca_file = cases[i].ca_file, choice.pin = cases[i].pin;
    choice.client_certificate_file = cases[i].certificate, choice.client_key_file = cases[i].key;
    endpoint.tls = &choice;
    check_refused(named, nbwss_endpoint_add(connector, &endpoint), wanted, named);
    check_refused(named, nbwss_endpoints_add(connector, draft, &choice), wanted, named);
    check_refused(named, nbwss_endpoint_validate(connector, "wss://127.0.0.1:1/", &choice, &inspection), wanted, named);
    CHECK(inspection == NULL);
    check_empty();
    CHECK_OK(nbwss_endpoints_add(connector, draft, NULL));
    check_refused(named, nbwss_endpoint_set_tls(connector, HOST, &choice), wanted, named);
    CHECK_OK(nbwss_endpoint_remove(connector, HOST));
  }

  /* A good one comes back with the endpoint, in one way of writing; and goes again. */
  nbwss_tls good = NBWSS_TLS_INIT;
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  good.pin = nbwss_str_z("spki:" COLONS);
  CHECK_OK(nbwss_endpoints_add(connector, draft, &good));
  CHECK_OK(nbwss_endpoint_get(connector, HOST, &list));
  CHECK_OK(nbwss_endpoints_get(list, 0, &info));
  CHECK(str_is(info.pin, "spki:" HASH) && info.ca_pem.len == 0 && info.ca_file.len == 0);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_endpoint_set_tls(connector, HOST, NULL));
  CHECK_OK(nbwss_endpoint_get(connector, HOST, &list));
  CHECK_OK(nbwss_endpoints_get(list, 0, &info));
  CHECK(info.pin.len == 0);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_endpoints_free(draft));
  CHECK_OK(nbwss_endpoint_remove(connector, HOST));
}

/* The rules hold for what is changed later, too. */
static void changes(void) {
  static char too_long[20000];
  memset(too_long, 'a', sizeof too_long - 1);
  nbwss_endpoint endpoint = good_endpoint();
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  char token[64];
  size_t length = 0;
  CHECK_OK(nbwss_endpoint_add(connector, &endpoint));
  check_refused("empty", nbwss_endpoint_set_token(connector, HOST, ""), NBWSS_ENDPOINT_MISSING, "token");
  check_refused("long", nbwss_endpoint_set_token(connector, HOST, too_long), NBWSS_ENDPOINT_TOO_LONG, "token");
  check_refused("line end", nbwss_endpoint_set_token(connector, HOST, TOKEN "\n"), NBWSS_ENDPOINT_BAD_CHARACTER,
                "token");
  check_refused("-1", nbwss_endpoint_set_priority(connector, HOST, -1), NBWSS_ENDPOINT_BAD_PRIORITY, "priority");
  CHECK_OK(nbwss_endpoint_get(connector, HOST, &list));
  CHECK_OK(nbwss_endpoints_get(list, 0, &info));
  CHECK(info.priority == 0);
  CHECK_OK(nbwss_endpoints_token(list, 0, token, sizeof token, &length));
  CHECK(length == strlen(TOKEN) && memcmp(token, TOKEN, length) == 0);
  CHECK_OK(nbwss_endpoints_free(list));
}

/* Where endpoints may be is the host's to say, not the details'. */
static void allowed_hosts(nbwss_options *options) {
  nbwss_status wanted = NBWSS_ENDPOINT_HOST_NOT_ALLOWED;
  nbwss_connector *all = connector;
  nbwss_endpoints *draft = NULL;
  nbwss_inspection *inspection = NULL;
  CHECK_OK(nbwss_options_set(options, "endpoint.allowedHosts", "https://h"));
  CHECK_STATUS(nbwss_connector_new(options, &connector), NBWSS_INVALID_VALUE);
  CHECK_OK(nbwss_options_set(options, "endpoint.allowedHosts", "cloud.example.com, .example.net"));
  CHECK_OK(nbwss_connector_new(options, &connector));
  nbwss_endpoint endpoint = good_endpoint();
  endpoint.host_name = nbwss_str_z("elsewhere");
  endpoint.url = nbwss_str_z("wss://169.254.169.254/latest");
  check_refused("add", nbwss_endpoint_add(connector, &endpoint), wanted, "endpoint.allowedHosts");
  const char *json = as_json(&endpoint);
  check_refused(json, nbwss_endpoint_add_json(connector, json), wanted, "endpoint.allowedHosts");
  CHECK_OK(nbwss_endpoints_read_json(json, &draft));
  check_refused(json, nbwss_endpoints_add(connector, draft, NULL), wanted, "endpoint.allowedHosts");
  CHECK_OK(nbwss_endpoints_free(draft));
  draft = NULL;
  check_refused("validate", nbwss_endpoint_validate(connector, "wss://127.0.0.1:1/", NULL, &inspection), wanted,
                "endpoint.allowedHosts");
  check_refused("fetch", nbwss_endpoints_fetch(connector, "https://127.0.0.1:1/", &draft), wanted,
                "endpoint.allowedHosts");
  check_refused("add_url", nbwss_endpoint_add_url(connector, "https://example.net/"), wanted, "endpoint.allowedHosts");
  check_empty();
  endpoint = good_endpoint();
  CHECK_OK(nbwss_endpoint_add(connector, &endpoint));
  CHECK_OK(nbwss_connector_destroy(connector));
  connector = all;
}

int main(void) {
  nbwss_options *options = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_connector_new(options, &connector));
  allowed_hosts(options);
  CHECK_OK(nbwss_options_free(options));
  fields();
  json();
  tls();
  changes();
  CHECK_OK(nbwss_connector_destroy(connector));
  return 0;
}
