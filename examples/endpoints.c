/*
 * The administrator's dialog for endpoints, on a terminal: details are read, certificates validated and accepted, the
 * endpoint is added, watched, changed and removed.
 *
 *   endpoints [--store FILE] [--key FILE] [--ca FILE] [--properties FILE] [--proxy URL] [COMMAND...]
 *
 * Each COMMAND is one argument; without any they are typed on standard input ("help" lists them). Each ends with a line
 * "ok" or "error: ...". Lines that begin with "event" tell what happens to connections meanwhile.
 *
 *   cc -std=c11 -Iinclude examples/endpoints.c -Ltarget/release -lnbwss -o endpoints
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <nbwss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT(text) (int)(text).len, (text).ptr /* for "%.*s" */

struct dialog {
  nbwss_connector *connector;
  nbwss_endpoints *draft;      /* what was read, to be added */
  nbwss_inspection *inspected; /* by the last "validate" */
  nbwss_tls accepted;          /* for the draft; its texts are here: */
  char ca_pem[65537];
  char pin[96];
};

static bool refuse(const char *why) {
  printf("error: %s\n", why);
  return false;
}

/* Whether a call of the library was done; its words where not. */
static bool done(nbwss_status status) {
  if (status == NBWSS_OK) return true;
  nbwss_str why = nbwss_last_error();
  printf("error: %s: %.*s\n", nbwss_status_name(status), TEXT(why));
  return false;
}

/* Not memset: a compiler may leave that out. */
static void wipe(void *secret, size_t size) {
  for (volatile unsigned char *byte = secret; size > 0; size--) *byte++ = 0;
}

static const char *when(int64_t seconds) {
  static char text[32];
  time_t time = (time_t)seconds;
  struct tm parts;
  if (gmtime_r(&time, &parts) == NULL || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) return "?";
  return text;
}

/* Shows the endpoints of a list, with what is known of their connections if they were added. */
static bool show_all(const nbwss_endpoints *list, bool added) {
  static const char *const states[] = {"DISCONNECTED", "CONNECTING", "CONNECTED", "CLOSING", "REFUSED"};
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  size_t count = 0;
  if (!done(nbwss_endpoints_count(list, &count))) return false;
  for (size_t i = 0; i < count; i++) {
    if (!done(nbwss_endpoints_get(list, i, &info))) return false;
    printf("%.*s\n  url       %.*s\n  group     %.*s, priority %" PRId32 "\n", TEXT(info.host_name), TEXT(info.url),
           TEXT(info.group_id), info.priority);
    if (info.pin.len > 0) printf("  pin       %.*s\n", TEXT(info.pin));
    if (info.ca_pem.len > 0) printf("  trust     an accepted certificate authority\n");
    if (!added) continue;
    printf("  state     %s, %s since %s\n", info.active ? "ACTIVATED" : "DEACTIVATED", states[info.state],
           when(info.since_ms / 1000));
    printf("  dialled   %" PRIu64 " times, %" PRIu64 " sessions\n", info.attempts, info.sessions);
    if (info.last_heard_ms >= 0) printf("  heard     %" PRId64 " ms ago\n", info.last_heard_ms);
    if (info.next_attempt_in_ms >= 0) printf("  next      in %" PRId64 " ms\n", info.next_attempt_in_ms);
    if (info.last_error.len == 0) continue;
    printf("  error     %s: %.*s\n", when(info.last_error_ms / 1000), TEXT(info.last_error));
  }
  return true;
}

/* Takes a list that was read as the draft. Nothing is accepted for it yet. */
static bool take_draft(struct dialog *dialog, nbwss_endpoints *draft) {
  nbwss_endpoints_free(dialog->draft);
  dialog->draft = draft;
  dialog->accepted = (nbwss_tls)NBWSS_TLS_INIT;
  return show_all(draft, false);
}

static bool do_file(struct dialog *dialog, char *path) {
  nbwss_endpoints *draft = NULL;
  return done(nbwss_endpoints_read_file(path, &draft)) && take_draft(dialog, draft);
}

static bool do_url(struct dialog *dialog, char *url) {
  nbwss_endpoints *draft = NULL;
  return done(nbwss_endpoints_fetch(dialog->connector, url, &draft)) && take_draft(dialog, draft);
}

static bool show_inspection(const nbwss_inspection *inspection) {
  nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
  nbwss_certificate seen = NBWSS_CERTIFICATE_INIT;
  size_t count = 0;
  if (!done(nbwss_inspection_get_result(inspection, &result))) return false;
  if (!done(nbwss_inspection_certificate_count(inspection, &count))) return false;
  for (size_t i = 0; i < count; i++) {
    if (!done(nbwss_inspection_certificate(inspection, i, &seen))) return false;
    printf("certificate %zu: %.*s%s\n", i, TEXT(seen.subject), seen.is_ca ? " (certificate authority)" : "");
    printf("  issuer    %.*s\n  names     %.*s\n", TEXT(seen.issuer), TEXT(seen.names));
    printf("  valid     from %s", when(seen.not_before));
    printf(" to %s\n  key       %.*s\n", when(seen.not_after), TEXT(seen.key_type));
    printf("  SHA-256   %.*s\n  of key    %.*s\n", TEXT(seen.sha256), TEXT(seen.spki_sha256));
  }
  if (!result.ok) {
    printf("error: %.*s\n", TEXT(result.failure));
    return false;
  }
  if (result.trusted) {
    printf("trusted, %.*s\n", TEXT(result.tls_version));
  } else {
    printf("NOT TRUSTED: %.*s\n", TEXT(result.distrust));
    printf("compare the fingerprints, then accept:%s pin certificate\n", result.ca_to_accept.len > 0 ? " ca" : "");
  }
  return true;
}

/* Validates a URL, or that of the (first) endpoint that was read, by what was accepted so far. */
static bool do_validate(struct dialog *dialog, char *url) {
  nbwss_endpoint_info info = NBWSS_ENDPOINT_INFO_INIT;
  nbwss_str target = nbwss_str_z(url);
  if (target.len == 0) {
    if (dialog->draft == NULL) return refuse("nothing was read: file PATH, url URL or validate URL");
    if (!done(nbwss_endpoints_get(dialog->draft, 0, &info))) return false;
    target = info.url;
  }
  nbwss_inspection *inspection = NULL;
  if (!done(nbwss_endpoint_validate_n(dialog->connector, target, &dialog->accepted, &inspection))) return false;
  nbwss_inspection_free(dialog->inspected);
  dialog->inspected = inspection;
  return show_inspection(inspection);
}

/* Accepts what "validate" has shown: for "add" and "trust". */
static bool do_accept(struct dialog *dialog, char *what) {
  nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
  nbwss_certificate own = NBWSS_CERTIFICATE_INIT;
  if (dialog->inspected == NULL) return refuse("nothing was validated yet");
  if (!done(nbwss_inspection_get_result(dialog->inspected, &result))) return false;
  if (!done(nbwss_inspection_certificate(dialog->inspected, 0, &own))) return false;
  if (strcmp(what, "ca") == 0) {
    if (result.ca_to_accept.len == 0) return refuse("there is no certificate authority to accept: accept pin");
    snprintf(dialog->ca_pem, sizeof dialog->ca_pem, "%.*s", TEXT(result.ca_to_accept));
    dialog->accepted.ca_pem = nbwss_str_z(dialog->ca_pem);
    return true;
  }
  if (strcmp(what, "pin") == 0) {
    snprintf(dialog->pin, sizeof dialog->pin, "spki:%.*s", TEXT(own.spki_sha256));
  } else if (strcmp(what, "certificate") == 0) {
    snprintf(dialog->pin, sizeof dialog->pin, "certificate:%.*s", TEXT(own.sha256));
  } else {
    return refuse("accept ca, pin or certificate");
  }
  dialog->accepted.pin = nbwss_str_z(dialog->pin);
  return true;
}

/* Shows the tokens of what was read, past the buffer of standard output: nothing keeps a copy. */
static bool do_token(struct dialog *dialog, char *unused) {
  char token[16384 + 1];
  size_t count = 0, length = 0;
  (void)unused;
  if (dialog->draft == NULL) return refuse("nothing was read: file PATH or url URL");
  if (!done(nbwss_endpoints_count(dialog->draft, &count))) return false;
  for (size_t i = 0; i < count; i++) {
    if (!done(nbwss_endpoints_token(dialog->draft, i, token, sizeof token - 1, &length))) return false;
    token[length++] = '\n';
    fflush(stdout);
    bool shown = write(STDOUT_FILENO, token, length) == (ssize_t)length;
    wipe(token, length);
    if (!shown) return false;
  }
  return true;
}

static bool do_add(struct dialog *dialog, char *unused) {
  (void)unused;
  if (dialog->draft == NULL) return refuse("nothing was read: file PATH or url URL");
  return done(nbwss_endpoints_add(dialog->connector, dialog->draft, &dialog->accepted));
}

/* All endpoints that were added, or one. */
static bool do_list(struct dialog *dialog, char *host_name) {
  nbwss_endpoints *list = NULL;
  nbwss_status status = *host_name != '\0' ? nbwss_endpoint_get(dialog->connector, host_name, &list)
                                           : nbwss_endpoint_list(dialog->connector, &list);
  bool shown = done(status) && show_all(list, true);
  return done(nbwss_endpoints_free(list)) && shown;
}

static bool do_trust(struct dialog *dialog, char *host_name) {
  return done(nbwss_endpoint_set_tls(dialog->connector, host_name, &dialog->accepted));
}

/* The new token is the next line of standard input: arguments are for everybody to see. */
static bool do_settoken(struct dialog *dialog, char *host_name) {
  char token[16384 + 2];
  if (fgets(token, sizeof token, stdin) == NULL) return refuse("no token came");
  nbwss_status status = nbwss_endpoint_set_token_n(dialog->connector, nbwss_str_z(host_name),
                                                   (nbwss_str){token, strcspn(token, "\r\n")});
  wipe(token, sizeof token);
  return done(status);
}

static bool do_priority(struct dialog *dialog, char *arguments) {
  char *host_name = strtok(arguments, " "), *number = strtok(NULL, " "), *end = number;
  long priority = number != NULL ? strtol(number, &end, 10) : 0;
  if (number == NULL || *end != '\0' || priority < INT32_MIN || priority > INT32_MAX) return refuse("priority HOST N");
  return done(nbwss_endpoint_set_priority(dialog->connector, host_name, (int32_t)priority));
}

static bool do_diagnose(struct dialog *dialog, char *arguments) {
  char *host_name = strtok(arguments, " "), *rest = strtok(NULL, " ");
  nbwss_inspection *inspection = NULL;
  nbwss_inspection_result result = NBWSS_INSPECTION_RESULT_INIT;
  nbwss_str text = NBWSS_STR_INIT;
  bool connect = rest != NULL && strcmp(rest, "connect") == 0;
  if (!done(nbwss_endpoint_diagnose(dialog->connector, host_name, connect, &inspection))) return false;
  bool shown = done(nbwss_inspection_text(inspection, &text)) && done(nbwss_inspection_get_result(inspection, &result));
  if (shown) printf("%.*s", TEXT(text));
  if (shown && !result.ok) printf("error: %.*s\n", TEXT(result.failure));
  return done(nbwss_inspection_free(inspection)) && shown && result.ok;
}

static bool do_health(struct dialog *dialog, char *unused) {
  nbwss_health health = NBWSS_HEALTH_INIT;
  (void)unused;
  if (!done(nbwss_connector_health(dialog->connector, &health))) return false;
  printf("%s: %" PRIu64 " of %" PRIu64 " groups connected, %" PRIu64 " of %" PRIu64 " endpoints activated, %" PRIu64
         " refused\n",
         health.groups_connected == health.groups ? "well" : "NOT WELL", health.groups_connected, health.groups,
         health.endpoints_active, health.endpoints, health.endpoints_refused);
  return true;
}

/* What a command does: something of this program's, or one call of the library. */
static const struct {
  const char *name;
  bool (*run)(struct dialog *dialog, char *arguments);
  nbwss_status (*call)(nbwss_connector *connector, const char *host_name);
  nbwss_status (*call_all)(nbwss_connector *connector);
  const char *help;
} commands[] = {
    {"file", do_file, NULL, NULL, "PATH            read endpoint details from a file"},
    {"url", do_url, NULL, NULL, "URL             read them from an https:// URL of the cloud application"},
    {"validate", do_validate, NULL, NULL, "[URL]           show the certificates of what was read, or of a wss:// URL"},
    {"accept", do_accept, NULL, NULL, "WHAT            trust what was shown: ca, pin (its key) or certificate"},
    {"token", do_token, NULL, NULL, "                show the token of what was read"},
    {"add", do_add, NULL, NULL, "                add what was read, with what was accepted"},
    {"list", do_list, NULL, NULL, "                all endpoints"},
    {"show", do_list, NULL, NULL, "HOST            one of them"},
    {"activate", NULL, nbwss_endpoint_activate, NULL, "HOST            connect it again"},
    {"deactivate", NULL, nbwss_endpoint_deactivate, NULL, "HOST            close its session, and connect it no more"},
    {"reconnect", NULL, nbwss_endpoint_reconnect, NULL, "HOST            connect its group anew, now"},
    {"remove", NULL, nbwss_endpoint_remove, NULL, "HOST            close its session and forget it"},
    {"trust", do_trust, NULL, NULL, "HOST            give it what was accepted"},
    {"settoken", do_settoken, NULL, NULL, "HOST            give it a new token: the next line of standard input"},
    {"priority", do_priority, NULL, NULL, "HOST N          give it another priority"},
    {"diagnose", do_diagnose, NULL, NULL, "HOST [connect]  try a connection step by step, if wanted with the token"},
    {"health", do_health, NULL, NULL, "                whether all groups are connected"},
    {"start", NULL, NULL, nbwss_connector_start, "                connect"},
    {"stop", NULL, NULL, nbwss_connector_stop, "                close all sessions"},
};

static bool run(struct dialog *dialog, char *line) {
  line[strcspn(line, "\r\n")] = '\0';
  char *arguments = line + strcspn(line, " ");
  if (*arguments != '\0') *arguments++ = '\0';
  bool known = strcmp(line, "help") == 0, help = known, ok = true;
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (help) printf("%-11s%s\n", commands[i].name, commands[i].help);
    if (strcmp(line, commands[i].name) != 0) continue;
    known = true;
    if (commands[i].run != NULL) ok = commands[i].run(dialog, arguments);
    if (commands[i].call != NULL) ok = done(commands[i].call(dialog->connector, arguments));
    if (commands[i].call_all != NULL) ok = done(commands[i].call_all(dialog->connector));
  }
  if (!known) return refuse("no such command: help lists them");
  if (ok) puts("ok");
  return ok;
}

/* Runs on a thread of the library. One printf is one line, whatever the dialog prints meanwhile. */
static void on_event(const nbwss_event *event, void *user_data) {
  static const char *const what[] = {"?", "connecting", "established", "token refused", "cannot connect",
                                     "disconnected", "callback blocks", "activated", "deactivated"};
  (void)user_data;
  nbwss_event_kind kind = event->kind <= NBWSS_EVENT_DEACTIVATED ? event->kind : 0; /* a later library may have more */
  printf("event %.*s: %s%s%.*s\n", TEXT(event->host_name), what[kind], event->reason.len > 0 ? ": " : "",
         TEXT(event->reason));
}

/* Gives the options the key for the tokens in --store. */
static bool set_key(nbwss_options *options, const char *path) {
  unsigned char key[33]; /* one more than there may be, so that the library sees a file that is too long */
  FILE *file = fopen(path, "rb");
  if (file == NULL) return refuse("--key: the file cannot be read");
  setvbuf(file, NULL, _IONBF, 0);
  nbwss_status status = nbwss_options_set_store_key(options, key, fread(key, 1, sizeof key, file));
  wipe(key, sizeof key);
  fclose(file);
  return done(status);
}

static bool set_option(nbwss_options *options, const char *name, const char *value) {
  nbwss_str unknown = NBWSS_STR_INIT;
  if (strcmp(name, "--store") == 0) return done(nbwss_options_set(options, "endpoint.store.path", value));
  if (strcmp(name, "--ca") == 0) return done(nbwss_options_set(options, "tls.caFile", value));
  if (strcmp(name, "--proxy") == 0) return done(nbwss_options_set(options, "proxy.url", value));
  if (strcmp(name, "--key") == 0) return set_key(options, value);
  if (strcmp(name, "--properties") != 0) return refuse("no such option");
  if (!done(nbwss_options_load_file(options, value, &unknown))) return false;
  if (unknown.len > 0) printf("unknown keys in %s:\n%.*s\n", value, TEXT(unknown));
  return true;
}

int main(int argc, char **argv) {
  static struct dialog dialog = {.accepted = NBWSS_TLS_INIT};
  nbwss_options *options = NULL;
  char line[4096];
  int next = 1;
  setvbuf(stdin, NULL, _IONBF, 0); /* its buffer would keep a token */
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  bool ok = done(nbwss_check_compat()) && done(nbwss_options_new(&options)) &&
            done(nbwss_options_on_event(options, on_event, NULL, NULL));
  for (; ok && next + 1 < argc && strncmp(argv[next], "--", 2) == 0; next += 2) {
    ok = set_option(options, argv[next], argv[next + 1]);
  }
  ok = ok && done(nbwss_connector_new(options, &dialog.connector));
  nbwss_options_free(options);
  if (!ok) return 1;
  if (next < argc) {
    while (ok && next < argc) ok = run(&dialog, argv[next++]);
  } else {
    while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) run(&dialog, line);
  }
  nbwss_endpoints_free(dialog.draft);
  nbwss_inspection_free(dialog.inspected);
  return done(nbwss_connector_destroy(dialog.connector)) && ok ? 0 : 1;
}
