/*
 * The C library's clock and random numbers as they are where they fail: the library takes both from the program, which
 * defines them and is linked with -rdynamic. The Rust inside has no answer to such a failure and panics, as it would over
 * a mistake of its own; so the shipped file is made to panic as it is.
 */
#ifndef NBWSS_TEST_FAILING_H
#define NBWSS_TEST_FAILING_H

#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../check.h"

/* What fails once: the call of this number from now on, counted from 1, on the threads of this name. */
struct failing {
  const char *thread;
  atomic_int call;
};

static struct failing failing_clock, failing_random;

static inline void fail(struct failing *failing, const char *thread, int call) {
  atomic_store(&failing->call, 0);
  failing->thread = thread;
  atomic_store(&failing->call, call);
}

static inline bool fails_now(struct failing *failing) {
  char name[16];
  if (atomic_load(&failing->call) <= 0 || pthread_getname_np(pthread_self(), name, sizeof name) != 0) return false;
  return strcmp(name, failing->thread) == 0 && atomic_fetch_sub(&failing->call, 1) == 1;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (fails_now(&failing_clock)) {
    errno = EINVAL;
    return -1;
  }
  return (int)syscall(SYS_clock_gettime, clock, time);
}

ssize_t getrandom(void *bytes, size_t count, unsigned flags) {
  if (fails_now(&failing_random)) {
    errno = EIO;
    return -1;
  }
  return syscall(SYS_getrandom, bytes, count, flags);
}

/* The first look at the clock during this call makes it panic: it says so, and what it was. */
#define CHECK_PANICS(call) \
  do { \
    char this_thread[16]; \
    CHECK(pthread_getname_np(pthread_self(), this_thread, sizeof this_thread) == 0); \
    fail(&failing_clock, this_thread, 1); \
    CHECK_STATUS(call, NBWSS_PANIC); \
    fail(&failing_clock, this_thread, 0); \
    CHECK_ERROR_NAMES("panicked"); \
  } while (0)

#endif
