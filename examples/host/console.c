#include "console.h"

#include <stdarg.h>
#include <stdio.h>

void say(const char *topic, const char *format, ...) {
  char line[600];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (length < 0) return;
  for (unsigned char *c = (unsigned char *)line; *c != '\0'; c++) {
    if (*c < 0x20 || *c == 0x7f) *c = '?';
  }
  /* One call, one line: stdio's lock keeps lines of different threads apart. */
  printf("host  │ %-9s %s\n", topic, line);
}

nbwss_status say_failure(const char *step, nbwss_status status) {
  nbwss_str why = nbwss_last_error();
  say("error", "%s: %s: %.*s", step, nbwss_status_name(status), STR_ARG(why));
  return status;
}
