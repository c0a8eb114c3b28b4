/* The host's voice: one line at a time on stdout, whole even when several threads speak. */
#ifndef HOST_CONSOLE_H
#define HOST_CONSOLE_H

#include <nbwss.h>

/* For printing an nbwss_str with "%.*s": the precision and the pointer. */
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

/* Prints "host  │ topic    text". Control characters are replaced: some of the text comes from the network. */
void say(const char *topic, const char *format, ...);

/* Prints which step failed, with the library's own words. Returns the status, so that it can be passed on. */
nbwss_status say_failure(const char *step, nbwss_status status);

#endif
