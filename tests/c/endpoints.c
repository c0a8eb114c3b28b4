/*
 * The endpoint registry as a host sees it, without any network: details come in as a struct, as JSON, as an array and
 * as a file, or are read and looked at first; they are listed, changed, refused when the name is taken, removed; and the
 * token comes out by the one function that is there for it, and nowhere else.
 *
 *   endpoints DIRECTORY     (an existing directory to write files into)
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#define TOKEN "endpoint-secret-7f3a"

static nbwss_connector *new_connector(void) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  return connector;
}

static size_t count(nbwss_connector *connector) {
  nbwss_endpoints *list = NULL;
  size_t number = 99;
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_OK(nbwss_endpoints_count(list, &number));
  CHECK_OK(nbwss_endpoints_free(list));
  return number;
}

static nbwss_endpoint endpoint(const char *host_name, const char *url, int32_t priority) {
  nbwss_endpoint details = NBWSS_ENDPOINT_INIT;
  details.host_name = nbwss_str_z(host_name);
  details.url = nbwss_str_z(url);
  details.group_id = nbwss_str_z("group-1");
  details.token = nbwss_str_z(TOKEN);
  details.priority = priority;
  return details;
}

static bool holds_token(nbwss_str text) { return str_contains(text, TOKEN); }

/* Finds the endpoint in a list and compares what the list says with what was added. */
static void check_listed(nbwss_connector *connector, const char *host_name, const char *url, int32_t priority) {
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  size_t number = 0;
  bool found = false;
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_OK(nbwss_endpoints_count(list, &number));
  for (size_t i = 0; i < number; i++) {
    CHECK_OK(nbwss_endpoints_get(list, i, &info));
    CHECK(!holds_token(info.host_name) && !holds_token(info.url) && !holds_token(info.group_id));
    if (!str_is(info.host_name, host_name)) continue;
    CHECK(str_is(info.url, url));
    CHECK(str_is(info.group_id, "group-1"));
    CHECK(info.priority == priority);
    CHECK(info.state == NBWSS_DISCONNECTED);
    found = true;
  }
  CHECK(found);
  CHECK_STATUS(nbwss_endpoints_get(list, number, &info), NBWSS_NOT_FOUND);
  CHECK_STATUS(nbwss_endpoints_get(list, SIZE_MAX, &info), NBWSS_NOT_FOUND);
  CHECK_OK(nbwss_endpoints_free(list));
}

static void added_as_a_struct(nbwss_connector *connector) {
  nbwss_endpoint details = endpoint("struct.example.com", "wss://struct.example.com:14146/ws", 3);
  CHECK_OK(nbwss_endpoint_add(connector, &details));
  check_listed(connector, "struct.example.com", "wss://struct.example.com:14146/ws", 3);
}

static void added_as_json(nbwss_connector *connector) {
  CHECK_OK(nbwss_endpoint_add_json(
      connector, "{\"token\":\"" TOKEN "\",\"priority\":1,\"groupId\":\"group-1\",\"hostName\":\"json.example.com\","
                 "\"url\":\"wss://json.example.com/ws\",\"somethingNew\":[1,2]}"));
  check_listed(connector, "json.example.com", "wss://json.example.com/ws", 1);
  /* The priority as a string of digits, as some applications write it. */
  CHECK_OK(nbwss_endpoint_add_json(
      connector, "{\"token\":\"" TOKEN "\",\"priority\":\"2\",\"groupId\":\"group-1\",\"hostName\":\"text.example.com\","
                 "\"url\":\"wss://text.example.com/ws\"}"));
  check_listed(connector, "text.example.com", "wss://text.example.com/ws", 2);
}

#define ONE(host, priority) \
  "{\"token\":\"" TOKEN "\",\"priority\":" priority ",\"groupId\":\"group-1\",\"hostName\":\"" host \
  "\",\"url\":\"wss://" host "/ws\"}"

static void an_array_is_all_or_nothing(nbwss_connector *connector) {
  size_t before = count(connector);
  /* The second has no url. */
  CHECK_STATUS(nbwss_endpoint_add_json(connector, "[" ONE("a.example.com", "1") ",{\"token\":\"" TOKEN
                                                  "\",\"priority\":1,\"groupId\":\"group-1\",\"hostName\":\"b.example.com\"}]"),
               NBWSS_ENDPOINT_MISSING);
  CHECK_ERROR_NAMES("endpoint 1: url");
  CHECK(!holds_token(nbwss_last_error()));
  CHECK(count(connector) == before);
  /* The second's name is taken, by one that was there already or by the first. */
  CHECK_STATUS(nbwss_endpoint_add_json(connector, "[" ONE("a.example.com", "1") "," ONE("json.example.com", "2") "]"),
               NBWSS_DUPLICATE_ENDPOINT);
  CHECK(count(connector) == before);
  CHECK_STATUS(nbwss_endpoint_add_json(connector, "[" ONE("a.example.com", "1") "," ONE("A.EXAMPLE.com", "2") "]"),
               NBWSS_DUPLICATE_ENDPOINT);
  CHECK(count(connector) == before);
  CHECK_OK(nbwss_endpoint_add_json(connector, "[" ONE("a.example.com", "1") "," ONE("b.example.com", "2") "]"));
  CHECK(count(connector) == before + 2);
  check_listed(connector, "a.example.com", "wss://a.example.com/ws", 1);
  check_listed(connector, "b.example.com", "wss://b.example.com/ws", 2);
}

static void added_from_a_file(nbwss_connector *connector, const char *directory) {
  char path[4096];
  size_t before = count(connector);
  snprintf(path, sizeof path, "%s/endpoint.json", directory);
  CHECK_STATUS(nbwss_endpoint_add_file(connector, path), NBWSS_IO);
  CHECK_ERROR_NAMES("endpoint.json");
  CHECK_STATUS(nbwss_endpoint_add_file(connector, directory), NBWSS_IO);
  write_file(path, "");
  CHECK_STATUS(nbwss_endpoint_add_file(connector, path), NBWSS_ENDPOINT_NOT_JSON);
  write_file(path, ONE("file.example.com", "4") "trailing");
  CHECK_STATUS(nbwss_endpoint_add_file(connector, path), NBWSS_ENDPOINT_NOT_JSON);
  CHECK(count(connector) == before);
  write_file(path, "  " ONE("file.example.com", "4") "\n");
  CHECK_OK(nbwss_endpoint_add_file(connector, path));
  check_listed(connector, "file.example.com", "wss://file.example.com/ws", 4);
}

static void names_are_taken_whatever_their_case(nbwss_connector *connector) {
  size_t before = count(connector);
  nbwss_endpoint same = endpoint("struct.example.com", "wss://elsewhere.example.com/ws", 9);
  nbwss_endpoint shout = endpoint("STRUCT.Example.COM", "wss://elsewhere.example.com/ws", 9);
  CHECK_STATUS(nbwss_endpoint_add(connector, &same), NBWSS_DUPLICATE_ENDPOINT);
  CHECK_ERROR_NAMES("struct.example.com");
  CHECK_STATUS(nbwss_endpoint_add(connector, &shout), NBWSS_DUPLICATE_ENDPOINT);
  CHECK(!holds_token(nbwss_last_error()));
  CHECK(count(connector) == before);
}

static void removed(nbwss_connector *connector) {
  size_t before = count(connector);
  CHECK_STATUS(nbwss_endpoint_remove(connector, "never-added.example.com"), NBWSS_NOT_FOUND);
  CHECK_OK(nbwss_endpoint_remove(connector, "Struct.EXAMPLE.com"));
  CHECK(count(connector) == before - 1);
  CHECK_STATUS(nbwss_endpoint_remove(connector, "struct.example.com"), NBWSS_NOT_FOUND);
  /* The name is free again. */
  added_as_a_struct(connector);
  CHECK(count(connector) == before);
}

/* What no text of an endpoint may show. */
static void check_no_token(const nbwss_endpoint_info *info) {
  const nbwss_str texts[] = {info->host_name, info->url,     info->group_id, info->last_error,
                             info->ca_pem,    info->ca_file, info->pin};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) CHECK(!holds_token(texts[i]));
}

/* Details are read and looked at before they are added. Nothing is connected, or added, by that. */
static void looked_at_first(nbwss_connector *connector, const char *directory) {
  char path[4096];
  size_t before = count(connector), number = 0;
  nbwss_endpoints *draft = NULL, *same = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  CHECK_OK(nbwss_endpoints_read_json("[" ONE("draft-1.example.com", "5") "," ONE("draft-2.example.com", "6") "]", &draft));
  CHECK_OK(nbwss_endpoints_count(draft, &number));
  CHECK(number == 2);
  for (size_t i = 0; i < number; i++) {
    CHECK_OK(nbwss_endpoints_get(draft, i, &info));
    CHECK(str_is(info.host_name, i == 0 ? "draft-1.example.com" : "draft-2.example.com"));
    CHECK(str_is(info.group_id, "group-1") && info.priority == (int32_t)i + 5);
    CHECK(!info.active && info.state == NBWSS_DISCONNECTED && info.since_ms == 0 && info.next_attempt_in_ms == -1);
    CHECK(info.last_heard_ms == -1 && info.attempts == 0 && info.sessions == 0 && info.last_error.len == 0);
    CHECK(info.last_error_cause == NBWSS_CAUSE_NONE && info.last_error_ms == 0);
    CHECK(info.ca_pem.len == 0 && info.ca_file.len == 0 && info.pin.len == 0);
    check_no_token(&info);
  }
  CHECK(count(connector) == before);

  snprintf(path, sizeof path, "%s/draft.json", directory);
  CHECK_STATUS(nbwss_endpoints_read_file(path, &same), NBWSS_IO);
  CHECK(same == NULL);
  CHECK_ERROR_NAMES("draft.json");
  write_file(path, ONE("draft-2.example.com", "6"));
  CHECK_OK(nbwss_endpoints_read_file(path, &same));

  /* All or nothing: the second is there already. */
  CHECK_OK(nbwss_endpoints_add(connector, same, NULL));
  CHECK_STATUS(nbwss_endpoints_add(connector, draft, NULL), NBWSS_DUPLICATE_ENDPOINT);
  CHECK_ERROR_NAMES("draft-2.example.com");
  CHECK(count(connector) == before + 1);
  CHECK_OK(nbwss_endpoint_remove(connector, "draft-2.example.com"));
  CHECK_OK(nbwss_endpoints_add(connector, draft, NULL));
  CHECK(count(connector) == before + 2);
  CHECK_STATUS(nbwss_endpoints_add(connector, draft, NULL), NBWSS_DUPLICATE_ENDPOINT);
  CHECK_OK(nbwss_endpoints_free(same));

  /* One that is there is added elsewhere from the list of all: details, token and all. */
  nbwss_connector *other = new_connector();
  CHECK_OK(nbwss_endpoint_list(connector, &same));
  CHECK_OK(nbwss_endpoints_add(other, same, NULL));
  CHECK(count(other) == count(connector));
  CHECK_OK(nbwss_connector_destroy(other));
  CHECK_OK(nbwss_endpoints_free(same));
  CHECK_OK(nbwss_endpoints_free(draft));
  CHECK_OK(nbwss_endpoint_remove(connector, "draft-1.example.com"));
  CHECK_OK(nbwss_endpoint_remove(connector, "draft-2.example.com"));
}

/* The one function that shows a token, into the host's own memory. */
static void a_token_is_copied_out(nbwss_connector *connector) {
  const size_t size = strlen(TOKEN);
  char buffer[64], untouched[64];
  nbwss_endpoints *list = NULL;
  size_t length = 0;
  memset(buffer, 0x5a, sizeof buffer);
  memset(untouched, 0x5a, sizeof untouched);
  CHECK_OK(nbwss_endpoint_get(connector, "STRUCT.example.com", &list));
  CHECK_OK(nbwss_endpoints_token(list, 0, NULL, 0, &length));
  CHECK(length == size);
  CHECK_OK(nbwss_endpoints_token(list, 0, buffer, 0, &length));
  CHECK_STATUS(nbwss_endpoints_token(list, 0, buffer, size - 1, &length), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoints_token(list, 0, NULL, size, &length), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_endpoints_token(list, 1, buffer, sizeof buffer, &length), NBWSS_NOT_FOUND);
  CHECK(length == 0 && memcmp(buffer, untouched, sizeof buffer) == 0);
  CHECK(!holds_token(nbwss_last_error()));
  /* Just large enough, and nothing is appended. */
  CHECK_OK(nbwss_endpoints_token(list, 0, buffer, size, &length));
  CHECK(length == size && memcmp(buffer, TOKEN, size) == 0);
  CHECK(memcmp(buffer + size, untouched, sizeof buffer - size) == 0);
  CHECK_OK(nbwss_endpoints_free(list));

  /* The list is of one moment: the token of then. */
  CHECK_OK(nbwss_endpoint_get(connector, "struct.example.com", &list));
  CHECK_OK(nbwss_endpoint_set_token(connector, "struct.example.com", "another"));
  CHECK_OK(nbwss_endpoints_token(list, 0, NULL, 0, &length));
  CHECK(length == size);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_endpoint_get(connector, "struct.example.com", &list));
  CHECK_OK(nbwss_endpoints_token(list, 0, buffer, sizeof buffer, &length));
  CHECK(length == strlen("another") && memcmp(buffer, "another", length) == 0);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_endpoint_set_token(connector, "struct.example.com", TOKEN));
}

static nbwss_endpoint_info look(nbwss_connector *connector, const char *host_name, nbwss_endpoints **list) {
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  size_t number = 0;
  CHECK_OK(nbwss_endpoint_get(connector, host_name, list));
  CHECK_OK(nbwss_endpoints_count(*list, &number));
  CHECK(number == 1);
  CHECK_OK(nbwss_endpoints_get(*list, 0, &info));
  check_no_token(&info);
  return info;
}

/* What is changed is changed at once, before anything was started; the details that were not stay. */
static void changed(nbwss_connector *connector) {
  const char *host_name = "struct.example.com";
  nbwss_endpoints *list = NULL;
  nbwss_health health = NBWSS_HEALTH_INIT;
  nbwss_endpoint_info info = look(connector, host_name, &list);
  CHECK(info.active && info.since_ms > 0 && info.next_attempt_in_ms == -1 && info.last_heard_ms == -1);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_connector_health(connector, &health));
  CHECK(health.endpoints == count(connector) && health.endpoints_active == health.endpoints);
  CHECK(health.groups == 0 && health.groups_connected == 0 && health.endpoints_refused == 0); /* not started */

  CHECK_OK(nbwss_endpoint_deactivate(connector, "STRUCT.example.com"));
  CHECK_OK(nbwss_endpoint_set_priority(connector, host_name, INT32_MAX));
  CHECK_OK(nbwss_endpoint_reconnect(connector, host_name));
  info = look(connector, host_name, &list);
  CHECK(!info.active && info.priority == INT32_MAX && str_is(info.url, "wss://struct.example.com:14146/ws"));
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_connector_health(connector, &health));
  CHECK(health.endpoints_active == health.endpoints - 1);
  CHECK_OK(nbwss_endpoint_activate(connector, host_name));
  CHECK_OK(nbwss_endpoint_activate(connector, host_name));
  CHECK_OK(nbwss_endpoint_set_priority(connector, host_name, 3));
  check_listed(connector, host_name, "wss://struct.example.com:14146/ws", 3);
}

/* A list is a snapshot: it stays what it was, whatever happens to the connector. */
static void a_list_outlives_its_connector(void) {
  nbwss_connector *connector = new_connector();
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  added_as_a_struct(connector);
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_OK(nbwss_endpoint_remove(connector, "struct.example.com"));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK_OK(nbwss_endpoints_get(list, 0, &info));
  CHECK(str_is(info.host_name, "struct.example.com"));
  CHECK_OK(nbwss_endpoints_free(list));
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  nbwss_connector *connector = new_connector();
  CHECK(count(connector) == 0);
  added_as_a_struct(connector);
  added_as_json(connector);
  an_array_is_all_or_nothing(connector);
  added_from_a_file(connector, argv[1]);
  names_are_taken_whatever_their_case(connector);
  removed(connector);
  looked_at_first(connector, argv[1]);
  a_token_is_copied_out(connector);
  changed(connector);
  CHECK_OK(nbwss_connector_destroy(connector));
  a_list_outlives_its_connector();
  return 0;
}
