/* What a process has told the kernel about its signals, to be compared with what it says later. */
#ifndef NBWSS_TEST_DISPOSITIONS_H
#define NBWSS_TEST_DISPOSITIONS_H

#include <signal.h>

#include "check.h"

struct dispositions {
  struct sigaction actions[_NSIG];
  sigset_t mask; /* of the calling thread */
};

static inline void dispositions_read(struct dispositions *dispositions) {
  memset(dispositions, 0, sizeof *dispositions);
  for (int number = 1; number < _NSIG; number++) sigaction(number, NULL, &dispositions->actions[number]);
  CHECK(pthread_sigmask(SIG_BLOCK, NULL, &dispositions->mask) == 0);
}

static inline void check_dispositions_unchanged(const struct dispositions *before) {
  struct dispositions now;
  dispositions_read(&now);
  for (int number = 1; number < _NSIG; number++) {
    CHECK(before->actions[number].sa_handler == now.actions[number].sa_handler);
    CHECK(before->actions[number].sa_flags == now.actions[number].sa_flags);
    CHECK(sigismember(&before->mask, number) == sigismember(&now.mask, number));
  }
}

#endif
