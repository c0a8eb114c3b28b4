/*
 * The library's threads are those that are documented: so many, of these names, each with a stack of 2 MiB. None before a
 * connector is made, none after it is destroyed; which there are in between depends on what the host has chosen.
 *
 *   threads DIRECTORY MOST_DNS     (as many nbwss-dns threads as there may be)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>

#include "../tasks.h"

enum { STACK_BYTES = 2 << 20, CALL_THREADS = 3 };

static atomic_long made;
static struct counter dialling = COUNTER_INIT, released = COUNTER_INIT;

/* In the place of the C library's, which the library calls by this name: the program is linked with -rdynamic. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  size_t stack_bytes = 0;
  *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
  CHECK(create != NULL && attributes != NULL && pthread_attr_getstacksize(attributes, &stack_bytes) == 0);
  CHECK(stack_bytes == STACK_BYTES);
  atomic_fetch_add(&made, 1);
  return create(thread, attributes, run, argument);
}

/* Of each name so many; of those that are made as they are needed up to a number. */
struct expected {
  size_t io, call, report, store, most_dns;
};

static bool are_as_expected(const struct tasks *tasks, const struct expected *expected) {
  char name[32];
  size_t fixed = expected->io + expected->call + expected->report + expected->store;
  size_t dns = tasks_named(tasks, "nbwss-dns");
  for (size_t i = 0; i < expected->call; i++) {
    snprintf(name, sizeof name, "nbwss-call-%zu", i);
    if (tasks_named(tasks, name) != 1) return false;
  }
  return tasks_named(tasks, "nbwss-io") == expected->io && tasks_named(tasks, "nbwss-call-*") == expected->call &&
         tasks_named(tasks, "nbwss-report") == expected->report &&
         tasks_named(tasks, "nbwss-store") == expected->store && dns <= expected->most_dns &&
         tasks->count == fixed + dns;
}

/* A thread has its name a moment after it was made, and a joined one is listed a moment longer. */
static void check_threads(const struct expected *expected) {
  const struct timespec moment = {0, 2000000};
  struct tasks tasks;
  for (long until = now_ms() + DEADLINE_MS; now_ms() < until; nanosleep(&moment, NULL)) {
    tasks_read(&tasks);
    if (are_as_expected(&tasks, expected)) return;
  }
  for (size_t i = 0; i < tasks.count; i++) fprintf(stderr, "%s\n", tasks.all[i].name);
  check_failed(__FILE__, __LINE__, "the threads are others than documented");
}

static const struct expected none = {0, 0, 0, 0, 0};

static int32_t on_dial(const nbwss_dial *dial, nbwss_socket *socket, void *user_data) {
  (void)dial, (void)socket, (void)user_data;
  counter_raise(&dialling);
  CHECK(counter_reaches(&released, 1));
  return -1;
}

/* Makes a connector with a setting or two, looks at its threads, started or not, and ends it. */
static void with(const char *const settings[2][2], struct expected expected) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set_int(options, "dispatch.threads", CALL_THREADS));
  for (int i = 0; i < 2 && settings[i][0] != NULL; i++) CHECK_OK(nbwss_options_set(options, settings[i][0], settings[i][1]));
  check_threads(&none);
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  check_threads(&expected);
  CHECK_OK(nbwss_connector_start(connector));
  check_threads(&expected);
  CHECK_OK(nbwss_connector_destroy(connector));
  check_threads(&none);
}

/* More endpoints than threads that dial, and none of them gets on. */
static void with_all_that_dial(long most) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  struct expected expected = {.io = 1, .call = CALL_THREADS, .report = 1, .most_dns = (size_t)most};
  struct tasks tasks;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set_int(options, "dispatch.threads", CALL_THREADS));
  CHECK_OK(nbwss_options_set_int(options, "connect.timeout", DEADLINE_MS));
  CHECK_OK(nbwss_options_on_dial(options, on_dial, NULL, NULL));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  for (long i = 0; i < most + 10; i++) {
    char json[256];
    snprintf(json, sizeof json,
             "{\"hostName\":\"h%ld\",\"groupId\":\"g%ld\",\"priority\":1,\"token\":\"t\",\"url\":\"wss://h%ld/\"}", i, i, i);
    CHECK_OK(nbwss_endpoint_add_json(connector, json));
  }
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&dialling, most));
  check_threads(&expected);
  tasks_read(&tasks);
  CHECK(tasks_named(&tasks, "nbwss-dns") == (size_t)most);
  counter_raise(&released);
  CHECK_OK(nbwss_connector_destroy(connector));
  check_threads(&none);
}

int main(int argc, char **argv) {
  char database[4096];
  CHECK(argc == 3);
  snprintf(database, sizeof database, "%s/outbox.db", argv[1]);
  const struct expected all = {1, CALL_THREADS, 1, 0, 0}, stored = {1, CALL_THREADS, 1, 1, 0};
  const struct expected without_calls = {1, 0, 1, 0, 0}, polled = {1, 0, 0, 0, 0}, polled_and_stored = {1, 0, 0, 1, 0};
  CHECK(nbwss_check_compat() == NBWSS_OK);
  check_threads(&none);
  with((const char *const[2][2]){{NULL, NULL}}, all);
  with((const char *const[2][2]){{"outbox.store.path", database}}, stored);
  with((const char *const[2][2]){{"dispatch.inline", "true"}}, without_calls);
  with((const char *const[2][2]){{"dispatch.forward.url", "http://127.0.0.1:9"}}, without_calls);
  with((const char *const[2][2]){{"callbacks.poll", "true"}}, polled);
  with((const char *const[2][2]){{"callbacks.poll", "true"}, {"outbox.store.path", database}}, polled_and_stored);
  with_all_that_dial(strtol(argv[2], NULL, 10));
  CHECK(atomic_load(&made) > 0);
  return 0;
}
