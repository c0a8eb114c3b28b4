/*
 * A host as small as one can be that still has the whole library at work: TLS, a notification that is acknowledged, a
 * REST call that is answered. Each project in this directory builds it in its own way. Prints the library's version.
 */
#include <nbwss.h>
#include <semaphore.h>
#include <stdio.h>

static void on_request(nbwss_request *request, void *user_data) {
  nbwss_response response = NBWSS_RESPONSE_INIT;
  nbwss_request_respond(request, &response);
  sem_post(user_data);
}

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, nbwss_last_error().ptr);
  return 1;
}

int main(int argc, char **argv) { /* endpoint details, certificate authorities */
  nbwss_options *options;
  nbwss_connector *connector;
  nbwss_job job = NBWSS_JOB_INIT;
  sem_t answered;
  sem_init(&answered, 0, 0);
  if (argc != 3 || nbwss_check_compat() != NBWSS_OK) return 2;
  if (nbwss_options_new(&options) || nbwss_options_set(options, "tls.caFile", argv[2])) return failed("options");
  nbwss_options_set(options, "dispatch.policy", "allow GET /**");
  nbwss_options_on_request(options, on_request, &answered, NULL);
  if (nbwss_connector_new(options, &connector)) return failed("connector");
  nbwss_options_free(options);
  if (nbwss_endpoint_add_file(connector, argv[1])) return failed(argv[1]);
  nbwss_connector_start(connector);
  job.client_name = nbwss_str_z("client.example.com");
  job.job_type = nbwss_str_z("BACKUP");
  job.job_id = 144;
  if (nbwss_job_active(connector, &job, NULL)) return failed("job");
  sem_wait(&answered);
  if (nbwss_connector_drain(connector, 10000, NULL)) return failed("drain");
  puts(nbwss_version());
  return nbwss_connector_destroy(connector);
}
