#define _POSIX_C_SOURCE 200809L

#include "rest.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "console.h"
#include "login.h"

enum {
  MAX_PATH = 512,
  TOO_LATE = 0,    /* in place of a status: the cloud application has had its answer from the library */
  SLOW_STEPS = 20, /* of the slow call; each takes SLOW_STEP_MS */
  SLOW_STEP_MS = 100
};

/* One call on its way through its handler. */
struct call {
  nbwss_request *request;
  struct rest *rest;
  const char *name; /* what the path says behind the route, decoded: the one that is meant; NULL: all of them */
};

static struct text empty(void) {
  struct text text = {NULL, 0, 0, false};
  return text;
}

/* What the cloud application is told, for an answer with this status that was sent with this success. */
static int told(nbwss_status sent, int status) {
  if (sent == NBWSS_EXPIRED) return TOO_LATE;
  if (sent != NBWSS_OK) say_failure("respond", sent);
  return status;
}

/* Either of these consumes the request. Returned is what the cloud application is told, for the log line. */
static int answer(const struct call *call, int status, struct text *body) {
  static const char media_type[] = "application/vnd.netbackup+json;version=1.0";
  nbwss_status sent;
  if (body != NULL && body->failed) {
    status = 500;
    sent = nbwss_request_fail(call->request, status, "out of memory");
  } else {
    nbwss_header content_type = {{"content-type", 12}, {media_type, sizeof media_type - 1}};
    nbwss_response response = NBWSS_RESPONSE_INIT;
    response.status_code = status;
    if (body != NULL) {
      response.headers = &content_type;
      response.header_count = 1;
      response.body.ptr = body->data;
      response.body.len = body->length;
    }
    sent = nbwss_request_respond(call->request, &response);
  }
  if (body != NULL) text_free(body);
  return told(sent, status);
}

static int refuse(const struct call *call, int status, const char *why) {
  return told(nbwss_request_fail(call->request, status, why), status);
}

/* Control characters, U+0080 to U+009F among them: no name has one, and a notification must not carry any. */
static bool has_control_character(const char *text) {
  for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
    if (*c < 0x20 || *c == 0x7f || (c[0] == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9f)) return true;
  }
  return false;
}

/* Reads a string of the request's body. False: the call has been answered 400, and `*status` says so. */
static bool read_field(const struct call *call, const char *name, char *out, size_t out_size, int *status) {
  nbwss_str body;
  nbwss_request_body(call->request, &body);
  char why[160];
  switch (json_read_string(body.ptr, body.len, name, out, out_size)) {
    case JSON_FOUND:
      if (out[0] != '\0' && !has_control_character(out)) return true;
      snprintf(why, sizeof why, "%s must not be empty or hold control characters", name);
      break;
    case JSON_ABSENT:
      snprintf(why, sizeof why, "%s must be a string of at most %zu bytes", name, out_size - 1);
      break;
    default: snprintf(why, sizeof why, "the body is not a JSON object"); break;
  }
  *status = refuse(call, 400, why);
  return false;
}

static int log_in(const struct call *call) {
  char user_name[NAME_SIZE], password[NAME_SIZE], token[TOKEN_SIZE];
  int status;
  if (!read_field(call, "userName", user_name, sizeof user_name, &status)) return status;
  if (!read_field(call, "password", password, sizeof password, &status)) return status;
  if (!login_accepts(user_name, password)) return refuse(call, 401, "user name or password is wrong");
  if (!login_make_token(token)) return refuse(call, 500, "no token could be made");
  struct text body = empty();
  text_add(&body, "{\"token\":");
  text_add_quoted(&body, token);
  text_add(&body, "}");
  return answer(call, 201, &body);
}

static int get_from(const struct call *call, bool (*describe)(struct catalogue *, const char *, struct text *)) {
  struct text body = empty();
  if (describe(call->rest->catalogue, call->name, &body)) return answer(call, 200, &body);
  text_free(&body);
  return refuse(call, 404, "there is no such object");
}

static int get_jobs(const struct call *call) { return get_from(call, catalogue_describe_jobs); }
static int get_images(const struct call *call) { return get_from(call, catalogue_describe_images); }
static int get_vmservers(const struct call *call) { return get_from(call, catalogue_describe_vmservers); }

static int add_vmserver(const struct call *call) {
  struct vmserver vmserver;
  int status;
  if (!read_field(call, "serverName", vmserver.name, sizeof vmserver.name, &status)) return status;
  if (!read_field(call, "vmType", vmserver.type, sizeof vmserver.type, &status)) return status;
  switch (catalogue_add_vmserver(call->rest->catalogue, &vmserver)) {
    case CHANGE_DONE: break;
    case CHANGE_EXISTS: return refuse(call, 409, "this VM server is registered already");
    default: return refuse(call, 507, "no more VM servers can be registered");
  }
  struct text body = empty();
  catalogue_describe_vmservers(call->rest->catalogue, vmserver.name, &body);
  return answer(call, 201, &body);
}

static int remove_vmserver(const struct call *call) {
  if (catalogue_remove_vmserver(call->rest->catalogue, call->name) == CHANGE_DONE) return answer(call, 204, NULL);
  return refuse(call, 404, "there is no such VM server");
}

static int start_backup(const struct call *call) {
  char policy[NAME_SIZE], client[NAME_SIZE], id[24];
  int status;
  if (!read_field(call, "policyName", policy, sizeof policy, &status)) return status;
  if (!read_field(call, "clientName", client, sizeof client, &status)) return status;
  struct job job;
  if (!backups_request(call->rest->backups, policy, client, &job)) return refuse(call, 503, "no backup can be started now");
  snprintf(id, sizeof id, "%lld", (long long)job.id);
  struct text body = empty();
  catalogue_describe_jobs(call->rest->catalogue, id, &body);
  return answer(call, 202, &body);
}

/*
 * The demonstration's own: takes longer than dispatch.timeout allows, and leaves the work when nobody waits for it any
 * more. The request is to be consumed all the same.
 */
static int be_slow(const struct call *call) {
  const struct timespec step = {0, SLOW_STEP_MS * 1000000L};
  bool wanted = true;
  for (int i = 0; i < SLOW_STEPS && wanted; i++) {
    nanosleep(&step, NULL);
    wanted = nbwss_request_is_wanted(call->request, &wanted) == NBWSS_OK && wanted;
  }
  return wanted ? answer(call, 200, NULL) : refuse(call, 503, "the work was left");
}

/* The demonstration's own: the cloud application may end the host, which then ends as it does for any SIGTERM. */
static int stop_host(const struct call *call) {
  int status = answer(call, 202, NULL);
  kill(getpid(), SIGTERM);
  return status;
}

struct route {
  const char *method;
  const char *path;
  bool named; /* a name must follow the path; a GET may do without */
  int (*handle)(const struct call *call);
};

static const struct route routes[] = {
    {"POST", "/netbackup/login", false, log_in},
    {"GET", "/netbackup/admin/jobs", true, get_jobs},
    {"POST", "/netbackup/admin/jobs", false, start_backup},
    {"GET", "/netbackup/admin/slow", false, be_slow},
    {"GET", "/netbackup/catalog/images", true, get_images},
    {"GET", "/netbackup/config/servers/vmservers", true, get_vmservers},
    {"POST", "/netbackup/config/servers/vmservers", false, add_vmserver},
    {"DELETE", "/netbackup/config/servers/vmservers", true, remove_vmserver},
    {"DELETE", "/netbackup/host", false, stop_host},
};

static int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

/* The path of a uri without its query, percent escapes decoded. False: too long, or an escape that is none. */
static bool decode_path(nbwss_str uri, char path[MAX_PATH]) {
  size_t length = 0;
  for (size_t i = 0; i < uri.len && uri.ptr[i] != '?'; i++) {
    char c = uri.ptr[i];
    if (c == '%') {
      int high = i + 2 < uri.len ? hex_value(uri.ptr[i + 1]) : -1;
      int low = i + 2 < uri.len ? hex_value(uri.ptr[i + 2]) : -1;
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return false;
      c = (char)(high * 16 + low);
      i += 2;
    }
    if (length + 1 >= MAX_PATH) return false;
    path[length++] = c;
  }
  path[length] = '\0';
  return true;
}

/* Does the path belong to the route? `*name` is the one segment behind it, or NULL. */
static bool path_fits(const struct route *route, const char *path, const char **name) {
  size_t length = strlen(route->path);
  *name = NULL;
  if (strncmp(path, route->path, length) != 0) return false;
  if (path[length] == '\0') return !route->named || strcmp(route->method, "GET") == 0;
  if (!route->named || path[length] != '/' || path[length + 1] == '\0') return false;
  *name = path + length + 1;
  return strchr(*name, '/') == NULL;
}

static int serve(struct call *call, nbwss_str method, nbwss_str uri) {
  char path[MAX_PATH];
  nbwss_str authorization;
  bool known_path = false;
  if (!decode_path(uri, path)) return refuse(call, 400, "the uri can't be decoded");
  for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
    const struct route *route = &routes[i];
    if (!path_fits(route, path, &call->name)) continue;
    known_path = true;
    if (method.len != strlen(route->method) || memcmp(method.ptr, route->method, method.len) != 0) continue;
    bool logged_in = nbwss_request_header(call->request, "authorization", &authorization) == NBWSS_OK &&
                     login_token_valid(authorization);
    if (!logged_in && route->handle != log_in) return refuse(call, 401, "log in first");
    return route->handle(call);
  }
  return known_path ? refuse(call, 405, "this method is not for this uri") : refuse(call, 404, "there is no such uri");
}

void rest_on_request(nbwss_request *request, void *user_data) {
  struct call call = {request, user_data, NULL};
  char line[256];
  nbwss_str method, uri;
  nbwss_request_method(request, &method);
  nbwss_request_uri(request, &uri);
  /* Kept for the log line: with the answer the request and all its texts are gone. */
  snprintf(line, sizeof line, "%-6.*s %.*s", STR_ARG(method), STR_ARG(uri));
  int status = serve(&call, method, uri);
  if (status == TOO_LATE) say("request", "%s → too late, nobody waits any more", line);
  else say("request", "%s → %d", line, status);
}
