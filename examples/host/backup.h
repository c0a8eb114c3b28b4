/*
 * Backups: one thread that runs them one after another, changes the catalogue and tells the cloud each state.
 * Nothing is really backed up; the pauses between the states stand for the work.
 */
#ifndef HOST_BACKUP_H
#define HOST_BACKUP_H

#include <nbwss.h>
#include <stdbool.h>

#include "catalogue.h"

struct backups;

/* NULL: no memory or no thread. Both arguments must outlive what is returned. */
struct backups *backups_start(struct catalogue *catalogue, nbwss_connector *connector);

/* Queues a backup and shows the job that it is. False: too many wait already, or the host is stopping. */
bool backups_request(struct backups *backups, const char *policy, const char *client, struct job *job);

struct backup_counts {
  unsigned long notified; /* notifications that the library accepted */
  unsigned long refused;  /* notifications that it did not */
};

/* Takes no more backups, runs the ones that wait without pauses, and ends the thread. */
struct backup_counts backups_finish(struct backups *backups);
void backups_free(struct backups *backups);

#endif
