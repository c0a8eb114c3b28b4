/*
 * What the library costs the process that it is a guest in: the time to the first session, threads, wake-ups while
 * nothing happens, and memory for each session that is idle.
 *
 *   footprint ENDPOINT_JSON CA_FILE SESSIONS IDLE_SECONDS
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <nbwss.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long established;

static void on_event(const nbwss_event *event, void *user_data) {
  (void)user_data;
  if (event->kind != NBWSS_EVENT_ESTABLISHED) return;
  pthread_mutex_lock(&lock);
  established++;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
}

static void await_sessions(long count) {
  pthread_mutex_lock(&lock);
  while (established < count) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

static void must(nbwss_status status, const char *what) {
  if (status == NBWSS_OK) return;
  fprintf(stderr, "%s: %s\n", what, nbwss_last_error().ptr);
  exit(1);
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* A number from a file of proc(5), in the line that begins with `key`; -1 where it is not there. */
static long number_in(const char *path, const char *key) {
  char line[256];
  long value = -1;
  FILE *file = fopen(path, "r");
  while (file != NULL && value < 0 && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, key, strlen(key)) == 0) value = strtol(line + strlen(key), NULL, 10);
  }
  if (file != NULL) fclose(file);
  return value;
}

/* The library's threads, and how often they have gone to sleep, which is how often they were woken. */
static void look_at_threads(long *threads, long *wake_ups) {
  DIR *tasks = opendir("/proc/self/task");
  *threads = *wake_ups = 0;
  for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    /* Those that resolve names are there for a while only. */
    if (fgets(name, sizeof name, file) != NULL && strncmp(name, "nbwss-", 6) == 0 && strcmp(name, "nbwss-dns\n") != 0) {
      snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
      *threads += 1;
      *wake_ups += number_in(path, "voluntary_ctxt_switches:");
    }
    fclose(file);
  }
  closedir(tasks);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  const long sessions = strtol(argv[3], NULL, 10);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  const double begin = now_ms();
  nbwss_options *options;
  nbwss_connector *connector;
  nbwss_endpoints *list;
  must(nbwss_options_new(&options), "options");
  must(nbwss_options_set(options, "tls.caFile", argv[2]), "tls.caFile");
  must(nbwss_options_on_event(options, on_event, NULL, NULL), "on_event");
  must(nbwss_connector_new(options, &connector), "connector");
  must(nbwss_endpoint_add_file(connector, argv[1]), argv[1]);
  must(nbwss_connector_start(connector), "start");
  await_sessions(1);
  const double first_ms = now_ms() - begin;

  const long before_kib = number_in("/proc/self/status", "VmRSS:");
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  char token[1024];
  size_t token_bytes;
  must(nbwss_endpoint_list(connector, &list), "list");
  must(nbwss_endpoints_get(list, 0, &info), "endpoint");
  must(nbwss_endpoints_token(list, 0, token, sizeof token, &token_bytes), "token");
  for (long number = 1; number < sessions; number++) {
    char name[32];
    snprintf(name, sizeof name, "endpoint-%ld", number);
    nbwss_endpoint endpoint = NBWSS_ENDPOINT_INIT;
    endpoint.host_name = endpoint.group_id = nbwss_str_z(name);
    endpoint.url = info.url;
    endpoint.token.ptr = token;
    endpoint.token.len = token_bytes;
    must(nbwss_endpoint_add(connector, &endpoint), "endpoint");
    /* One after another: what a handshake takes for itself is the next one's then, and not counted as a session's. */
    await_sessions(number + 1);
  }
  const long after_kib = number_in("/proc/self/status", "VmRSS:");

  long threads, wake_ups_before, wake_ups;
  look_at_threads(&threads, &wake_ups_before);
  sleep((unsigned)strtol(argv[4], NULL, 10));
  look_at_threads(&threads, &wake_ups);
  printf("first_ms %.1f threads %ld wake_ups %ld", first_ms, threads, wake_ups - wake_ups_before);
  if (sessions > 1) printf(" kib_per_session %.1f", (double)(after_kib - before_kib) / (double)(sessions - 1));
  printf("\n");
  must(nbwss_endpoints_free(list), "list");
  must(nbwss_options_free(options), "options");
  must(nbwss_connector_destroy(connector), "destroy");
  return 0;
}
