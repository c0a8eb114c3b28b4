#include "audit.h"

#include <stdio.h>
#include <string.h>

#include "console.h"

enum { SHOWN_PATH = 100 };

/* What was decided about a call that just arrived. Whoever keeps an audit for later writes down all of the record. */
static const char *decision_name(nbwss_audit_step step) {
  switch (step) {
    case NBWSS_AUDIT_REFUSED: return "refused";
    case NBWSS_AUDIT_MALFORMED: return "malformed";
    case NBWSS_AUDIT_LIMITED: return "limited";
    case NBWSS_AUDIT_CONFLICT: return "conflict";
    default: return "allowed";
  }
}

/* A malformed call may have neither method nor path: nobody could rely on them. */
static void format_call(const nbwss_audit *record, char *out, size_t size) {
  bool cut = record->path.len > SHOWN_PATH;
  int shown = cut ? SHOWN_PATH : (int)record->path.len;
  if (shown == 0) snprintf(out, size, "call");
  else snprintf(out, size, "%.*s %.*s%s", STR_ARG(record->method), shown, record->path.ptr, cut ? "…" : "");
}

static bool is_turned_away(const struct audit *audit, nbwss_str id) {
  return strlen(audit->turned_away_id) == id.len && memcmp(audit->turned_away_id, id.ptr, id.len) == 0;
}

void audit_on_record(const nbwss_audit *record, void *user_data) {
  struct audit *audit = user_data;
  char call[SHOWN_PATH + 64];
  format_call(record, call, sizeof call);
  if (record->step == NBWSS_AUDIT_ENDED) {
    const char *decision = is_turned_away(audit, record->id) ? audit->decision : "allowed";
    say("audit", "%s %s → %d", decision, call, (int)record->status_code);
    audit->turned_away_id[0] = '\0'; /* its id may come again */
  } else if (record->step == NBWSS_AUDIT_REPEATED) {
    /* It has the answer of the first time, or will have it, and no end of its own. */
    say("audit", "repeated %s", call);
  } else if (record->step != NBWSS_AUDIT_ALLOWED) {
    snprintf(audit->turned_away_id, sizeof audit->turned_away_id, "%.*s", STR_ARG(record->id));
    audit->decision = decision_name(record->step);
  }
}
