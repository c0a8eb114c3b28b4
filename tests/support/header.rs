//! Generates `include/nbwss.h` from the doc comments and signatures in `src/ffi`.

use cbindgen::{Config, DocumentationStyle, Language, Style};

/// The files that have something to export, in the order a reader wants them.
const SOURCES: [&str; 13] = [
    "str",
    "status",
    "last_error",
    "version",
    "callback",
    "options",
    "connector",
    "group",
    "endpoint",
    "endpoints",
    "inspection",
    "notify",
    "request",
];

const INTRODUCTION: &str = r#"/**
 * @file
 * libnbwss: the NetBackup WebSocket Service protocol for a backup service.
 *
 * The service dials out over wss:// to cloud applications, answers the REST calls that they send, and pushes
 * job and image notifications until they are acknowledged.
 *
 *     nbwss_options_new -> nbwss_options_set, nbwss_options_on_request, ...
 *     nbwss_connector_new -> nbwss_endpoint_add_file -> nbwss_connector_start
 *     nbwss_notify_job, nbwss_notify_image; nbwss_request_respond in the callback or later
 *     nbwss_connector_drain -> nbwss_connector_stop -> nbwss_connector_wait -> nbwss_connector_destroy
 *
 * - Results: functions return a status; nbwss_last_error() has the words, per thread. Results come last in the
 *   argument list and are zeroed on entry.
 * - Handles: nbwss_options, nbwss_connector, nbwss_endpoints, nbwss_inspection and nbwss_request are checked: a
 *   handle that is NULL, freed, freed twice, made up or of another type gives a status. Freeing NULL does nothing.
 * - Text: UTF-8. A function that ends in `_n` takes pointer and length; its twin without `_n` takes a text that
 *   ends in NUL. Text that comes back is borrowed, for as long as the function says.
 * - Structs: start from the INIT macro: it sets `struct_size`, by which old hosts and new libraries understand
 *   each other.
 * - Threads: any function may be called from any thread. These wait for others, and may not be called in a
 *   callback: nbwss_connector_drain, _wait, _destroy and _poll; nbwss_endpoint_validate, _diagnose and _add_url
 *   and nbwss_endpoints_fetch. With a database, functions that change endpoints (`endpoint.store.path`) and
 *   `nbwss_notify_*` and `nbwss_job_*` (`outbox.store.path`) wait for the disk; the latter with `outbox.fullWait`
 *   for space, too. nbwss_connector_new, functions with `_file` in their names and those given an nbwss_tls that
 *   names files may wait for files. No other function waits; share/doc/nbwss/threads.md has a table.
 *
 * Callbacks:
 *
 *                          thread                may block     may call
 *       on_request         nbwss-call-N          yes           all but those that wait for others
 *       (dispatch.inline)  nbwss-io              no            all but those that wait for others
 *       on_delivery, on_event, on_audit, on_cancel, on_log
 *                          nbwss-report          not for long  all but those that wait for others
 *       on_dial            nbwss-dns             yes           all but those that wait for others
 *       on_store_key       the caller of nbwss_connector_new   nothing of that connector
 *       destructors        the thread that frees yes           all but those that wait for others
 *
 * With the setting `callbacks.poll` those of the first rows, down to on_log, run on the host's thread that calls
 * nbwss_connector_poll, _drain, _wait or _destroy, and there are no nbwss-call-N and nbwss-report threads.
 *
 * A callback must return: it must not throw, longjmp or end its thread. A C++ exception that leaves one ends the process
 * with SIGABRT (see nbwss_guard at the end). No lock of the library is held during a callback. Functions that wait for
 * others, called from one, return `NBWSS_ILLEGAL_STATE` at once.
 *
 * The library installs no signal handlers (its threads block all signals), raises no SIGPIPE, writes nothing
 * to standard output or error, has no environment variable decide anything (but those of a proxy, with the setting
 * `proxy.fromEnvironment`) and registers nothing to run at exit. A process that forks must do so before it first
 * calls nbwss_options_new: in a child made later every call returns `NBWSS_FORKED`.
 */"#;

const TRAILER: &str = r#"
/* Initial values. */

/** @{ */
/** What a struct of this name starts from. */
#define NBWSS_STR_INIT { NULL, 0 }
#define NBWSS_DRAINED_INIT { sizeof(nbwss_drained), 0, 0, 0 }
#define NBWSS_STATS_INIT { sizeof(nbwss_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define NBWSS_GROUP_COUNTS_INIT { sizeof(nbwss_group_counts), 0, 0, 0, 0, 0, 0, 0, 0 }
#define NBWSS_HEALTH_INIT { sizeof(nbwss_health), 0, 0, 0, 0, 0 }
#define NBWSS_TLS_INIT \
  { sizeof(nbwss_tls), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT }
#define NBWSS_ENDPOINT_INIT \
  { sizeof(nbwss_endpoint), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, 0, NULL }
#define NBWSS_ENDPOINT_INFO_INIT \
  { sizeof(nbwss_endpoint_info), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, 0, NBWSS_DISCONNECTED, false, \
    0, 0, 0, 0, 0, NBWSS_STR_INIT, NBWSS_CAUSE_NONE, 0, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT }
#define NBWSS_INSPECTION_RESULT_INIT \
  { sizeof(nbwss_inspection_result), false, false, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, \
    NBWSS_STR_INIT, NBWSS_CAUSE_NONE }
#define NBWSS_CERTIFICATE_INIT \
  { sizeof(nbwss_certificate), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, 0, 0, \
    NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, false, NBWSS_STR_INIT }
#define NBWSS_STEP_INIT { sizeof(nbwss_step), NBWSS_PHASE_RESOLVE, NBWSS_STR_INIT, 0, NBWSS_STR_INIT }
#define NBWSS_JOB_INIT \
  { sizeof(nbwss_job), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, \
    NBWSS_STR_INIT, 0, 0, 0, 0 }
#define NBWSS_IMAGE_INIT \
  { sizeof(nbwss_image), NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, NBWSS_STR_INIT, 0, 0 }
#define NBWSS_RESPONSE_INIT { sizeof(nbwss_response), 200, NULL, 0, NBWSS_STR_INIT }

/** @} */

/** A text that ends in NUL as pointer and length. */
static inline nbwss_str nbwss_str_z(const char *text) {
  nbwss_str view = NBWSS_STR_INIT;
  view.ptr = text;
  view.len = text != NULL ? strlen(text) : 0;
  return view;
}

/** Whether the library fits the header that this host is compiled with. Call it once, first. */
static inline nbwss_status nbwss_check_compat(void) {
  return nbwss_check_compat_version(NBWSS_VERSION_MAJOR, NBWSS_VERSION_MINOR, NBWSS_VERSION_PATCH);
}

/* Twins that take text ending in NUL. */

/** @{ */
/** As its twin that ends in _n, for text that ends in NUL. */
static inline nbwss_status nbwss_options_set(nbwss_options *options, const char *key, const char *value) {
  return nbwss_options_set_n(options, nbwss_str_z(key), nbwss_str_z(value));
}

static inline nbwss_status nbwss_options_set_int(nbwss_options *options, const char *key, int64_t value) {
  return nbwss_options_set_int_n(options, nbwss_str_z(key), value);
}

static inline nbwss_status nbwss_options_set_bool(nbwss_options *options, const char *key, bool value) {
  return nbwss_options_set_bool_n(options, nbwss_str_z(key), value);
}

static inline nbwss_status nbwss_options_load_file(nbwss_options *options, const char *path, nbwss_str *unknown) {
  return nbwss_options_load_file_n(options, nbwss_str_z(path), unknown);
}

static inline nbwss_status nbwss_connector_set_policy(nbwss_connector *connector, const char *rules) {
  return nbwss_connector_set_policy_n(connector, nbwss_str_z(rules));
}

static inline nbwss_status nbwss_group_start(nbwss_connector *connector, const char *group_id) {
  return nbwss_group_start_n(connector, nbwss_str_z(group_id));
}

static inline nbwss_status nbwss_group_stop(nbwss_connector *connector, const char *group_id) {
  return nbwss_group_stop_n(connector, nbwss_str_z(group_id));
}

static inline nbwss_status nbwss_group_stats(nbwss_connector *connector, const char *group_id,
                                                nbwss_group_counts *stats) {
  return nbwss_group_stats_n(connector, nbwss_str_z(group_id), stats);
}

static inline nbwss_status nbwss_group_forget(nbwss_connector *connector, const char *group_id) {
  return nbwss_group_forget_n(connector, nbwss_str_z(group_id));
}

static inline nbwss_status nbwss_endpoint_add_json(nbwss_connector *connector, const char *json) {
  return nbwss_endpoint_add_json_n(connector, nbwss_str_z(json));
}

static inline nbwss_status nbwss_endpoint_add_file(nbwss_connector *connector, const char *path) {
  return nbwss_endpoint_add_file_n(connector, nbwss_str_z(path));
}

static inline nbwss_status nbwss_endpoint_add_url(nbwss_connector *connector, const char *url) {
  return nbwss_endpoint_add_url_n(connector, nbwss_str_z(url));
}

static inline nbwss_status nbwss_endpoint_remove(nbwss_connector *connector, const char *host_name) {
  return nbwss_endpoint_remove_n(connector, nbwss_str_z(host_name));
}

static inline nbwss_status nbwss_endpoint_activate(nbwss_connector *connector, const char *host_name) {
  return nbwss_endpoint_activate_n(connector, nbwss_str_z(host_name));
}

static inline nbwss_status nbwss_endpoint_deactivate(nbwss_connector *connector, const char *host_name) {
  return nbwss_endpoint_deactivate_n(connector, nbwss_str_z(host_name));
}

static inline nbwss_status nbwss_endpoint_reconnect(nbwss_connector *connector, const char *host_name) {
  return nbwss_endpoint_reconnect_n(connector, nbwss_str_z(host_name));
}

static inline nbwss_status nbwss_endpoint_set_token(nbwss_connector *connector, const char *host_name,
                                                    const char *token) {
  return nbwss_endpoint_set_token_n(connector, nbwss_str_z(host_name), nbwss_str_z(token));
}

static inline nbwss_status nbwss_endpoint_set_tls(nbwss_connector *connector, const char *host_name,
                                                  const nbwss_tls *tls) {
  return nbwss_endpoint_set_tls_n(connector, nbwss_str_z(host_name), tls);
}

static inline nbwss_status nbwss_endpoint_set_priority(nbwss_connector *connector, const char *host_name,
                                                       int32_t priority) {
  return nbwss_endpoint_set_priority_n(connector, nbwss_str_z(host_name), priority);
}

static inline nbwss_status nbwss_endpoint_get(nbwss_connector *connector, const char *host_name,
                                              nbwss_endpoints **endpoints) {
  return nbwss_endpoint_get_n(connector, nbwss_str_z(host_name), endpoints);
}

static inline nbwss_status nbwss_endpoint_validate(nbwss_connector *connector, const char *url,
                                                   const nbwss_tls *tls, nbwss_inspection **inspection) {
  return nbwss_endpoint_validate_n(connector, nbwss_str_z(url), tls, inspection);
}

static inline nbwss_status nbwss_endpoint_diagnose(nbwss_connector *connector, const char *host_name, bool connect,
                                                   nbwss_inspection **inspection) {
  return nbwss_endpoint_diagnose_n(connector, nbwss_str_z(host_name), connect, inspection);
}

static inline nbwss_status nbwss_endpoints_read_json(const char *json, nbwss_endpoints **endpoints) {
  return nbwss_endpoints_read_json_n(nbwss_str_z(json), endpoints);
}

static inline nbwss_status nbwss_endpoints_read_file(const char *path, nbwss_endpoints **endpoints) {
  return nbwss_endpoints_read_file_n(nbwss_str_z(path), endpoints);
}

static inline nbwss_status nbwss_endpoints_fetch(nbwss_connector *connector, const char *url,
                                                 nbwss_endpoints **endpoints) {
  return nbwss_endpoints_fetch_n(connector, nbwss_str_z(url), endpoints);
}

static inline nbwss_status nbwss_notify_json(nbwss_connector *connector, const char *notification,
                                             uint64_t *sequence) {
  return nbwss_notify_json_n(connector, nbwss_str_z(notification), sequence);
}

static inline nbwss_status nbwss_request_header(const nbwss_request *request, const char *name, nbwss_str *value) {
  return nbwss_request_header_n(request, nbwss_str_z(name), value);
}

static inline nbwss_status nbwss_request_fail(nbwss_request *request, int32_t status_code, const char *message) {
  return nbwss_request_fail_n(request, status_code, nbwss_str_z(message));
}

/** @} */

#if defined(__cplusplus) && defined(__cpp_exceptions)
/**
 * A request callback that may throw, as one that does not: the request is then answered with 500, unless it was
 * consumed before: `nbwss_options_on_request(options, nbwss_guard<on_request>, data, NULL)`.
 */
template <void (*Callback)(nbwss_request *, void *)>
void nbwss_guard(nbwss_request *request, void *user_data) noexcept {
  try {
    Callback(request, user_data);
  } catch (...) {
    nbwss_request_fail(request, 500, "the host failed");
  }
}
#endif
"#;

/// The text of the header.
pub fn generate() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let versions = format!(
        "\n/** @{{ */\n/** The version of this header: see nbwss_check_compat. */\n#define NBWSS_VERSION_MAJOR {}\n#define NBWSS_VERSION_MINOR {}\n#define NBWSS_VERSION_PATCH {}\n\
         #define NBWSS_VERSION \"{}\"\n/** @}} */",
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
        env!("CARGO_PKG_VERSION"),
    );
    let mut config = Config {
        language: Language::C,
        style: Style::Both,
        header: Some(INTRODUCTION.to_owned()),
        include_guard: Some("NBWSS_H".to_owned()),
        after_includes: Some(versions),
        trailer: None,
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h", "string.h"].map(str::to_owned).into(),
        cpp_compat: true,
        usize_is_size_t: true,
        line_length: 110,
        documentation_style: DocumentationStyle::Cxx,
        ..Config::default()
    };
    config.function.sort_by = None;
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(format!("{root}/src/ffi/{source}.rs"));
    }
    let mut text = Vec::new();
    builder.generate().expect("src/ffi can be read").write(&mut text);
    let text = String::from_utf8(text).expect("the header is UTF-8");
    let end = text.rfind("#endif").expect("an include guard");
    format!("{}{}\n{}", &text[..end], TRAILER, &text[end..])
}
