/* A host's memory of what happened to its connections, to be waited for. */
#ifndef NBWSS_TEST_EVENT_TRAIL_H
#define NBWSS_TEST_EVENT_TRAIL_H

#include "check.h"

enum { MAX_EVENTS = 512 };

struct told {
  nbwss_event_kind kind;
  nbwss_cause cause;
  int32_t code;
  int64_t retry_in_ms;
  char host_name[300];
  char reason[512];
};

struct event_trail {
  struct counter told; /* how many there are */
  struct told events[MAX_EVENTS];
};

#define EVENT_TRAIL_INIT {COUNTER_INIT, {{0, 0, 0, 0, "", ""}}}

static inline void event_trail_on_event(const nbwss_event *event, void *user_data) {
  struct event_trail *trail = user_data;
  long number = counter_value(&trail->told); /* events come one after another */
  CHECK(event->struct_size >= sizeof *event && number < MAX_EVENTS);
  struct told *told = &trail->events[number];
  told->kind = event->kind, told->cause = event->cause, told->code = event->code;
  told->retry_in_ms = event->retry_in_ms;
  snprintf(told->host_name, sizeof told->host_name, "%.*s", (int)event->host_name.len, event->host_name.ptr);
  snprintf(told->reason, sizeof told->reason, "%.*s", (int)event->reason.len, event->reason.ptr);
  counter_raise(&trail->told);
}

static inline long event_trail_count(struct event_trail *trail, nbwss_event_kind kind) {
  long count = 0, all = counter_value(&trail->told);
  for (long i = 0; i < all; i++) count += trail->events[i].kind == kind;
  return count;
}

/* Waits for the number-th event of this kind, counted from 1. */
static inline const struct told *event_trail_await(struct event_trail *trail, nbwss_event_kind kind, long number) {
  for (long i = 0, found = 0;; i++) {
    if (!counter_reaches(&trail->told, i + 1)) {
      fprintf(stderr, "no event of kind %d number %ld; there are:\n", (int)kind, number);
      for (long n = 0; n < i; n++) {
        const struct told *told = &trail->events[n];
        fprintf(stderr, "  kind %d cause %d code %d: %s\n", (int)told->kind, (int)told->cause, (int)told->code, told->reason);
      }
      _Exit(1);
    }
    if (trail->events[i].kind == kind && ++found == number) return &trail->events[i];
  }
}

#endif
