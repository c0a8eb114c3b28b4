/*
 * Two copies of the library in one process: the one that the program is linked with, and one under another name, as a
 * plugin brings it. Both have sessions at the same time; each knows its own objects only, and the end of either is nothing
 * to the other.
 *
 *   two_copies ENDPOINT_JSON CA_FILE COPY
 */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <unistd.h>

#include "loaded.h"

static const char *copy_path, *endpoint_file, *ca_file;

static void open_linked(struct loaded *linked) {
  linked->library = NULL;
#define X(name) linked->name = nbwss_##name;
  LOADED_FUNCTIONS(X)
#undef X
}

/* The one that began first ends first, or last. */
static void both_at_once(bool linked_ends_first) {
  struct counting_host hosts[2] = {COUNTING_HOST_INIT, COUNTING_HOST_INIT};
  struct loaded copies[2];
  nbwss_connector *connectors[2], *third = NULL;
  open_linked(&copies[0]);
  loaded_open(&copies[1], copy_path);
  CHECK(copies[0].options_new != copies[1].options_new);
  for (int i = 0; i < 2; i++) connectors[i] = loaded_connect(&copies[i], &hosts[i], endpoint_file, ca_file);
  for (int i = 0; i < 2; i++) loaded_deliver(&copies[i], &hosts[i], connectors[i]);

  /* A handle that only one of them has given out. */
  nbwss_options *options[3] = {NULL};
  for (int i = 0; i < 3; i++) CHECK_OK(nbwss_options_new(&options[i]));
  CHECK(copies[1].connector_new(options[2], &third) == NBWSS_BAD_HANDLE);
  for (int i = 0; i < 3; i++) CHECK_OK(nbwss_options_free(options[i]));

  int first = linked_ends_first ? 0 : 1, second = 1 - first;
  loaded_destroy(&copies[first], &hosts[first], connectors[first]);
  if (first == 1) CHECK(dlclose(copies[1].library) == 0);
  CHECK(counter_value(&hosts[second].disconnected) == 0 && counter_value(&hosts[second].destructors) == 0);
  loaded_deliver(&copies[second], &hosts[second], connectors[second]);
  loaded_destroy(&copies[second], &hosts[second], connectors[second]);
  if (second == 1) CHECK(dlclose(copies[1].library) == 0);
}

/* Each knows for itself that it is in a child. */
static void both_are_forked(void) {
  struct loaded copy;
  int status = 0;
  loaded_open(&copy, copy_path);
  pid_t child = fork();
  if (child == 0) {
    nbwss_options *options = NULL;
    CHECK_STATUS(nbwss_options_new(&options), NBWSS_FORKED);
    CHECK(copy.options_new(&options) == NBWSS_FORKED);
    _exit(0);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
  CHECK(dlclose(copy.library) == 0);
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  endpoint_file = argv[1], ca_file = argv[2], copy_path = argv[3];
  both_at_once(true);
  both_at_once(false);
  both_are_forked();
  CHECK(threads_fall_to(1));
  return 0;
}
