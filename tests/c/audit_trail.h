/*
 * The audit of a test program: every record as a line of JSON, for the cloud application's side to read and compare, and
 * to wait for. Calls that reach the host are noted among them, so that the two can be held together.
 */
#ifndef NBWSS_TEST_AUDIT_TRAIL_H
#define NBWSS_TEST_AUDIT_TRAIL_H

#include "check.h"

struct audit_trail {
  pthread_mutex_t lock;
  pthread_cond_t grown;
  FILE *lines; /* writes `text` */
  char *text;
  size_t length;
};

static inline void audit_trail_open(struct audit_trail *trail) {
  CHECK(pthread_mutex_init(&trail->lock, NULL) == 0 && pthread_cond_init(&trail->grown, NULL) == 0);
  trail->lines = open_memstream(&trail->text, &trail->length);
  CHECK(trail->lines != NULL && fflush(trail->lines) == 0);
}

static inline void audit_trail_close(struct audit_trail *trail) {
  fclose(trail->lines);
  free(trail->text);
}

static inline const char *audit_step_name(nbwss_audit_step step) {
  switch (step) {
    case NBWSS_AUDIT_ALLOWED: return "allowed";
    case NBWSS_AUDIT_REFUSED: return "refused";
    case NBWSS_AUDIT_MALFORMED: return "malformed";
    case NBWSS_AUDIT_LIMITED: return "limited";
    case NBWSS_AUDIT_REPEATED: return "repeated";
    case NBWSS_AUDIT_CONFLICT: return "conflict";
    case NBWSS_AUDIT_ENDED: return "ended";
    default: CHECK(!"a step that the header has"); return "";
  }
}

/* Ids, methods and paths of these tests need no escapes. */
static inline void audit_trail_add(struct audit_trail *trail, const char *step, nbwss_str id,
                                   const nbwss_audit *record) {
  pthread_mutex_lock(&trail->lock);
  fprintf(trail->lines, "{\"step\":\"%s\",\"id\":\"%.*s\"", step, (int)id.len, id.ptr);
  if (record != NULL) {
    fprintf(trail->lines, ",\"method\":\"%.*s\",\"path\":\"%.*s\"", (int)record->method.len, record->method.ptr,
            (int)record->path.len, record->path.ptr);
    fprintf(trail->lines, ",\"hostName\":\"%.*s\",\"groupId\":\"%.*s\"", (int)record->host_name.len,
            record->host_name.ptr, (int)record->group_id.len, record->group_id.ptr);
    fprintf(trail->lines, ",\"statusCode\":%d,\"bodyBytes\":%llu", (int)record->status_code,
            (unsigned long long)record->body_bytes);
  }
  fprintf(trail->lines, "}\n");
  CHECK(fflush(trail->lines) == 0);
  pthread_cond_broadcast(&trail->grown);
  pthread_mutex_unlock(&trail->lock);
}

/* For nbwss_options_on_audit. */
static inline void audit_trail_on_audit(const nbwss_audit *record, void *user_data) {
  CHECK(record->struct_size >= sizeof *record);
  /* time() reads a coarser clock than the library, which at the turn of a second is still in the one before. */
  CHECK(record->time >= 1700000000 && record->time <= (int64_t)time(NULL) + 1);
  CHECK(record->step == NBWSS_AUDIT_ENDED || (record->status_code == 0 && record->duration_us == 0));
  CHECK(record->step != NBWSS_AUDIT_ENDED || (record->status_code >= 100 && record->status_code <= 599));
  audit_trail_add((struct audit_trail *)user_data, audit_step_name(record->step), record->id, record);
}

/* The host was called with this request. */
static inline void audit_trail_note_call(struct audit_trail *trail, const nbwss_request *request) {
  nbwss_str id;
  CHECK_OK(nbwss_request_id(request, &id));
  audit_trail_add(trail, "called", id, NULL);
}

/* Waits until a call with this id has got as far as this step. */
static inline void audit_trail_await(struct audit_trail *trail, const char *step, const char *id) {
  char line[300];
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += DEADLINE_MS / 1000;
  snprintf(line, sizeof line, "{\"step\":\"%s\",\"id\":\"%s\"", step, id);
  pthread_mutex_lock(&trail->lock);
  while (strstr(trail->text, line) == NULL) {
    CHECK(pthread_cond_timedwait(&trail->grown, &trail->lock, &until) == 0);
  }
  pthread_mutex_unlock(&trail->lock);
}

/* Answers with the records so far. They come in order: with the request's own arrival all before it are there. */
static inline void audit_trail_answer(struct audit_trail *trail, nbwss_request *request) {
  char own_id[130];
  nbwss_str id;
  nbwss_response response = NBWSS_RESPONSE_INIT;
  CHECK_OK(nbwss_request_id(request, &id));
  snprintf(own_id, sizeof own_id, "%.*s", (int)id.len, id.ptr);
  audit_trail_await(trail, "allowed", own_id);
  pthread_mutex_lock(&trail->lock);
  response.body.ptr = trail->text;
  response.body.len = trail->length;
  CHECK_OK(nbwss_request_respond(request, &response));
  pthread_mutex_unlock(&trail->lock);
}

#endif
