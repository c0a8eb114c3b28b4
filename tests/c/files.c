/*
 * What is on disk: settings as NetBackup's nbwss.properties has them, and the database that endpoints survive in, with
 * its key. What cannot be used is refused with a status of its own, and left as it was.
 *
 *   files DIRECTORY     (an existing directory to write files into)
 */
#define _POSIX_C_SOURCE 200809L
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define TOKEN "token-that-must-not-show"

static char path[4096];

static nbwss_options *new_options(void) {
  nbwss_options *options = NULL;
  CHECK_OK(nbwss_options_new(&options));
  return options;
}

static void properties(const char *directory) {
  nbwss_options *options = new_options();
  nbwss_connector *connector = NULL;
  nbwss_str unknown = {"x", 1};
  snprintf(path, sizeof path, "%s/nbwss.properties", directory);
  CHECK_STATUS(nbwss_options_load_file(options, path, &unknown), NBWSS_IO);
  CHECK_ERROR_NAMES("nbwss.properties");
  CHECK(unknown.ptr == NULL && unknown.len == 0);
  CHECK_STATUS(nbwss_options_load_file(options, directory, NULL), NBWSS_IO);

  /* A file of the field: comments, blank lines, white space, CRLF, a key of a later version. */
  write_file(path, "# NBWSS\r\n\r\n! more\r\n  keepAlive.scheduledRate = 7 \r\nfuture.key=1\r\ntls.caFile=\r\n\r\nother.key=\r\n");
  CHECK_OK(nbwss_options_load_file(options, path, &unknown));
  CHECK(str_is(unknown, "line 5: future.key\nline 8: other.key"));
  write_file(path, "exception.ignoreDecoder=true\n");
  CHECK_OK(nbwss_options_load_file(options, path, NULL));
  CHECK_OK(nbwss_options_load_file(options, path, &unknown));
  CHECK(unknown.len == 0);
  write_file(path, "");
  CHECK_OK(nbwss_options_load_file(options, path, &unknown));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_connector_destroy(connector));

  /* Wrong ones change nothing: had the first line counted, no connector could be made. */
  static const struct {
    const char *content;
    nbwss_status wanted;
    const char *named;
  } wrong[] = {
      {"tls.caFile=/nonexistent/ca.pem\nkeepAlive.scheduledRate=soon\n", NBWSS_INVALID_VALUE, "line 2: "},
      {"tls.caFile=/nonexistent/ca.pem\r\n\r\nkeepAlive.scheduledRate=-1\r\n", NBWSS_INVALID_VALUE, "line 3: "},
      {"tls.caFile=/nonexistent/ca.pem\nkeepAlive.scheduledRate=-1\n", NBWSS_INVALID_VALUE, "keepAlive.scheduledRate"},
      {"tls.caFile=/nonexistent/ca.pem\nno value\n", NBWSS_IO, "line 2 "},
      {"tls.caFile=/nonexistent/ca.pem\nlog.level=\xff\n", NBWSS_IO, "UTF-8"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    write_file(path, wrong[i].content);
    unknown = nbwss_str_z("x");
    CHECK_STATUS(nbwss_options_load_file(options, path, &unknown), wrong[i].wanted);
    CHECK_ERROR_NAMES(wrong[i].named);
    CHECK_ERROR_NAMES("nbwss.properties");
    CHECK(unknown.ptr == NULL && unknown.len == 0);
    CHECK_OK(nbwss_connector_new(options, &connector));
    CHECK_OK(nbwss_connector_destroy(connector));
  }
  /* And what is right does count. */
  write_file(path, "tls.caFile=/nonexistent/ca.pem\n");
  CHECK_OK(nbwss_options_load_file(options, path, NULL));
  CHECK_STATUS(nbwss_connector_new(options, &connector), NBWSS_IO);
  CHECK_OK(nbwss_options_free(options));
}

/* Tries to open the database with this key (NULL: none); NULL where that is refused with the status that is wanted. */
static nbwss_connector *open_store(const uint8_t *key, nbwss_status wanted) {
  nbwss_options *options = new_options();
  nbwss_connector *connector = (nbwss_connector *)&connector;
  CHECK_OK(nbwss_options_set(options, "endpoint.store.path", path));
  if (key != NULL) CHECK_OK(nbwss_options_set_store_key(options, key, 32));
  CHECK_STATUS(nbwss_connector_new(options, &connector), wanted);
  CHECK((connector != NULL) == (wanted == NBWSS_OK));
  CHECK_OK(nbwss_options_free(options));
  return connector;
}

static void add(nbwss_connector *connector, const char *host_name) {
  nbwss_endpoint endpoint = NBWSS_ENDPOINT_INIT;
  endpoint.host_name = nbwss_str_z(host_name);
  endpoint.url = nbwss_str_z("wss://cloud.example.com/ws");
  endpoint.group_id = nbwss_str_z("group");
  endpoint.token = nbwss_str_z(TOKEN);
  CHECK_OK(nbwss_endpoint_add(connector, &endpoint));
}

static uint64_t count(nbwss_connector *connector) {
  nbwss_health health = NBWSS_HEALTH_INIT;
  CHECK_OK(nbwss_connector_health(connector, &health));
  return health.endpoints;
}

static bool file_holds_token(void) {
  static char content[4 << 20];
  FILE *file = fopen(path, "r");
  CHECK(file != NULL);
  nbwss_str all = {content, fread(content, 1, sizeof content, file)};
  CHECK(all.len > 0 && all.len < sizeof content);
  CHECK(fclose(file) == 0);
  return str_contains(all, TOKEN);
}

static void refused_path(const char *named) {
  CHECK(open_store(NULL, NBWSS_STORE) == NULL);
  CHECK_ERROR_NAMES(path);
  CHECK_ERROR_NAMES(named);
}

static void store_files(const char *directory) {
  struct stat found;
  snprintf(path, sizeof path, "%s/nowhere/endpoints.db", directory);
  refused_path("directory does not exist");
  snprintf(path, sizeof path, "%s", directory);
  CHECK(open_store(NULL, NBWSS_STORE) == NULL);
  snprintf(path, sizeof path, "%s/no-database", directory);
  write_file(path, "this is no database, and it is not touched");
  refused_path("chmod 600");
  CHECK(chmod(path, 0600) == 0);
  CHECK(open_store(NULL, NBWSS_STORE) == NULL);
  CHECK(stat(path, &found) == 0 && found.st_size == 42);

  snprintf(path, sizeof path, "%s/plain.db", directory);
  nbwss_connector *connector = open_store(NULL, NBWSS_OK);
  CHECK(stat(path, &found) == 0 && (found.st_mode & 0777) == 0600);
  CHECK(open_store(NULL, NBWSS_STORE_IN_USE) == NULL);
  CHECK_ERROR_NAMES("plain.db");
  add(connector, "one.example.com");
  add(connector, "two.example.com");
  CHECK_OK(nbwss_endpoint_deactivate(connector, "two.example.com"));
  CHECK_OK(nbwss_endpoint_set_priority(connector, "two.example.com", 9));
  add(connector, "three.example.com");
  CHECK_OK(nbwss_endpoint_remove(connector, "three.example.com"));
  CHECK_OK(nbwss_connector_destroy(connector));

  CHECK(chmod(path, 0644) == 0);
  refused_path("chmod 600");
  CHECK(chmod(path, 0600) == 0);
  connector = open_store(NULL, NBWSS_OK);
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK(count(connector) == 2);
  CHECK_OK(nbwss_endpoints_get(list, 0, &info));
  CHECK(str_is(info.host_name, "one.example.com") && info.active && info.priority == 0);
  CHECK_OK(nbwss_endpoints_get(list, 1, &info));
  CHECK(str_is(info.host_name, "two.example.com") && !info.active && info.priority == 9);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(file_holds_token());
}

static const uint8_t KEY[32] = "0123456789abcdef0123456789abcde", OTHER_KEY[32] = "another";

/* A callback that gives a key, or does not. */
struct key_source {
  const uint8_t *key;
  long calls, destroyed;
};

static int32_t give_key(uint8_t *key, void *user_data) {
  struct key_source *source = user_data;
  source->calls++;
  if (source->key == NULL) return -77;
  memcpy(key, source->key, 32);
  return 0;
}

static void forget_source(void *user_data) { ((struct key_source *)user_data)->destroyed++; }

static void keys(void) {
  nbwss_options *options = new_options();
  nbwss_connector *connector = NULL;
  CHECK_STATUS(nbwss_options_set_store_key(options, KEY, 31), NBWSS_INVALID_ARGUMENT);
  CHECK_ERROR_NAMES("key");
  CHECK_STATUS(nbwss_options_set_store_key(options, KEY, 0), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_options_set_store_key(options, KEY, 33), NBWSS_INVALID_ARGUMENT);
  CHECK_OK(nbwss_options_free(options));

  /* The database of before is encrypted by the first key that it is opened with, and by no other from then on. */
  connector = open_store(KEY, NBWSS_OK);
  CHECK(count(connector) == 2);
  CHECK(!file_holds_token());
  add(connector, "three.example.com");
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(!file_holds_token());
  CHECK(open_store(OTHER_KEY, NBWSS_STORE_KEY) == NULL);
  CHECK_ERROR_NAMES("plain.db");
  CHECK(open_store(NULL, NBWSS_STORE_KEY) == NULL);
  CHECK_ERROR_NAMES("plain.db");

  struct key_source none = {NULL, 0, 0}, wrong = {OTHER_KEY, 0, 0}, right = {KEY, 0, 0};
  options = new_options();
  CHECK_OK(nbwss_options_set(options, "endpoint.store.path", path));
  CHECK_OK(nbwss_options_on_store_key(options, give_key, &none, forget_source));
  CHECK_STATUS(nbwss_connector_new(options, &connector), NBWSS_STORE_KEY);
  CHECK_ERROR_NAMES("-77");
  CHECK_OK(nbwss_options_on_store_key(options, give_key, &wrong, forget_source));
  CHECK_STATUS(nbwss_connector_new(options, &connector), NBWSS_STORE_KEY);
  CHECK(none.calls == 1 && none.destroyed == 1 && wrong.calls == 1 && wrong.destroyed == 0);
  /* A key replaces a callback, and a callback a key. */
  CHECK_OK(nbwss_options_set_store_key(options, KEY, 32));
  CHECK(wrong.destroyed == 1);
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK(count(connector) == 3 && wrong.calls == 1);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK_OK(nbwss_options_set_store_key(options, OTHER_KEY, 32));
  CHECK_OK(nbwss_options_on_store_key(options, give_key, &right, forget_source));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK(count(connector) == 3 && right.calls == 1 && right.destroyed == 0);

  /* Only the right key shows the token again. */
  nbwss_endpoints *list = NULL;
  char token[64];
  size_t length = 0;
  CHECK_OK(nbwss_endpoint_get(connector, "two.example.com", &list));
  CHECK_OK(nbwss_endpoints_token(list, 0, token, sizeof token, &length));
  CHECK(length == strlen(TOKEN) && memcmp(token, TOKEN, length) == 0);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(right.destroyed == 1);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  properties(argv[1]);
  store_files(argv[1]);
  keys();
  return 0;
}
