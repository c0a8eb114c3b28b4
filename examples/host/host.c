/*
 * A backup host: connects to the cloud application that an endpoint file names, serves its REST calls from an in-memory
 * catalogue, and tells it about the jobs and images of the backups that it runs.
 *
 *   host ENDPOINT_JSON CA_FILE
 *
 * It ends on SIGTERM or SIGINT, and when the cloud application asks for it. The exit status is 0 only if everything that
 * was notified was delivered and every step of the way down said NBWSS_OK.
 *
 *   cd examples/host && cc -std=c11 -I../../include *.c -L../../target/release -lnbwss -pthread -o host
 */
#define _POSIX_C_SOURCE 200809L

#include <nbwss.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit.h"
#include "backup.h"
#include "catalogue.h"
#include "console.h"
#include "rest.h"

enum {
  ANSWER_MS = 1500, /* for this host to answer a call: no demonstration should take the usual half minute */
  DRAIN_MS = 15000, /* for the cloud application to acknowledge what it was told */
  WAIT_MS = 5000    /* for the sessions to say goodbye */
};

/* Reports come one after another on one thread of the library, but are read by this program's. */
struct reports {
  atomic_ulong delivered;
  atomic_ulong abandoned;
};

static void on_event(const nbwss_event *event, void *user_data) {
  (void)user_data;
  const char *what = "?";
  switch (event->kind) {
    case NBWSS_EVENT_CONNECTING: what = "connecting to"; break;
    case NBWSS_EVENT_ESTABLISHED: what = "established with"; break;
    case NBWSS_EVENT_REJECTED: what = "rejected by"; break;
    case NBWSS_EVENT_CONNECT_FAILED: what = "can't connect to"; break;
    case NBWSS_EVENT_DISCONNECTED: what = "disconnected from"; break;
    case NBWSS_EVENT_CALLBACK_BLOCKS: what = "blocked by a callback for"; break; /* not without dispatch.inline */
    case NBWSS_EVENT_ACTIVATED:
    case NBWSS_EVENT_DEACTIVATED: return; /* nobody does that here */
    case NBWSS_EVENT_STORE_FAILED: what = "refused by the database of"; break;
    case NBWSS_EVENT_STORE_RECOVERED: what = "helped again by the database of"; break;
  }
  char retry[48] = "";
  if (event->retry_in_ms >= 0) snprintf(retry, sizeof retry, "; again in %lld ms", (long long)event->retry_in_ms);
  say("session", "%s %.*s%s%.*s%s", what, STR_ARG(event->host_name), event->reason.len > 0 ? ": " : "",
      STR_ARG(event->reason), retry);
}

static void on_delivery(const nbwss_delivery *delivery, void *user_data) {
  struct reports *reports = user_data;
  if (delivery->outcome == NBWSS_DELIVERED) {
    atomic_fetch_add(&reports->delivered, 1);
    say("delivered", "#%llu", (unsigned long long)delivery->sequence);
  } else {
    atomic_fetch_add(&reports->abandoned, 1);
    say("abandoned", "#%llu: %.*s", (unsigned long long)delivery->sequence, STR_ARG(delivery->reason));
  }
}

/* Everything that lives as long as the connector. */
struct host {
  struct reports reports;
  struct audit audit;
  struct rest rest;
  nbwss_options *options;
  nbwss_connector *connector;
};

/* Sets the host up, up to a started connector and a first backup. What was made is in `host`, also after a failure. */
static bool set_up(struct host *host, const char *endpoint_file, const char *ca_file) {
  nbwss_status status = nbwss_check_compat();
  if (status == NBWSS_OK) status = nbwss_options_new(&host->options);
  if (status == NBWSS_OK) status = nbwss_options_set(host->options, "tls.caFile", ca_file);
  /* What is not allowed here never gets as far as the catalogue. */
  if (status == NBWSS_OK) {
    status = nbwss_options_set(host->options, "dispatch.policy",
                               "deny * /netbackup/admin/secrets/**; allow * /netbackup/**");
  }
  if (status == NBWSS_OK) status = nbwss_options_set_int(host->options, "dispatch.timeout", ANSWER_MS);
  if (status == NBWSS_OK) status = nbwss_options_on_audit(host->options, audit_on_record, &host->audit, NULL);
  if (status == NBWSS_OK) status = nbwss_options_on_request(host->options, rest_on_request, &host->rest, NULL);
  if (status == NBWSS_OK) status = nbwss_options_on_delivery(host->options, on_delivery, &host->reports, NULL);
  if (status == NBWSS_OK) status = nbwss_options_on_event(host->options, on_event, NULL, NULL);
  if (status == NBWSS_OK) status = nbwss_connector_new(host->options, &host->connector);
  if (status == NBWSS_OK) status = nbwss_endpoint_add_file(host->connector, endpoint_file);
  if (status != NBWSS_OK) {
    say_failure("set up", status);
    return false;
  }

  struct job first;
  host->rest.catalogue = catalogue_new();
  if (host->rest.catalogue != NULL) host->rest.backups = backups_start(host->rest.catalogue, host->connector);
  if (host->rest.backups == NULL) {
    say("error", "set up: out of memory");
    return false;
  }
  /* Needs no connection: what is notified waits in the library until the cloud application has acknowledged it. */
  backups_request(host->rest.backups, "vmware2", "client.example.com", &first);

  status = nbwss_connector_start(host->connector);
  if (status != NBWSS_OK) say_failure("start", status);
  return status == NBWSS_OK;
}

/* The way down: no new work, everything delivered, sessions closed, everything released. True: nothing went wrong. */
static bool take_down(struct host *host) {
  struct backup_counts counts = {0, 0};
  nbwss_drained drained = NBWSS_DRAINED_INIT;
  nbwss_status status[5];

  if (host->rest.backups != NULL) counts = backups_finish(host->rest.backups);
  status[0] = nbwss_connector_drain(host->connector, DRAIN_MS, &drained);
  say("drain", "%s: %llu delivered, %llu pending, %llu abandoned", nbwss_status_name(status[0]),
      (unsigned long long)drained.delivered, (unsigned long long)drained.pending, (unsigned long long)drained.abandoned);
  status[1] = nbwss_connector_stop(host->connector);
  say("stop", "%s", nbwss_status_name(status[1]));
  status[2] = nbwss_connector_wait(host->connector, WAIT_MS);
  say("wait", "%s", nbwss_status_name(status[2]));
  status[3] = nbwss_connector_destroy(host->connector);
  say("destroy", "%s", nbwss_status_name(status[3]));
  status[4] = nbwss_options_free(host->options);

  /* Only now does nothing of the library's call back any more. After a failed destroy it still may: keep what it uses. */
  if (status[3] == NBWSS_OK) {
    backups_free(host->rest.backups);
    catalogue_free(host->rest.catalogue);
  }
  unsigned long delivered = atomic_load(&host->reports.delivered);
  unsigned long abandoned = atomic_load(&host->reports.abandoned);
  say("counts", "%lu notified, %lu refused, %lu reported delivered, %lu reported abandoned", counts.notified,
      counts.refused, delivered, abandoned);
  bool every_step = true;
  for (size_t i = 0; i < sizeof status / sizeof status[0]; i++) every_step = every_step && status[i] == NBWSS_OK;
  return every_step && counts.refused == 0 && abandoned == 0 && delivered == counts.notified;
}

int main(int argc, char **argv) {
  static struct host host;
  sigset_t ends;
  int signal_number = 0;

  if (argc != 3) {
    fprintf(stderr, "usage: host ENDPOINT_JSON CA_FILE\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  /* Before any thread is made, so that the backup thread inherits it: these signals are only ever taken by sigwait. */
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);

  say("start", "nbwss %s", nbwss_version());
  bool ready = set_up(&host, argv[1], argv[2]);
  if (ready) {
    sigwait(&ends, &signal_number);
    say("end", "asked to end by %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
  }
  bool clean = host.connector == NULL ? nbwss_options_free(host.options) == NBWSS_OK : take_down(&host);
  bool good = ready && clean;
  say("end", good ? "all delivered" : "NOT all went well");
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
