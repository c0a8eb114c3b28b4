/*
 * Guest manners. With the default disposition a write to a connection that the peer has reset kills a process: this host
 * keeps the default, notifies without pause, is reset in mid-stream several times, and lives on to see every
 * notification delivered. All the while the library leaves the host's signals alone, and lets none near its own threads.
 *
 *   sigpipe ENDPOINT_JSON CA_FILE     (ends when /finish is asked for)
 */
#define _GNU_SOURCE
#include "counting_host.h"
#include "dispositions.h"
#include "tasks.h"

enum { IN_FLIGHT = 32 }; /* at once; enough for every reset to hit some */

static struct counter finished = COUNTER_INIT;

static void on_request(nbwss_request *request, void *user_data) {
  (void)user_data;
  CHECK_OK(nbwss_request_fail(request, 404, "this host only notifies"));
  counter_raise(&finished);
}

int main(int argc, char **argv) {
  static struct counting_host host = COUNTING_HOST_INIT;
  static struct dispositions before;
  nbwss_connector *connector = NULL;
  CHECK(argc == 3);
  /* Whatever the parent left: what matters is what a program gets that cares about no signal. */
  CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  dispositions_read(&before);

  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_options_on_request(options, on_request, NULL, NULL));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK_OK(nbwss_connector_start(connector));
  CHECK(counter_reaches(&host.established, 1));
  check_dispositions_unchanged(&before);

  long notified = 0;
  while (counter_value(&finished) == 0) {
    nbwss_job job = small_job(notified + 1);
    CHECK_OK(nbwss_notify_job(connector, &job, NULL));
    notified++;
    CHECK(counter_reaches(&host.delivered, notified - IN_FLIGHT));
  }
  check_library_threads();
  check_dispositions_unchanged(&before);
  CHECK(counter_value(&host.established) > 1);
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, NULL));
  CHECK(counter_value(&host.delivered) == notified);
  CHECK(counter_value(&host.abandoned) == 0);
  CHECK_OK(nbwss_connector_destroy(connector));
  check_dispositions_unchanged(&before);
  return 0;
}
