/* The audit of the cloud application's calls: one line for each, with what was decided and what it was answered. */
#ifndef HOST_AUDIT_H
#define HOST_AUDIT_H

#include <nbwss.h>

/* The last call that was not handed to the host: its end follows, and says only the status. Start from zero. */
struct audit {
  char turned_away_id[129]; /* as long as an id may be, and NUL */
  const char *decision;
};

/* For nbwss_options_on_audit; `user_data` is a struct audit, used by the report thread only. */
void audit_on_record(const nbwss_audit *record, void *user_data);

#endif
