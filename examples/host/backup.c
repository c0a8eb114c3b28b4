#define _POSIX_C_SOURCE 200809L

#include "backup.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "console.h"

enum {
  MAX_WAITING = 16,
  STEP_MS = 150 /* the "work" between two states of a job; also the pause before a full queue is tried again */
};

struct backups {
  struct catalogue *catalogue;
  nbwss_connector *connector;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct job waiting[MAX_WAITING]; /* the parent jobs, first come first served */
  size_t waiting_count;
  bool finishing;
  struct backup_counts counts; /* the thread's own until it has been joined */
};

/* Lets some time pass, but none once the host wants to end. */
static void work(struct backups *backups) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += STEP_MS * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_mutex_lock(&backups->lock);
  while (!backups->finishing && pthread_cond_timedwait(&backups->changed, &backups->lock, &until) == 0) {
  }
  pthread_mutex_unlock(&backups->lock);
}

static void count(struct backups *backups, nbwss_status status, uint64_t sequence, const char *what, const char *state) {
  if (status == NBWSS_OK) {
    backups->counts.notified++;
    say("notify", "#%llu %s %s", (unsigned long long)sequence, what, state);
  } else {
    backups->counts.refused++;
    say_failure("notify", status);
  }
}

/* Moves the job to a state and notifies it. A full queue takes nothing and drops nothing: the same again a little later. */
static void enter_state(struct backups *backups, struct job *job, const char *state) {
  nbwss_job message = NBWSS_JOB_INIT;
  catalogue_set_job_state(backups->catalogue, job, state);
  message.schedule_type = nbwss_str_z("ST_FULL");
  message.client_name = nbwss_str_z(job->client_name);
  message.policy_name = nbwss_str_z(job->policy_name);
  message.policy_type = nbwss_str_z("VMWARE");
  message.job_type = nbwss_str_z("BACKUP");
  message.state = nbwss_str_z(state);
  message.status = job->status;
  message.start_time = job->start_time;
  message.parent_job_id = job->parent_id;
  message.job_id = job->id;

  uint64_t sequence = 0;
  nbwss_status status = nbwss_notify_job(backups->connector, &message, &sequence);
  for (int tries = 0; status == NBWSS_QUEUE_FULL && tries < 20; tries++) {
    work(backups);
    status = nbwss_notify_job(backups->connector, &message, &sequence);
  }
  char what[64];
  snprintf(what, sizeof what, "%s %lld", job->id == job->parent_id ? "job  " : "child", (long long)job->id);
  count(backups, status, sequence, what, state);
}

static void make_image(struct backups *backups, const struct job *job) {
  struct image image = catalogue_add_image(backups->catalogue, job->client_name);
  nbwss_image message = NBWSS_IMAGE_INIT;
  message.client_type = nbwss_str_z("VMWARE");
  message.client_name = nbwss_str_z(image.client_name);
  message.operation_id = nbwss_str_z("CREATE");
  message.backup_id = nbwss_str_z(image.backup_id);
  message.backup_time = image.backup_time;
  message.created_time = image.created_time;

  uint64_t sequence = 0;
  nbwss_status status = nbwss_notify_image(backups->connector, &message, &sequence);
  for (int tries = 0; status == NBWSS_QUEUE_FULL && tries < 20; tries++) {
    work(backups);
    status = nbwss_notify_image(backups->connector, &message, &sequence);
  }
  count(backups, status, sequence, image.backup_id, "CREATE");
}

/* A backup is a parent job and one child that does the work and leaves an image. */
static void run(struct backups *backups, struct job *parent) {
  enter_state(backups, parent, "QUEUED");
  work(backups);
  enter_state(backups, parent, "ACTIVE");
  struct job child = catalogue_add_job(backups->catalogue, parent->policy_name, parent->client_name, parent->id);
  enter_state(backups, &child, "QUEUED");
  work(backups);
  enter_state(backups, &child, "ACTIVE");
  work(backups);
  make_image(backups, &child);
  enter_state(backups, &child, "DONE");
  enter_state(backups, parent, "DONE");
}

/* The next parent job; waits for one. False: there is none and there will be none. */
static bool next(struct backups *backups, struct job *parent) {
  pthread_mutex_lock(&backups->lock);
  while (backups->waiting_count == 0 && !backups->finishing) pthread_cond_wait(&backups->changed, &backups->lock);
  bool any = backups->waiting_count > 0;
  if (any) {
    *parent = backups->waiting[0];
    backups->waiting_count--;
    for (size_t i = 0; i < backups->waiting_count; i++) backups->waiting[i] = backups->waiting[i + 1];
  }
  pthread_mutex_unlock(&backups->lock);
  return any;
}

static void *thread_main(void *argument) {
  struct backups *backups = argument;
  struct job parent;
  while (next(backups, &parent)) run(backups, &parent);
  return NULL;
}

struct backups *backups_start(struct catalogue *catalogue, nbwss_connector *connector) {
  struct backups *backups = calloc(1, sizeof *backups);
  if (backups == NULL) return NULL;
  backups->catalogue = catalogue;
  backups->connector = connector;
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&backups->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&backups->lock, NULL);
  if (pthread_create(&backups->thread, NULL, thread_main, backups) != 0) {
    backups_free(backups);
    return NULL;
  }
  return backups;
}

bool backups_request(struct backups *backups, const char *policy, const char *client, struct job *job) {
  pthread_mutex_lock(&backups->lock);
  bool accepted = !backups->finishing && backups->waiting_count < MAX_WAITING;
  if (accepted) {
    *job = catalogue_add_job(backups->catalogue, policy, client, 0);
    backups->waiting[backups->waiting_count++] = *job;
    pthread_cond_broadcast(&backups->changed);
  }
  pthread_mutex_unlock(&backups->lock);
  return accepted;
}

struct backup_counts backups_finish(struct backups *backups) {
  pthread_mutex_lock(&backups->lock);
  backups->finishing = true;
  pthread_cond_broadcast(&backups->changed);
  pthread_mutex_unlock(&backups->lock);
  pthread_join(backups->thread, NULL);
  return backups->counts;
}

void backups_free(struct backups *backups) {
  if (backups == NULL) return;
  pthread_cond_destroy(&backups->changed);
  pthread_mutex_destroy(&backups->lock);
  free(backups);
}
