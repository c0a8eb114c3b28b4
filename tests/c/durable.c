/*
 * Notifications that outlive the connector: the life of a job, what is kept when the connector goes, and what the next
 * one with the same store knows of it. Nobody is ever connected.
 *
 *   durable DIRECTORY
 */
#define _POSIX_C_SOURCE 200809L
#include "counting_host.h"

#define ENDPOINT \
  "{\"token\": \"t\", \"priority\": 1, \"groupId\": \"cloud\", \"hostName\": \"h\", \"url\": \"wss://localhost:9/\"}"

static struct counter kept = COUNTER_INIT, forgotten = COUNTER_INIT;

static void on_delivery(const nbwss_delivery *delivery, void *user_data) {
  CHECK(str_is(delivery->group_id, "cloud") && delivery->reason.len > 0 && user_data == NULL);
  if (delivery->outcome == NBWSS_KEPT) counter_raise(&kept);
  if (delivery->outcome == NBWSS_ABANDONED) counter_raise(&forgotten);
}

static nbwss_connector *open_store(const char *path) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "outbox.store.path", path));
  CHECK_OK(nbwss_options_on_delivery(options, on_delivery, NULL, NULL));
  CHECK_OK(nbwss_connector_new(options, &connector));
  nbwss_connector *second = NULL;
  CHECK_STATUS(nbwss_connector_new(options, &second), NBWSS_STORE_IN_USE);
  CHECK(second == NULL);
  CHECK_OK(nbwss_options_set(options, "outbox.store.path", "/nonexistent/outbox.db"));
  CHECK_STATUS(nbwss_connector_new(options, &second), NBWSS_STORE);
  CHECK_ERROR_NAMES("/nonexistent/outbox.db");
  CHECK_OK(nbwss_options_free(options));
  return connector;
}

static void the_life_of_a_job(nbwss_connector *connector) {
  uint64_t sequence = 0;
  nbwss_job job = NBWSS_JOB_INIT;
  CHECK_STATUS(nbwss_job_queued(connector, NULL, NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_job_queued(connector, &job, &sequence), NBWSS_INVALID_NOTIFICATION);
  CHECK(job.start_time == 0 && job.state.len == 0 && sequence == 0);
  job.client_name = nbwss_str_z("client.example.com");
  job.job_type = nbwss_str_z("BACKUP");
  job.job_id = 7;
  CHECK_OK(nbwss_job_queued(connector, &job, &sequence));
  CHECK(sequence == 1 && str_is(job.state, "QUEUED") && job.parent_job_id == 7);
  int64_t start = job.start_time;
  CHECK(start > 1700000000);
  CHECK_OK(nbwss_job_active(connector, &job, NULL));
  CHECK(str_is(job.state, "ACTIVE") && job.start_time == start);
  CHECK_OK(nbwss_job_done(connector, &job, 84, &sequence));
  CHECK(sequence == 3 && str_is(job.state, "DONE") && job.status == 84);
}

int main(int argc, char **argv) {
  char path[4096];
  nbwss_group_counts group = NBWSS_GROUP_COUNTS_INIT;
  nbwss_stats stats = NBWSS_STATS_INIT;
  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/outbox.db", argv[1]);

  nbwss_connector *connector = open_store(path);
  CHECK_OK(nbwss_endpoint_add_json(connector, ENDPOINT));
  the_life_of_a_job(connector);
  CHECK_OK(nbwss_connector_stats(connector, &stats));
  CHECK(stats.notifications_stored_before == 4 && stats.notifications_pending == 3);
  CHECK_OK(nbwss_group_stats(connector, "cloud", &group));
  CHECK(group.pending == 3 && group.pending_bytes > 0 && group.in_flight == 0 && group.messages == 0);
  CHECK_STATUS(nbwss_group_stats(connector, "nobody", &group), NBWSS_NOT_FOUND);
  CHECK(group.pending == 0);
  CHECK_STATUS(nbwss_group_stats(connector, "cloud", NULL), NBWSS_INVALID_ARGUMENT);
  CHECK_STATUS(nbwss_group_forget(connector, "cloud"), NBWSS_ILLEGAL_STATE);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&kept) == 3 && counter_value(&forgotten) == 0);

  connector = open_store(path);
  CHECK_OK(nbwss_group_stats(connector, "cloud", &group));
  CHECK(group.pending == 3);
  CHECK_STATUS(nbwss_group_forget(connector, "nobody"), NBWSS_NOT_FOUND);
  CHECK_OK(nbwss_group_forget(connector, "cloud"));
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  CHECK(counter_value(&forgotten) == 3);
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&kept) == 3);
  return 0;
}
