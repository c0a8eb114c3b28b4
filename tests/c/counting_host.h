/* A host for the test programs that go online: it counts what the library tells it. */
#ifndef NBWSS_TEST_COUNTING_HOST_H
#define NBWSS_TEST_COUNTING_HOST_H

#include "check.h"

struct counting_host {
  struct counter connecting;
  struct counter established;
  struct counter disconnected;
  struct counter delivered;
  struct counter abandoned;
  struct counter destructors; /* of all its callbacks together */
};

#define COUNTING_HOST_INIT \
  {COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, COUNTER_INIT, COUNTER_INIT}

static inline void counting_on_event(const nbwss_event *event, void *user_data) {
  struct counting_host *host = (struct counting_host *)user_data; /* C++ wants the cast */
  CHECK(event->struct_size >= sizeof *event);
  CHECK(event->host_name.len > 0 && event->group_id.len > 0);
  switch (event->kind) {
    case NBWSS_EVENT_CONNECTING: counter_raise(&host->connecting); break;
    case NBWSS_EVENT_ESTABLISHED: counter_raise(&host->established); break;
    case NBWSS_EVENT_DISCONNECTED: counter_raise(&host->disconnected); break;
    default: break;
  }
}

static inline void counting_on_delivery(const nbwss_delivery *delivery, void *user_data) {
  struct counting_host *host = (struct counting_host *)user_data;
  CHECK(delivery->struct_size >= sizeof *delivery);
  CHECK(delivery->sequence > 0 && delivery->group_id.len > 0);
  CHECK((delivery->outcome == NBWSS_DELIVERED) == (delivery->reason.len == 0));
  counter_raise(delivery->outcome == NBWSS_DELIVERED ? &host->delivered : &host->abandoned);
}

static inline void counting_destructor(void *user_data) {
  struct counting_host *host = (struct counting_host *)user_data;
  counter_raise(&host->destructors);
}

/* Options with the event and delivery callbacks set, quick to try again. */
static inline nbwss_options *counting_options(struct counting_host *host, const char *ca_file) {
  nbwss_options *options = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "tls.caFile", ca_file));
  CHECK_OK(nbwss_options_set(options, "dispatch.policy", "allow * /**"));
  CHECK_OK(nbwss_options_set(options, "connect.backoffBase", "20"));
  CHECK_OK(nbwss_options_set(options, "connectionInfo.period", "1"));
  CHECK_OK(nbwss_options_on_event(options, counting_on_event, host, counting_destructor));
  CHECK_OK(nbwss_options_on_delivery(options, counting_on_delivery, host, counting_destructor));
  return options;
}

/* A job's notification, as small as it may be. */
static inline nbwss_job small_job(int64_t id) {
  nbwss_job job = NBWSS_JOB_INIT;
  job.client_name = nbwss_str_z("client.example.com");
  job.job_type = nbwss_str_z("BACKUP");
  job.state = nbwss_str_z("ACTIVE");
  job.start_time = 1459829674;
  job.parent_job_id = job.job_id = id;
  return job;
}

#endif
