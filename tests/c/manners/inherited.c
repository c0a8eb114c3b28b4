/*
 * A host that makes children while the library works: each that is made by fork and exec has the descriptors that the
 * host means it to have and none of the library's, whatever that is doing at the moment. Here it has a session, two
 * databases and a descriptor to poll, is fetching files, and dials a second endpoint over and over.
 *
 *   inherited ENDPOINT_JSON CA_FILE DIRECTORY
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../counting_host.h"

enum { CHILDREN = 200 };

/* Run as the child: with so many descriptors. */
static int child(const char *expected) { return count_fds() == strtol(expected, NULL, 10) ? 0 : 1; }

static nbwss_connector *begin(struct counting_host *host, char **argv, bool polls) {
  nbwss_connector *connector = NULL;
  char path[4096];
  nbwss_options *options = counting_options(host, argv[2]);
  CHECK_OK(nbwss_options_set_bool(options, "callbacks.poll", polls));
  CHECK_OK(nbwss_options_set_int(options, "connect.backoffBase", 1));
  snprintf(path, sizeof path, "%s/endpoints-%d.db", argv[3], polls);
  CHECK_OK(nbwss_options_set(options, "endpoint.store.path", path));
  snprintf(path, sizeof path, "%s/outbox-%d.db", argv[3], polls);
  CHECK_OK(nbwss_options_set(options, "outbox.store.path", path));
  CHECK_OK(nbwss_connector_new(options, &connector));
  CHECK_OK(nbwss_options_free(options));
  CHECK_OK(nbwss_endpoint_add_file(connector, argv[1]));
  /* Nobody is there, and each attempt begins with a name and with a file. */
  nbwss_endpoint nobody = NBWSS_ENDPOINT_INIT;
  nbwss_tls tls = NBWSS_TLS_INIT;
  tls.ca_file = nbwss_str_z(argv[2]);
  nobody.host_name = nobody.group_id = nobody.token = nbwss_str_z("nobody");
  nobody.url = nbwss_str_z("wss://localhost:1/"), nobody.priority = 1, nobody.tls = &tls;
  CHECK_OK(nbwss_endpoint_add(connector, &nobody));
  CHECK_OK(nbwss_connector_start(connector));
  return connector;
}

int main(int argc, char **argv) {
  static struct counting_host hosts[2] = {COUNTING_HOST_INIT, COUNTING_HOST_INIT};
  nbwss_connector *connectors[2];
  nbwss_socket fd;
  char expected[32];
  int opened;
  if (argc == 2) return child(argv[1]);
  CHECK(argc == 4);
  snprintf(expected, sizeof expected, "%ld", count_fds());
  for (int i = 0; i < 2; i++) connectors[i] = begin(&hosts[i], argv, i == 1);
  CHECK(counter_reaches(&hosts[0].established, 1));
  while (counter_value(&hosts[1].established) == 0) CHECK_OK(nbwss_connector_poll(connectors[1], DEADLINE_MS, NULL));
  CHECK_OK(nbwss_connector_poll_fd(connectors[1], &fd));
  CHECK((opened = fcntl((int)fd, F_GETFD)) >= 0 && (opened & FD_CLOEXEC));
  CHECK(count_fds() > strtol(expected, NULL, 10) + 10); /* what may be inherited by mistake */

  long connecting = counter_value(&hosts[0].connecting);
  for (int i = 0; i < CHILDREN || counter_value(&hosts[0].connecting) < connecting + 5; i++) {
    nbwss_job job = small_job(i + 1);
    int status = 0;
    CHECK_OK(nbwss_notify_job(connectors[i % 2], &job, NULL));
    CHECK_OK(nbwss_connector_poll(connectors[1], 0, NULL));
    pid_t pid = fork();
    if (pid == 0) {
      execl("/proc/self/exe", argv[0], expected, (char *)NULL);
      _exit(2);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
  for (int i = 0; i < 2; i++) CHECK_OK(nbwss_connector_destroy(connectors[i]));
  return 0;
}
