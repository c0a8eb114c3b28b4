/*
 * The library in a program that is not linked with it: a copy that is loaded when the program wants it, its functions by
 * their names; and what such a program does with it.
 */
#ifndef NBWSS_TEST_LOADED_H
#define NBWSS_TEST_LOADED_H

#include <dlfcn.h>

#include "../counting_host.h"

#define LOADED_FUNCTIONS(X) \
  X(options_new) \
  X(options_free) \
  X(options_set_n) \
  X(options_on_event) \
  X(options_on_delivery) \
  X(connector_new) \
  X(connector_start) \
  X(connector_drain) \
  X(connector_destroy) \
  X(endpoint_add_file_n) \
  X(notify_job)

struct loaded {
  void *library;
#define X(name) __typeof__(nbwss_##name) *name;
  LOADED_FUNCTIONS(X)
#undef X
};

static inline void loaded_open(struct loaded *loaded, const char *path) {
  loaded->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (loaded->library == NULL) check_failed(__FILE__, __LINE__, dlerror());
#define X(name) \
  *(void **)&loaded->name = dlsym(loaded->library, "nbwss_" #name); \
  CHECK(loaded->name != NULL);
  LOADED_FUNCTIONS(X)
#undef X
}

static inline void loaded_set(const struct loaded *loaded, nbwss_options *options, const char *key, const char *value) {
  CHECK(loaded->options_set_n(options, nbwss_str_z(key), nbwss_str_z(value)) == NBWSS_OK);
}

/* A connector with a session. */
static inline nbwss_connector *loaded_connect(const struct loaded *loaded, struct counting_host *host,
                                              const char *endpoint_file, const char *ca_file) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  CHECK(loaded->options_new(&options) == NBWSS_OK);
  loaded_set(loaded, options, "tls.caFile", ca_file);
  CHECK(loaded->options_on_event(options, counting_on_event, host, counting_destructor) == NBWSS_OK);
  CHECK(loaded->options_on_delivery(options, counting_on_delivery, host, counting_destructor) == NBWSS_OK);
  CHECK(loaded->connector_new(options, &connector) == NBWSS_OK);
  CHECK(loaded->options_free(options) == NBWSS_OK);
  CHECK(loaded->endpoint_add_file_n(connector, nbwss_str_z(endpoint_file)) == NBWSS_OK);
  CHECK(loaded->connector_start(connector) == NBWSS_OK);
  CHECK(counter_reaches(&host->established, 1));
  return connector;
}

/* One more notification arrives. */
static inline void loaded_deliver(const struct loaded *loaded, struct counting_host *host, nbwss_connector *connector) {
  nbwss_job job = small_job(1);
  long delivered = counter_value(&host->delivered);
  CHECK(loaded->notify_job(connector, &job, NULL) == NBWSS_OK);
  CHECK(loaded->connector_drain(connector, DEADLINE_MS, NULL) == NBWSS_OK);
  CHECK(counter_value(&host->delivered) == delivered + 1);
}

static inline void loaded_destroy(const struct loaded *loaded, struct counting_host *host, nbwss_connector *connector) {
  CHECK(loaded->connector_destroy(connector) == NBWSS_OK);
  CHECK(counter_value(&host->destructors) == 2);
}

#endif
