/*
 * A plugin's way: the library is loaded, used against a cloud application and let go, ten times over. Each time its
 * threads and descriptors are gone, nothing is mapped a second time, and the process forks and lives on.
 *
 *   load_and_unload ENDPOINT_JSON CA_FILE LIBRARY
 */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <unistd.h>

#include "loaded.h"

enum { ROUNDS = 10 };

static long count_mappings_of(const char *file) {
  char line[4400];
  long count = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  CHECK(maps != NULL);
  while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, file) != NULL;
  fclose(maps);
  return count;
}

static void fork_and_live_on(void) {
  int status = 0;
  pid_t child = fork();
  if (child == 0) _exit(0);
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv) {
  long fds = 0, mappings = 0;
  CHECK(argc == 4);
  char *file = realpath(argv[3], NULL);
  CHECK(file != NULL && count_mappings_of(file) == 0);
  for (int round = 0; round < ROUNDS; round++) {
    struct counting_host host = COUNTING_HOST_INIT;
    struct loaded loaded;
    loaded_open(&loaded, argv[3]);
    nbwss_connector *connector = loaded_connect(&loaded, &host, argv[1], argv[2]);
    loaded_deliver(&loaded, &host, connector);
    loaded_destroy(&loaded, &host, connector);
    CHECK(dlclose(loaded.library) == 0);
    CHECK(threads_fall_to(1));
    fork_and_live_on();
    if (round == 0) {
      /* What the process keeps from its first use of anything is there now. */
      fds = count_fds();
      mappings = count_mappings_of(file);
      CHECK(mappings > 0);
    }
    CHECK(count_fds() == fds && count_mappings_of(file) == mappings);
  }
  free(file);
  return 0;
}
