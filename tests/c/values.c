/*
 * Values that break a rule: settings and notifications (endpoint details: details.c). Each gets its own status, and the
 * last error says which key or field it was. And the small things every host relies on: names of status codes, the
 * version, compatibility, a last error for each thread.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static void settings(void) {
  nbwss_options *options = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_STATUS(nbwss_options_set(options, "keepAlive.sheduledRate", "30"), NBWSS_UNKNOWN_KEY);
  CHECK_ERROR_NAMES("keepAlive.sheduledRate");
  CHECK_STATUS(nbwss_options_set_int(options, "no.such.key", 1), NBWSS_UNKNOWN_KEY);
  CHECK_ERROR_NAMES("no.such.key");
  CHECK_STATUS(nbwss_options_set_bool(options, "", true), NBWSS_UNKNOWN_KEY);

  static const char *const refused[][2] = {
      {"keepAlive.scheduledRate", "0"},        {"keepAlive.scheduledRate", "-1"},
      {"keepAlive.scheduledRate", "soon"},     {"keepAlive.scheduledRate", ""},
      {"keepAlive.scheduledRate", "99999999999999999999"}, {"connectionInfo.period", "1e3"},
      {"dispatch.timeout", "10.5"},            {"dispatch.threads", "0"},
      {"exception.ignoreDecoder", "maybe"},    {"exception.ignoreDecoder", "1"},
      {"log.level", "loud"},                   {"outbox.maxCount", "0"},
  };
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    CHECK_STATUS(nbwss_options_set(options, refused[i][0], refused[i][1]), NBWSS_INVALID_VALUE);
    CHECK_ERROR_NAMES(refused[i][0]);
  }
  CHECK_STATUS(nbwss_options_set_int(options, "keepAlive.scheduledRate", -5), NBWSS_INVALID_VALUE);
  CHECK_STATUS(nbwss_options_set_int(options, "keepAlive.scheduledRate", INT64_MAX), NBWSS_INVALID_VALUE);
  CHECK_STATUS(nbwss_options_set_int(options, "exception.ignoreDecoder", 2), NBWSS_INVALID_VALUE);
  CHECK_STATUS(nbwss_options_set_bool(options, "keepAlive.scheduledRate", true), NBWSS_INVALID_VALUE);

  /* NetBackup's own nbwss.properties, as it stands. */
  CHECK_OK(nbwss_options_set(options, "exception.ignoreDecoder", "false"));
  CHECK_OK(nbwss_options_set(options, "notification.sendTimeout", "2000"));
  CHECK_OK(nbwss_options_set(options, "notification.scheduledRate", "5"));
  CHECK_OK(nbwss_options_set(options, "keepAlive.scheduledRate", "30"));
  CHECK_OK(nbwss_options_set(options, "keepAlive.maxPongMissAllowed", "3"));
  CHECK_OK(nbwss_options_set(options, "connectionInfo.period", "60"));
  CHECK_OK(nbwss_options_set_int(options, "keepAlive.scheduledRate", 30));
  CHECK_OK(nbwss_options_set_bool(options, "exception.ignoreDecoder", true));
  CHECK_OK(nbwss_options_free(options));
}

static void certificate_authorities(void) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_options_set(options, "tls.caFile", "/nonexistent/ca.pem"));
  CHECK_STATUS(nbwss_connector_new(options, &connector), NBWSS_IO);
  CHECK_ERROR_NAMES("/nonexistent/ca.pem");
  CHECK(connector == NULL);
  CHECK_OK(nbwss_options_set(options, "tls.caFile", "/dev/null"));
  CHECK_STATUS(nbwss_connector_new(options, &connector), NBWSS_TLS);
  CHECK(connector == NULL);
  CHECK_OK(nbwss_options_free(options));
}

static nbwss_connector *new_connector(void) {
  nbwss_options *options = NULL;
  nbwss_connector *connector = NULL;
  CHECK_OK(nbwss_options_new(&options));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  return connector;
}

static nbwss_job good_job(void) {
  nbwss_job job = NBWSS_JOB_INIT;
  job.schedule_type = nbwss_str_z("ST_FULL");
  job.client_name = nbwss_str_z("client.example.com");
  job.policy_type = nbwss_str_z("VMWARE");
  job.job_type = nbwss_str_z("BACKUP");
  job.state = nbwss_str_z("ACTIVE");
  job.start_time = 1459829674;
  job.parent_job_id = job.job_id = 144;
  return job;
}

static void refuse_job(nbwss_connector *connector, const nbwss_job *job, const char *field) {
  uint64_t sequence = 7;
  CHECK_STATUS(nbwss_notify_job(connector, job, &sequence), NBWSS_INVALID_NOTIFICATION);
  CHECK_ERROR_NAMES(field);
  CHECK(sequence == 0);
}

static void notifications(nbwss_connector *connector) {
  nbwss_job job = good_job();
  uint64_t first = 0, second = 0;
  CHECK_STATUS(nbwss_notify_job(connector, &job, &first), NBWSS_NO_ENDPOINT);
  CHECK_OK(nbwss_endpoint_add_json(connector, "{\"hostName\":\"cloud.example.com\",\"url\":\"wss://cloud.example.com/ws\","
                                              "\"token\":\"token\",\"priority\":1,\"groupId\":\"g\"}"));

  job = good_job(), job.state = nbwss_str_z("");
  refuse_job(connector, &job, "state");
  job = good_job(), job.client_name = nbwss_str_z("");
  refuse_job(connector, &job, "clientName");
  job = good_job(), job.job_id = -1;
  refuse_job(connector, &job, "jobId");
  job = good_job(), job.parent_job_id = -1;
  refuse_job(connector, &job, "parentJobId");
  job = good_job(), job.start_time = -1;
  refuse_job(connector, &job, "startTime");
  job = good_job(), job.client_name.ptr = "\xff", job.client_name.len = 1;
  CHECK_STATUS(nbwss_notify_job(connector, &job, NULL), NBWSS_INVALID_ARGUMENT);

  nbwss_image image = NBWSS_IMAGE_INIT;
  image.client_type = nbwss_str_z("VMWARE");
  image.client_name = nbwss_str_z("localhost");
  image.operation_id = nbwss_str_z("CREATE");
  CHECK_STATUS(nbwss_notify_image(connector, &image, NULL), NBWSS_INVALID_NOTIFICATION);
  CHECK_ERROR_NAMES("backupId");
  image.backup_id = nbwss_str_z("localhost_1458601200");
  image.backup_time = -1;
  CHECK_STATUS(nbwss_notify_image(connector, &image, NULL), NBWSS_INVALID_NOTIFICATION);
  CHECK_ERROR_NAMES("backupTime");
  image.backup_time = 1458601200;
  image.operation_id = nbwss_str_z("");
  CHECK_STATUS(nbwss_notify_image(connector, &image, NULL), NBWSS_INVALID_NOTIFICATION);
  CHECK_ERROR_NAMES("operationId");

  static const char *const elements[] = {
      "", "7", "[]", "{}", "{\"notificationType\":\"INFO\",\"object\":\"JOB\"}",
      "{\"notificationType\":\"INFO\",\"object\":\"JOB\",\"data\":7}",
      "{\"notificationType\":7,\"object\":\"JOB\",\"data\":[{}]}",
      "{\"notificationType\":\"INFO\",\"object\":\"JOB\",\"data\":[{}]",
  };
  for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
    CHECK_STATUS(nbwss_notify_json(connector, elements[i], NULL), NBWSS_INVALID_NOTIFICATION);
  }

  /* Good ones, an empty policy name (a restore) and unknown words included, are taken in order. */
  job = good_job();
  CHECK_OK(nbwss_notify_job(connector, &job, &first));
  job.state = nbwss_str_z("A_STATE_OF_TOMORROW");
  CHECK_OK(nbwss_notify_job(connector, &job, &second));
  CHECK(second > first);
  image.operation_id = nbwss_str_z("NO_LOCAL_COPY_AVAILABLE");
  CHECK_OK(nbwss_notify_image(connector, &image, &first));
  CHECK(first > second);
  CHECK_OK(nbwss_notify_json(
      connector, "{\"notificationType\":\"INFO\",\"object\":\"CLIENT\",\"data\":[{\"anything\":1}]}", &second));
  CHECK(second > first);
  nbwss_drained drained = NBWSS_DRAINED_INIT;
  CHECK_STATUS(nbwss_connector_drain(connector, 1, &drained), NBWSS_TIMEOUT);
  CHECK(drained.pending == 4 && drained.delivered == 0 && drained.abandoned == 0);
}

static void names_and_versions(void) {
  static const char *const names[] = {
      "NBWSS_OK", "NBWSS_INVALID_ARGUMENT", "NBWSS_BAD_HANDLE", "NBWSS_ILLEGAL_STATE", "NBWSS_UNKNOWN_KEY",
      "NBWSS_INVALID_VALUE", "NBWSS_INVALID_ENDPOINT", "NBWSS_DUPLICATE_ENDPOINT", "NBWSS_NOT_FOUND",
      "NBWSS_NO_ENDPOINT", "NBWSS_INVALID_NOTIFICATION", "NBWSS_QUEUE_FULL", "NBWSS_TIMEOUT", "NBWSS_EXPIRED",
      "NBWSS_IO", "NBWSS_TLS", "NBWSS_FORKED", "NBWSS_PANIC", "NBWSS_INCOMPATIBLE", "NBWSS_STORE",
      "NBWSS_STORE_IN_USE", "NBWSS_STORE_NEWER", "NBWSS_STORE_KEY", "NBWSS_ENDPOINT_MISSING",
      "NBWSS_ENDPOINT_NOT_ENCRYPTED", "NBWSS_ENDPOINT_BAD_URL", "NBWSS_ENDPOINT_USER_INFO",
      "NBWSS_ENDPOINT_BAD_PRIORITY", "NBWSS_ENDPOINT_TOO_LONG", "NBWSS_ENDPOINT_BAD_CHARACTER",
      "NBWSS_ENDPOINT_NOT_UTF8", "NBWSS_ENDPOINT_NOT_JSON", "NBWSS_ENDPOINT_DUPLICATE_KEY", "NBWSS_ENDPOINT_BAD_TLS",
      "NBWSS_FETCH_FAILED", "NBWSS_ENDPOINT_HOST_NOT_ALLOWED",
  };
  for (nbwss_status status = NBWSS_OK; status <= NBWSS_ENDPOINT_HOST_NOT_ALLOWED; status++) {
    CHECK(strcmp(nbwss_status_name(status), names[status]) == 0);
  }
  CHECK(strcmp(nbwss_status_name(-1), "NBWSS_UNKNOWN_STATUS") == 0);
  CHECK(strcmp(nbwss_status_name(1000), "NBWSS_UNKNOWN_STATUS") == 0);
  CHECK(strcmp(nbwss_status_name(INT32_MAX), "NBWSS_UNKNOWN_STATUS") == 0);
  CHECK(strcmp(nbwss_version(), NBWSS_VERSION) == 0);
  CHECK_OK(nbwss_check_compat());
  CHECK_STATUS(nbwss_check_compat_version(NBWSS_VERSION_MAJOR + 1, 0, 0), NBWSS_INCOMPATIBLE);
  CHECK_ERROR_NAMES(NBWSS_VERSION);
  CHECK_STATUS(nbwss_check_compat_version(NBWSS_VERSION_MAJOR, UINT32_MAX, 0), NBWSS_INCOMPATIBLE);
}

static void *other_thread(void *unused) {
  CHECK(nbwss_last_error().len == 0);
  CHECK_STATUS(nbwss_options_new(NULL), NBWSS_INVALID_ARGUMENT);
  CHECK(nbwss_last_error().len > 0);
  return unused;
}

static void last_error_is_per_thread(nbwss_connector *connector) {
  pthread_t thread;
  CHECK_STATUS(nbwss_endpoint_remove(connector, "only-this-thread.example.com"), NBWSS_NOT_FOUND);
  CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_ERROR_NAMES("only-this-thread.example.com");
  nbwss_str text = nbwss_last_error();
  CHECK(text.ptr[text.len] == '\0');
}

int main(void) {
  names_and_versions();
  settings();
  certificate_authorities();
  nbwss_connector *connector = new_connector();
  notifications(connector);
  last_error_is_per_thread(connector);
  CHECK_OK(nbwss_connector_destroy(connector));
  return 0;
}
