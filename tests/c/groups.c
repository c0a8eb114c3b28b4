/*
 * A server group by itself: stopped and started while the connector runs, and gone with its last endpoint. What is
 * notified while it is stopped waits; what waits when its endpoint goes is reported as abandoned. The host has no request
 * callback: the cloud application asks for something all the same, then closes the first session.
 *
 *   groups ENDPOINT_JSON CA_FILE
 */
#define _POSIX_C_SOURCE 200809L
#include "counting_host.h"

static nbwss_connector *connector;

/* The one endpoint of the file: its state now, and its names for later. */
static nbwss_connection_state look(char host_name[300], char group_id[300]) {
  nbwss_endpoints *list = NULL;
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  CHECK_OK(nbwss_endpoint_list(connector, &list));
  CHECK_OK(nbwss_endpoints_get(list, 0, &info));
  snprintf(host_name, 300, "%.*s", (int)info.host_name.len, info.host_name.ptr);
  snprintf(group_id, 300, "%.*s", (int)info.group_id.len, info.group_id.ptr);
  nbwss_connection_state state = info.state;
  CHECK_OK(nbwss_endpoints_free(list));
  return state;
}

int main(int argc, char **argv) {
  static struct counting_host host = COUNTING_HOST_INIT;
  char host_name[300], group_id[300];
  nbwss_job job = small_job(1);
  nbwss_drained drained = NBWSS_DRAINED_INIT;
  CHECK(argc == 3);
  nbwss_options *options = counting_options(&host, argv[2]);
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK(look(host_name, group_id) == NBWSS_DISCONNECTED);
  CHECK_OK(nbwss_connector_start(connector));
  CHECK_STATUS(nbwss_connector_wait(connector, DEADLINE_MS), NBWSS_ILLEGAL_STATE);
  CHECK(counter_reaches(&host.disconnected, 1));
  CHECK(counter_reaches(&host.established, 2));
  CHECK(look(host_name, group_id) == NBWSS_CONNECTED);

  CHECK_OK(nbwss_group_stop(connector, group_id));
  CHECK_OK(nbwss_group_stop(connector, group_id));
  CHECK(counter_reaches(&host.disconnected, 2));
  CHECK(look(host_name, group_id) == NBWSS_DISCONNECTED);
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK_STATUS(nbwss_connector_drain(connector, 1, &drained), NBWSS_TIMEOUT);
  CHECK(drained.pending == 1 && drained.delivered == 0 && drained.abandoned == 0);
  CHECK_OK(nbwss_group_start(connector, group_id));
  CHECK_OK(nbwss_group_start(connector, group_id));
  CHECK(counter_reaches(&host.established, 3));
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, &drained));
  CHECK(drained.pending == 0 && drained.delivered == 1 && drained.abandoned == 0);
  CHECK(counter_value(&host.delivered) == 1);

  CHECK_OK(nbwss_group_stop(connector, group_id));
  CHECK(counter_reaches(&host.disconnected, 3));
  CHECK_OK(nbwss_notify_job(connector, &job, NULL));
  CHECK_OK(nbwss_endpoint_remove(connector, host_name));
  CHECK(counter_reaches(&host.abandoned, 1));
  CHECK_STATUS(nbwss_notify_job(connector, &job, NULL), NBWSS_NO_ENDPOINT);
  CHECK_STATUS(nbwss_group_start(connector, group_id), NBWSS_NOT_FOUND);
  CHECK_OK(nbwss_connector_drain(connector, DEADLINE_MS, &drained));
  CHECK(drained.pending == 0 && drained.delivered == 1 && drained.abandoned == 1);

  /* Added again while everything runs, it is dialled at once; and removed while connected, it is left at once. */
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  CHECK(counter_reaches(&host.established, 4));
  CHECK_OK(nbwss_endpoint_remove(connector, host_name));
  CHECK(counter_reaches(&host.disconnected, 4));
  CHECK_OK(nbwss_connector_destroy(connector));
  CHECK(counter_value(&host.established) == 4);
  CHECK(counter_value(&host.destructors) == 2);
  return 0;
}
