/* The threads of this process as the kernel lists them. */
#ifndef NBWSS_TEST_TASKS_H
#define NBWSS_TEST_TASKS_H

#include <signal.h>
#include <unistd.h>

#include "check.h"

enum { MAX_TASKS = 128 };

struct task {
  long id;
  char name[32];
  unsigned long long pending; /* sets of signals: number n is bit n - 1 */
  unsigned long long blocked;
  long waits; /* how often it went to sleep by itself */
};

struct tasks {
  size_t count;
  struct task all[MAX_TASKS];
};

/* False: it has ended meanwhile. */
static inline bool task_read(const char *id, struct task *task) {
  char path[300], line[256];
  snprintf(path, sizeof path, "/proc/self/task/%s/status", id);
  FILE *status = fopen(path, "r");
  if (status == NULL) return false;
  bool all = false;
  task->id = strtol(id, NULL, 10);
  while (!all && fgets(line, sizeof line, status) != NULL) {
    sscanf(line, "Name: %31s", task->name);
    sscanf(line, "SigPnd: %llx", &task->pending);
    sscanf(line, "SigBlk: %llx", &task->blocked);
    all = sscanf(line, "voluntary_ctxt_switches: %ld", &task->waits) == 1; /* the last of them */
  }
  fclose(status);
  return all;
}

/* All but the program's first thread: the library's, in a program that makes no other. */
static inline void tasks_read(struct tasks *tasks) {
  const long own = (long)getpid();
  DIR *listing = opendir("/proc/self/task");
  CHECK(listing != NULL);
  tasks->count = 0;
  for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
    if (entry->d_name[0] == '.' || strtol(entry->d_name, NULL, 10) == own) continue;
    CHECK(tasks->count < MAX_TASKS);
    tasks->count += task_read(entry->d_name, &tasks->all[tasks->count]);
  }
  closedir(listing);
}

/* How many there are of this name, of which a star at its end stands for anything. */
static inline size_t tasks_named(const struct tasks *tasks, const char *name) {
  size_t count = 0, length = strlen(name);
  bool open = name[length - 1] == '*';
  for (size_t i = 0; i < tasks->count; i++) {
    const char *own = tasks->all[i].name;
    count += open ? strncmp(own, name, length - 1) == 0 : strcmp(own, name) == 0;
  }
  return count;
}

/*
 * Every thread but the first is the library's: named after it, with all signals blocked that can be, and with no SIGPIPE
 * that waits behind the block, which would mean that a write had raised it.
 */
static inline void check_library_threads(void) {
  /* KILL and STOP can't be blocked by anyone; 32 and 33 are the C library's own. */
  const unsigned long long blockable =
      ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1) | 1ULL << (32 - 1) | 1ULL << (33 - 1));
  struct tasks tasks;
  tasks_read(&tasks);
  CHECK(tasks.count > 0 && tasks_named(&tasks, "nbwss-*") == tasks.count);
  for (size_t i = 0; i < tasks.count; i++) {
    CHECK((tasks.all[i].blocked & blockable) == blockable);
    CHECK((tasks.all[i].pending & 1ULL << (SIGPIPE - 1)) == 0);
  }
}

#endif
