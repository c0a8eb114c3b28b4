/*
 * What this host knows: jobs, images and the registered VM servers, in memory, bounded, safe from any thread.
 * It can describe itself as REST answers; who may ask, and how, is none of its business.
 */
#ifndef HOST_CATALOGUE_H
#define HOST_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

enum { NAME_SIZE = 256 };

struct job {
  int64_t id;
  int64_t parent_id; /* the job's own id for a top-level job */
  int64_t start_time;
  int64_t status;
  const char *state; /* "QUEUED", "ACTIVE", "DONE" */
  char policy_name[NAME_SIZE];
  char client_name[NAME_SIZE];
};

struct image {
  int64_t backup_time;
  int64_t created_time;
  char client_name[NAME_SIZE];
  char backup_id[NAME_SIZE + 24];
};

struct vmserver {
  char name[NAME_SIZE];
  char type[64];
};

enum change { CHANGE_DONE, CHANGE_EXISTS, CHANGE_ABSENT, CHANGE_FULL };

struct catalogue;

struct catalogue *catalogue_new(void); /* NULL: no memory */
void catalogue_free(struct catalogue *catalogue);

/* Names of VM servers are host names: their case does not matter. */
enum change catalogue_add_vmserver(struct catalogue *catalogue, const struct vmserver *vmserver);
enum change catalogue_remove_vmserver(struct catalogue *catalogue, const char *name);

/* Adds a queued job, and takes the id that it gets. A parent_id of 0 makes a top-level job. The oldest job gives way. */
struct job catalogue_add_job(struct catalogue *catalogue, const char *policy, const char *client, int64_t parent_id);
void catalogue_set_job_state(struct catalogue *catalogue, struct job *job, const char *state);
struct image catalogue_add_image(struct catalogue *catalogue, const char *client);

/* Each adds {"data":[...]} to `out`: everything for an id or name of NULL, else the one it names. False: there is none. */
bool catalogue_describe_jobs(struct catalogue *catalogue, const char *id, struct text *out);
bool catalogue_describe_images(struct catalogue *catalogue, const char *id, struct text *out);
bool catalogue_describe_vmservers(struct catalogue *catalogue, const char *name, struct text *out);

#endif
