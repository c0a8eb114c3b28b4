/*
 * A process that has the library and calls nothing of it: linked with it, or with it loaded and let go. It has one thread,
 * no descriptor more and its signals as they were, and ends as it likes.
 *
 *   unused            (linked)
 *   unused LIBRARY    (not linked)
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "../dispositions.h"

#define TEXT_OF(macro) TEXT(macro)
#define TEXT(token) #token
#define SONAME "libnbwss.so." TEXT_OF(NBWSS_VERSION_MAJOR)

int main(int argc, char **argv) {
  static struct dispositions before;
  long fds = count_fds();
  dispositions_read(&before);
  void *linked = dlopen(SONAME, RTLD_NOW | RTLD_NOLOAD);
  CHECK((linked != NULL) == (argc == 1));
  if (argc > 1) {
    void *library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL) check_failed(__FILE__, __LINE__, dlerror());
    CHECK(dlclose(library) == 0);
    /* It stays, for it has left a thread-local destructor or two behind in other programs. */
    CHECK(dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != NULL);
  }
  CHECK(count_threads() == 1 && count_fds() == fds);
  check_dispositions_unchanged(&before);
  for (int number = 1; number < _NSIG; number++) {
    CHECK(before.actions[number].sa_handler == SIG_DFL || before.actions[number].sa_handler == SIG_IGN); /* inherited */
  }
  exit(7);
}
