#define _POSIX_C_SOURCE 200809L

#include "catalogue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
  MAX_JOBS = 128,
  MAX_IMAGES = 128,
  MAX_VMSERVERS = 64,
  FIRST_JOB_ID = 144
};

struct catalogue {
  pthread_mutex_t lock;
  /* Jobs and images are rings: number n sits at n % MAX, and the oldest gives way. */
  struct job jobs[MAX_JOBS];
  struct image images[MAX_IMAGES];
  int64_t jobs_made;
  int64_t images_made;
  int64_t last_backup_time; /* a backup id holds its time, so no two images share one */
  struct vmserver vmservers[MAX_VMSERVERS];
  size_t vmserver_count;
};

struct catalogue *catalogue_new(void) {
  struct catalogue *catalogue = calloc(1, sizeof *catalogue);
  if (catalogue != NULL && pthread_mutex_init(&catalogue->lock, NULL) != 0) {
    free(catalogue);
    catalogue = NULL;
  }
  return catalogue;
}

void catalogue_free(struct catalogue *catalogue) {
  if (catalogue == NULL) return;
  pthread_mutex_destroy(&catalogue->lock);
  free(catalogue);
}

/* With the lock held. MAX_VMSERVERS when there is none. */
static size_t find_vmserver(const struct catalogue *catalogue, const char *name) {
  for (size_t i = 0; i < catalogue->vmserver_count; i++) {
    if (strcasecmp(catalogue->vmservers[i].name, name) == 0) return i;
  }
  return MAX_VMSERVERS;
}

enum change catalogue_add_vmserver(struct catalogue *catalogue, const struct vmserver *vmserver) {
  enum change change = CHANGE_DONE;
  pthread_mutex_lock(&catalogue->lock);
  if (find_vmserver(catalogue, vmserver->name) != MAX_VMSERVERS) change = CHANGE_EXISTS;
  else if (catalogue->vmserver_count == MAX_VMSERVERS) change = CHANGE_FULL;
  else catalogue->vmservers[catalogue->vmserver_count++] = *vmserver;
  pthread_mutex_unlock(&catalogue->lock);
  return change;
}

enum change catalogue_remove_vmserver(struct catalogue *catalogue, const char *name) {
  pthread_mutex_lock(&catalogue->lock);
  size_t found = find_vmserver(catalogue, name);
  if (found != MAX_VMSERVERS) {
    size_t behind = --catalogue->vmserver_count - found;
    memmove(&catalogue->vmservers[found], &catalogue->vmservers[found + 1], behind * sizeof(struct vmserver));
  }
  pthread_mutex_unlock(&catalogue->lock);
  return found == MAX_VMSERVERS ? CHANGE_ABSENT : CHANGE_DONE;
}

struct job catalogue_add_job(struct catalogue *catalogue, const char *policy, const char *client, int64_t parent_id) {
  struct job job = {.start_time = (int64_t)time(NULL), .state = "QUEUED"};
  snprintf(job.policy_name, sizeof job.policy_name, "%s", policy);
  snprintf(job.client_name, sizeof job.client_name, "%s", client);
  pthread_mutex_lock(&catalogue->lock);
  job.id = FIRST_JOB_ID + catalogue->jobs_made;
  job.parent_id = parent_id == 0 ? job.id : parent_id;
  catalogue->jobs[catalogue->jobs_made++ % MAX_JOBS] = job;
  pthread_mutex_unlock(&catalogue->lock);
  return job;
}

void catalogue_set_job_state(struct catalogue *catalogue, struct job *job, const char *state) {
  job->state = state;
  pthread_mutex_lock(&catalogue->lock);
  struct job *known = &catalogue->jobs[(job->id - FIRST_JOB_ID) % MAX_JOBS];
  if (known->id == job->id) known->state = state;
  pthread_mutex_unlock(&catalogue->lock);
}

struct image catalogue_add_image(struct catalogue *catalogue, const char *client) {
  struct image image = {.created_time = (int64_t)time(NULL)};
  snprintf(image.client_name, sizeof image.client_name, "%s", client);
  pthread_mutex_lock(&catalogue->lock);
  image.backup_time = image.created_time;
  if (image.backup_time <= catalogue->last_backup_time) image.backup_time = catalogue->last_backup_time + 1;
  catalogue->last_backup_time = image.backup_time;
  snprintf(image.backup_id, sizeof image.backup_id, "%s_%lld", client, (long long)image.backup_time);
  catalogue->images[catalogue->images_made++ % MAX_IMAGES] = image;
  pthread_mutex_unlock(&catalogue->lock);
  return image;
}

static void add_string_member(struct text *out, const char *name, const char *value) {
  text_add_quoted(out, name);
  text_add(out, ":");
  text_add_quoted(out, value);
}

static void add_integer_member(struct text *out, const char *name, int64_t value) {
  text_add(out, ",");
  text_add_quoted(out, name);
  text_add(out, ":");
  text_add_integer(out, (long long)value);
}

/* {"type":...,"id":...,"attributes":{ : the caller adds the attributes and closes with "}}". */
static void open_item(struct text *out, bool first, const char *type, const char *id) {
  text_add(out, first ? "{" : ",{");
  add_string_member(out, "type", type);
  text_add(out, ",");
  add_string_member(out, "id", id);
  text_add(out, ",\"attributes\":{");
}

static void describe_job(const struct job *job, const char *id, bool first, struct text *out) {
  open_item(out, first, "job", id);
  add_string_member(out, "state", job->state);
  text_add(out, ",");
  add_string_member(out, "policyName", job->policy_name);
  text_add(out, ",");
  add_string_member(out, "clientName", job->client_name);
  add_integer_member(out, "jobId", job->id);
  add_integer_member(out, "parentJobId", job->parent_id);
  add_integer_member(out, "status", job->status);
  add_integer_member(out, "startTime", job->start_time);
  text_add(out, "}}");
}

bool catalogue_describe_jobs(struct catalogue *catalogue, const char *id, struct text *out) {
  bool any = false;
  text_add(out, "{\"data\":[");
  pthread_mutex_lock(&catalogue->lock);
  int64_t oldest = catalogue->jobs_made > MAX_JOBS ? catalogue->jobs_made - MAX_JOBS : 0;
  for (int64_t n = oldest; n < catalogue->jobs_made; n++) {
    const struct job *job = &catalogue->jobs[n % MAX_JOBS];
    char own_id[24];
    snprintf(own_id, sizeof own_id, "%lld", (long long)job->id);
    if (id != NULL && strcmp(id, own_id) != 0) continue;
    describe_job(job, own_id, !any, out);
    any = true;
  }
  pthread_mutex_unlock(&catalogue->lock);
  text_add(out, "]}");
  return any || id == NULL;
}

bool catalogue_describe_images(struct catalogue *catalogue, const char *id, struct text *out) {
  bool any = false;
  text_add(out, "{\"data\":[");
  pthread_mutex_lock(&catalogue->lock);
  int64_t oldest = catalogue->images_made > MAX_IMAGES ? catalogue->images_made - MAX_IMAGES : 0;
  for (int64_t n = oldest; n < catalogue->images_made; n++) {
    const struct image *image = &catalogue->images[n % MAX_IMAGES];
    if (id != NULL && strcmp(id, image->backup_id) != 0) continue;
    open_item(out, !any, "image", image->backup_id);
    add_string_member(out, "clientName", image->client_name);
    add_integer_member(out, "backupTime", image->backup_time);
    add_integer_member(out, "createdTime", image->created_time);
    text_add(out, "}}");
    any = true;
  }
  pthread_mutex_unlock(&catalogue->lock);
  text_add(out, "]}");
  return any || id == NULL;
}

bool catalogue_describe_vmservers(struct catalogue *catalogue, const char *name, struct text *out) {
  bool any = false;
  text_add(out, "{\"data\":[");
  pthread_mutex_lock(&catalogue->lock);
  for (size_t i = 0; i < catalogue->vmserver_count; i++) {
    const struct vmserver *vmserver = &catalogue->vmservers[i];
    if (name != NULL && strcasecmp(name, vmserver->name) != 0) continue;
    open_item(out, !any, "vmserver", vmserver->name);
    add_string_member(out, "serverName", vmserver->name);
    text_add(out, ",");
    add_string_member(out, "vmType", vmserver->type);
    text_add(out, "}}");
    any = true;
  }
  pthread_mutex_unlock(&catalogue->lock);
  text_add(out, "]}");
  return any || name == NULL;
}
