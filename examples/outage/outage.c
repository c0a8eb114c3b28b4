/*
 * The smallest host that loses nothing: it notifies many jobs, and whatever of them was not acknowledged when it ended,
 * however it ended, is delivered when it is started again with the same store.
 *
 *   outage ENDPOINT_JSON CA_FILE STORE FIRST COUNT
 *
 * Prints a line for each job that was accepted, and at the end what became of all that was in the store.
 */
#define _POSIX_C_SOURCE 200809L

#include <nbwss.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DRAIN_MS = 20000, STEP_NS = 2000000 };

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, nbwss_last_error().ptr);
  return EXIT_FAILURE;
}

int main(int argc, char **argv) {
  nbwss_options *options;
  nbwss_connector *connector;
  if (argc != 6) {
    fprintf(stderr, "usage: outage ENDPOINT_JSON CA_FILE STORE FIRST COUNT\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  if (nbwss_check_compat() || nbwss_options_new(&options)) return failed("options");
  if (nbwss_options_set(options, "tls.caFile", argv[2])) return failed(argv[2]);
  if (nbwss_options_set(options, "outbox.store.path", argv[3])) return failed(argv[3]); /* this is all it takes */
  nbwss_options_set(options, "connect.backoffBase", "50");
  nbwss_options_set(options, "connectionInfo.period", "1");
  if (nbwss_connector_new(options, &connector)) return failed("connector");
  nbwss_options_free(options);
  if (nbwss_endpoint_add_file(connector, argv[1])) return failed(argv[1]);
  if (nbwss_connector_start(connector)) return failed("start");

  long first = atol(argv[4]), count = atol(argv[5]);
  for (long id = first; id < first + count; id++) {
    struct timespec pause = {0, STEP_NS};
    nbwss_job job = NBWSS_JOB_INIT;
    job.client_name = nbwss_str_z("client.example.com");
    job.job_type = nbwss_str_z("BACKUP");
    job.job_id = id;
    if (nbwss_job_done(connector, &job, 0, NULL)) return failed("notify");
    printf("accepted %ld\n", id); /* from here on it is safe, whatever happens */
    nanosleep(&pause, NULL);
  }
  nbwss_drained drained = NBWSS_DRAINED_INIT;
  nbwss_status status = nbwss_connector_drain(connector, DRAIN_MS, &drained);
  printf("%s: %llu delivered, %llu pending\n", nbwss_status_name(status), (unsigned long long)drained.delivered,
         (unsigned long long)drained.pending);
  return nbwss_connector_destroy(connector) || status ? EXIT_FAILURE : EXIT_SUCCESS;
}
