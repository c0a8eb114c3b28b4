/*
 * A guest that nobody notices. Whatever the library is asked for, and though it panics once, the process has the same
 * environment (of which the library reads nothing), locale, working directory and mask for new files as before, and
 * nothing is written to the descriptors 0, 1 and 2: not where they are the host's, and not where the host has closed them,
 * so that they are files and sockets of the library's by now.
 *
 *   quiet ENDPOINT_JSON CA_FILE DIRECTORY open|closed|files     (what 0, 1 and 2 are)
 *
 * In a locale in which a comma stands before the decimals.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>

#include "../counting_host.h"
#include "failing.h"

enum { UMASK = 0137, MOST_VARIABLES = 256 };

extern char **environ;

/* Two crates in the library ask for these, by which experts tune them: the first when it is loaded. */
static const char *const tuning[] = {"OPENSSL_ia32cap", "TOKIO_UNSTABLE_SHARDED_BLOCKING_QUEUE"};

/* In the place of the C library's, which the library calls by this name: the program is linked with -rdynamic. */
char *getenv(const char *name) {
  Dl_info caller;
  bool is_tuning = strcmp(name, tuning[0]) == 0 || strcmp(name, tuning[1]) == 0;
  if (dladdr(__builtin_return_address(0), &caller) != 0 && strstr(caller.dli_fname, "libnbwss") != NULL) {
    if (!is_tuning) check_failed(__FILE__, __LINE__, name);
  }
  size_t length = strlen(name);
  for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
    if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
  }
  return NULL;
}

/* All of the process that is nobody's own. */
struct surroundings {
  char **environment;
  char *variables[MOST_VARIABLES];
  char *texts[MOST_VARIABLES]; /* their values then */
  char locale[256];
  char directory[4096];
  mode_t umask;
  bool is_open[3];
};

static void look_around(struct surroundings *found) {
  memset(found, 0, sizeof *found);
  found->environment = environ;
  for (size_t i = 0; environ[i] != NULL; i++) {
    CHECK(i + 1 < MOST_VARIABLES);
    found->variables[i] = environ[i];
    found->texts[i] = strdup(environ[i]);
  }
  snprintf(found->locale, sizeof found->locale, "%s", setlocale(LC_ALL, NULL));
  CHECK(readlink("/proc/self/cwd", found->directory, sizeof found->directory - 1) > 0);
  found->umask = umask(0);
  umask(found->umask);
  for (int fd = 0; fd < 3; fd++) found->is_open[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void check_as_before(const struct surroundings *before) {
  struct surroundings now;
  look_around(&now);
  CHECK(now.environment == before->environment);
  for (size_t i = 0; i < MOST_VARIABLES; i++) {
    CHECK(now.variables[i] == before->variables[i]);
    CHECK(now.texts[i] == NULL || strcmp(now.texts[i], before->texts[i]) == 0);
    free(now.texts[i]);
  }
  CHECK(strcmp(now.locale, before->locale) == 0);
  CHECK(strcmp(now.directory, before->directory) == 0);
  CHECK(now.umask == before->umask);
  CHECK(memcmp(now.is_open, before->is_open, sizeof now.is_open) == 0);
}

/* A directory of its own that is there no more. */
static void go_nowhere(const char *directory) {
  char path[4096];
  snprintf(path, sizeof path, "%s/gone", directory);
  CHECK(mkdir(path, 0700) == 0 && chdir(path) == 0 && rmdir(path) == 0);
}

static nbwss_connector *new_connector(struct counting_host *host, char **argv) {
  nbwss_connector *connector = NULL;
  char path[4096];
  nbwss_options *options = counting_options(host, argv[2]);
  snprintf(path, sizeof path, "%s/endpoints.db", argv[3]);
  CHECK_OK(nbwss_options_set(options, "endpoint.store.path", path));
  snprintf(path, sizeof path, "%s/outbox.db", argv[3]);
  CHECK_OK(nbwss_options_set(options, "outbox.store.path", path));
  CHECK_OK(nbwss_options_set(options, "log.level", "debug"));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  return connector;
}

static void ask_for_everything(struct counting_host *host, nbwss_connector *connector) {
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  nbwss_inspection *inspection = NULL;
  nbwss_str text;
  char url[2100];
  nbwss_job job = small_job(1);
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_OK(nbwss_endpoints_get(list, 0, &info));
  snprintf(url, sizeof url, "%.*s", (int)info.url.len, info.url.ptr);
  CHECK_OK(nbwss_endpoints_free(list));
  CHECK_OK(nbwss_endpoint_validate(connector, url, NULL, &inspection));
  CHECK_OK(nbwss_inspection_text(inspection, &text));
  CHECK(text.len > 0);
  CHECK_OK(nbwss_inspection_free(inspection));
  CHECK_STATUS(nbwss_endpoint_add_json(connector, "{\"priority\":1,5}"), NBWSS_ENDPOINT_NOT_JSON);
  CHECK_PANICS(nbwss_notify_job(connector, &job, NULL));
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  CHECK(counter_value(&host->delivered) == 1);
}

int main(int argc, char **argv) {
  static struct counting_host host = COUNTING_HOST_INIT;
  static struct surroundings before;
  char path[4096], number[8];
  struct stat file;
  CHECK(argc == 5);
  bool files = strcmp(argv[4], "files") == 0;
  for (int fd = 0; fd < 3; fd++) {
    snprintf(path, sizeof path, "%s/%d", argv[3], fd);
    if (files) CHECK(open(path, O_CREAT | O_EXCL | O_RDWR, 0600) == fd);
    else CHECK((fcntl(fd, F_GETFD) >= 0) == (strcmp(argv[4], "open") == 0));
  }
  CHECK(setlocale(LC_ALL, "") != NULL);
  CHECK(snprintf(number, sizeof number, "%.1f", 1.5) == 3 && strcmp(number, "1,5") == 0);
  umask(UMASK);
  go_nowhere(argv[3]);

  look_around(&before);
  nbwss_connector *connector = new_connector(&host, argv);
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.established, 1));
  ask_for_everything(&host, connector);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(threads_fall_to(1));
  check_as_before(&before);
  /* Nothing came between what the library wrote: not on the network, and not in its databases. */
  CHECK(counter_value(&host.established) == 1);
  CHECK_OK(nbwss_connector_destroy(new_connector(&host, argv)));
  for (int fd = 0; files && fd < 3; fd++) CHECK(fstat(fd, &file) == 0 && file.st_size == 0);
  return 0;
}
