/*
 * What the C programs of the test suite share. A program is silent and exits 0, or says on stderr what did not hold and
 * exits 1. Waiting is always for something, and never for longer than DEADLINE_MS.
 */
#ifndef NBWSS_TEST_CHECK_H
#define NBWSS_TEST_CHECK_H

#include <dirent.h>
#include <nbwss.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Long enough for a slow machine under valgrind; reached only when something is wrong. */
enum { DEADLINE_MS = 60000 };

static inline void check_failed(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
  fflush(stderr);
  _Exit(1); /* from any thread, whatever the library is doing */
}

#define CHECK(condition) \
  do { \
    if (!(condition)) check_failed(__FILE__, __LINE__, #condition); \
  } while (0)

static inline void check_status(const char *file, int line, const char *call, nbwss_status got, nbwss_status wanted) {
  if (got == wanted) return;
  nbwss_str why = nbwss_last_error();
  fprintf(stderr, "%s:%d: %s: %s, not %s; last error: %.*s\n", file, line, call, nbwss_status_name(got),
          nbwss_status_name(wanted), (int)why.len, why.ptr ? why.ptr : "");
  fflush(stderr);
  _Exit(1);
}

#define CHECK_STATUS(call, wanted) check_status(__FILE__, __LINE__, #call, (call), (wanted))
#define CHECK_OK(call) CHECK_STATUS(call, NBWSS_OK)

static inline bool str_is(nbwss_str text, const char *wanted) {
  return text.len == strlen(wanted) && (text.len == 0 || memcmp(text.ptr, wanted, text.len) == 0);
}

static inline bool str_contains(nbwss_str text, const char *wanted) {
  size_t length = strlen(wanted);
  for (size_t at = 0; at + length <= text.len; at++) {
    if (memcmp(text.ptr + at, wanted, length) == 0) return true;
  }
  return false;
}

/* The last error of this thread holds `word`; shows the whole text when it does not. */
static inline void check_error_names(const char *file, int line, const char *word) {
  nbwss_str text = nbwss_last_error();
  if (str_contains(text, word)) return;
  fprintf(stderr, "%s:%d: last error does not name \"%s\": %.*s\n", file, line, word, (int)text.len,
          text.ptr ? text.ptr : "");
  fflush(stderr);
  _Exit(1);
}

#define CHECK_ERROR_NAMES(word) check_error_names(__FILE__, __LINE__, (word))

static inline void write_file(const char *path, const char *content) {
  FILE *file = fopen(path, "w");
  CHECK(file != NULL);
  CHECK(fputs(content, file) >= 0);
  CHECK(fclose(file) == 0);
}

/* A number that threads raise and wait for. */
struct counter {
  pthread_mutex_t lock;
  pthread_cond_t raised;
  long value;
};

#define COUNTER_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

static inline void counter_raise(struct counter *counter) {
  pthread_mutex_lock(&counter->lock);
  counter->value++;
  pthread_cond_broadcast(&counter->raised);
  pthread_mutex_unlock(&counter->lock);
}

static inline long counter_value(struct counter *counter) {
  pthread_mutex_lock(&counter->lock);
  long value = counter->value;
  pthread_mutex_unlock(&counter->lock);
  return value;
}

/* Waits until the counter has reached `value`. False: it has not by the deadline. */
static inline bool counter_reaches(struct counter *counter, long value) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += DEADLINE_MS / 1000;
  int timed_out = 0;
  pthread_mutex_lock(&counter->lock);
  while (counter->value < value && !timed_out) {
    timed_out = pthread_cond_timedwait(&counter->raised, &counter->lock, &until) != 0;
  }
  bool reached = counter->value >= value;
  pthread_mutex_unlock(&counter->lock);
  return reached;
}

static inline void counter_reset(struct counter *counter) {
  pthread_mutex_lock(&counter->lock);
  counter->value = 0;
  pthread_mutex_unlock(&counter->lock);
}

static inline long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static inline long count_entries(const char *directory) {
  long count = 0;
  DIR *listing = opendir(directory);
  CHECK(listing != NULL);
  for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) count += entry->d_name[0] != '.';
  closedir(listing);
  return count;
}

static inline long count_fds(void) { return count_entries("/proc/self/fd"); }
static inline long count_threads(void) { return count_entries("/proc/self/task"); }

/* A joined thread leaves /proc a moment after the join, and nothing tells when: so look again until the deadline. */
static inline bool threads_fall_to(long count) {
  const struct timespec moment = {0, 2000000};
  long until = now_ms() + DEADLINE_MS;
  while (count_threads() > count) {
    if (now_ms() > until) return false;
    nanosleep(&moment, NULL);
  }
  return true;
}

#endif
