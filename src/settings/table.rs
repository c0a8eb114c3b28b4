//! All settings, in the order of the reference: those of a subject beside each other.

use super::{Field, Setting};
use crate::endpoint::MAX_JSON_BYTES;

const MIB: u64 = 1 << 20;

/// All settings.
pub const TABLE: &[Setting] = &[
    Setting {
        key: "exception.ignoreDecoder",
        default: "false",
        field: Field::Flag(|s| &mut s.ignore_undecodable),
        meaning: "Ignore a message that cannot be decoded, instead of closing the connection.",
    },
    Setting {
        key: "notification.sendTimeout",
        default: "2000",
        field: Field::Unused(1, 3_600_000),
        meaning: "Accepted for compatibility: sending never blocks here, and time spent waiting for the socket counts \
                  towards notification.scheduledRate and the keep-alive limit.",
    },
    Setting {
        key: "notification.scheduledRate",
        default: "5",
        field: Field::Seconds(1, 3600, |s| &mut s.acknowledge_timeout),
        meaning: "How long to wait for an acknowledgement before a notification message is sent again.",
    },
    Setting {
        key: "notification.window",
        default: "8",
        field: Field::Count(1, 1024, |s| &mut s.window),
        meaning: "Notification messages in flight per server group; 1 is stop-and-wait.",
    },
    Setting {
        key: "notification.batchCount",
        default: "64",
        field: Field::Count(1, 4096, |s| &mut s.batch_count),
        meaning: "Notifications in one message at the most.",
    },
    Setting {
        key: "notification.batchBytes",
        default: "65536",
        field: Field::Bytes(1024, 16 * MIB, |s| &mut s.batch_bytes),
        meaning: "A message is not filled beyond this; a single larger notification still goes alone.",
    },
    Setting {
        key: "notification.maxBytes",
        default: "65536",
        field: Field::Bytes(256, 16 * MIB, |s| &mut s.notification_max_bytes),
        meaning: "Largest encoded notification that is accepted.",
    },
    Setting {
        key: "notification.maxAttempts",
        default: "10",
        field: Field::Count(1, 1_000_000, |s| &mut s.max_attempts),
        meaning: "A message that was sent so often over working connections without an acknowledgement no longer holds \
                  up others. If they are acknowledged, it is split to find the notification that is to blame, which \
                  is given up.",
    },
    Setting {
        key: "outbox.maxCount",
        default: "100000",
        field: Field::Count(1, 100_000_000, |s| &mut s.outbox_max_count),
        meaning: "Notifications held at the most, waiting for acknowledgement or for their delivery report to be made.",
    },
    Setting {
        key: "outbox.maxBytes",
        default: "67108864",
        field: Field::Bytes(1024, 64 * 1024 * MIB, |s| &mut s.outbox_max_bytes),
        meaning: "Encoded bytes of the notifications held at the most.",
    },
    Setting {
        key: "outbox.fullWait",
        default: "0",
        field: Field::Milliseconds(0, 3_600_000, |s| &mut s.outbox_full_wait),
        meaning: "How long a notification waits for space when the outbox is full; 0: it is refused at once. A callback \
                  never waits.",
    },
    Setting {
        key: "outbox.keepWithoutEndpoint",
        default: "false",
        field: Field::Flag(|s| &mut s.keep_without_endpoint),
        meaning: "Accept notifications while no endpoint has been added, for the first server group that comes.",
    },
    Setting {
        key: "outbox.collapseJobs",
        default: "false",
        field: Field::Flag(|s| &mut s.collapse_jobs),
        meaning: "When a server group is back, send of each job only the latest of the states that wait in memory.",
    },
    Setting {
        key: "outbox.store.path",
        default: "",
        field: Field::Path(|s| &mut s.store_path),
        meaning: "File that keeps notifications until they are acknowledged, beyond the end of the process; empty for \
                  memory only. Its directory must be there.",
    },
    Setting {
        key: "outbox.store.sync",
        default: "true",
        field: Field::Flag(|s| &mut s.store_sync),
        meaning: "A notification is accepted when it is safe on disk. Otherwise at once, and on disk soon after.",
    },
    Setting {
        key: "outbox.retention.maxAge",
        default: "0",
        field: Field::Seconds(0, 315_360_000, |s| &mut s.retention_max_age),
        meaning: "Older notifications are let go, with a report, while their server group has no session. 0: never.",
    },
    Setting {
        key: "outbox.retention.maxCount",
        default: "0",
        field: Field::Count(0, 100_000_000, |s| &mut s.retention_max_count),
        meaning: "Notifications that wait for a server group without a session; beyond it the oldest are let go, with \
                  a report. 0: no limit but outbox.maxCount.",
    },
    Setting {
        key: "outbox.retention.maxBytes",
        default: "0",
        field: Field::Bytes(0, 64 * 1024 * MIB, |s| &mut s.retention_max_bytes),
        meaning: "The same in encoded bytes. 0: no limit but outbox.maxBytes.",
    },
    Setting {
        key: "keepAlive.scheduledRate",
        default: "30",
        field: Field::Seconds(1, 3600, |s| &mut s.keep_alive_interval),
        meaning: "Time between two pings.",
    },
    Setting {
        key: "keepAlive.maxPongMissAllowed",
        default: "3",
        field: Field::Count(1, 100, |s| &mut s.max_missed_pongs),
        meaning: "Pings in a row without a pong after which the connection is given up.",
    },
    Setting {
        key: "connectionInfo.period",
        default: "60",
        field: Field::Seconds(1, 86_400, |s| &mut s.backoff_cap),
        meaning: "Longest pause between two attempts to connect a server group; an endpoint that refused the token is \
                  left alone for this long, and up to a quarter longer.",
    },
    Setting {
        key: "connect.backoffBase",
        default: "1000",
        field: Field::Milliseconds(1, 3_600_000, |s| &mut s.backoff_base),
        meaning: "Upper bound of the first pause between attempts; it doubles up to connectionInfo.period.",
    },
    Setting {
        key: "connect.maxRetryAfter",
        default: "3600",
        field: Field::Seconds(1, 86_400, |s| &mut s.max_retry_after),
        meaning: "An endpoint that asks with Retry-After to be left alone for longer is tried again after this.",
    },
    Setting {
        key: "connect.timeout",
        default: "10000",
        field: Field::Milliseconds(1, 3_600_000, |s| &mut s.connect_timeout),
        meaning: "Deadline of each phase of a connection attempt: name resolution, TCP, proxy, TLS, WebSocket upgrade.",
    },
    Setting {
        key: "connect.answerTimeout",
        default: "10000",
        field: Field::Milliseconds(1, 3_600_000, |s| &mut s.answer_timeout),
        meaning: "Deadline of the answer to CONNECT, the message that carries the token.",
    },
    Setting {
        key: "tls.caFile",
        default: "",
        field: Field::Path(|s| &mut s.ca_file),
        meaning: "PEM file with the certificate authorities to trust; empty for the system's.",
    },
    Setting {
        key: "proxy.url",
        default: "",
        field: Field::Text(|s| &mut s.proxy_url),
        meaning: "The proxy that endpoints are dialled through: http://host:port (CONNECT) or socks5://host:port; empty \
                  for none. It resolves their names.",
    },
    Setting {
        key: "proxy.user",
        default: "",
        field: Field::Text(|s| &mut s.proxy_user),
        meaning: "User name for the proxy.",
    },
    Setting {
        key: "proxy.password",
        default: "",
        field: Field::Secret(|s| &mut s.proxy_password),
        meaning: "Password for the proxy. It goes to that proxy only.",
    },
    Setting {
        key: "proxy.noProxy",
        default: "",
        field: Field::Text(|s| &mut s.no_proxy),
        meaning: "Hosts that are dialled past the proxy, with commas between them: ends of names (.example.com), \
                  addresses, networks (10.0.0.0/8), or * for all.",
    },
    Setting {
        key: "proxy.fromEnvironment",
        default: "false",
        field: Field::Flag(|s| &mut s.proxy_from_environment),
        meaning: "Take the proxy from HTTPS_PROXY or ALL_PROXY, and what goes past it from NO_PROXY, too. They are read \
                  once, when the connector is made; otherwise no variable of the environment is read.",
    },
    Setting {
        key: "endpoint.store.path",
        default: "",
        field: Field::Path(|s| &mut s.endpoint_store),
        meaning: "Database file in which endpoints survive the process, made if it is missing; empty to hold them in memory \
                  only.",
    },
    Setting {
        key: "endpoint.allowedHosts",
        default: "",
        field: Field::Text(|s| &mut s.endpoint_allowed_hosts),
        meaning: "Hosts that endpoints, and URLs with endpoint details, may be on, with commas between them: names, ends of \
                  names (.example.com), addresses, or * for all, as when it is empty. An address is allowed only if it is \
                  listed itself. No other host is dialled; an endpoint stored before stays in the list.",
    },
    Setting {
        key: "endpoint.url.maxBytes",
        default: "65536",
        field: Field::Bytes(1024, MAX_JSON_BYTES as u64, |s| &mut s.endpoint_url_max_bytes),
        meaning: "Largest answer that is taken from a URL with endpoint details.",
    },
    Setting {
        key: "endpoint.url.timeout",
        default: "10000",
        field: Field::Milliseconds(1, 3_600_000, |s| &mut s.endpoint_url_timeout),
        meaning: "Deadline of fetching endpoint details from a URL, redirects included.",
    },
    Setting {
        key: "tls.clientCertificateFile",
        default: "",
        field: Field::Path(|s| &mut s.client_certificate_file),
        meaning: "PEM file with our certificate and its issuers', for endpoints that ask who we are; read when the \
                  connector is made.",
    },
    Setting {
        key: "tls.clientKeyFile",
        default: "",
        field: Field::Path(|s| &mut s.client_key_file),
        meaning: "PEM file with the private key of tls.clientCertificateFile, not encrypted.",
    },
    Setting {
        key: "message.maxBytes",
        default: "16777216",
        field: Field::Bytes(1024, 256 * MIB, |s| &mut s.max_message_bytes),
        meaning: "Largest message that is taken from a peer; a larger one closes the connection with code 1009.",
    },
    Setting {
        key: "dispatch.policy",
        default: "",
        field: Field::Policy(|s| &mut s.policy),
        meaning: "Which REST calls reach the host, as rules `allow or deny METHODS PATH`; none is allowed without a rule.",
    },
    Setting {
        key: "dispatch.timeout",
        default: "30000",
        field: Field::Milliseconds(1, 86_400_000, |s| &mut s.dispatch_timeout),
        meaning: "Deadline of the host's answer to a request; after it the peer gets 504.",
    },
    Setting {
        key: "dispatch.threads",
        default: "4",
        field: Field::Count(1, 256, |s| &mut s.dispatch_threads),
        meaning: "Threads that run the request callback.",
    },
    Setting {
        key: "dispatch.maxOutstanding",
        default: "256",
        field: Field::Count(1, 1_000_000, |s| &mut s.dispatch_max_outstanding),
        meaning: "Requests that the host holds at the most, in all sessions together; over it the peer gets 503.",
    },
    Setting {
        key: "dispatch.maxPerSession",
        default: "128",
        field: Field::Count(1, 1_000_000, |s| &mut s.dispatch_max_per_session),
        meaning: "Requests that one session may have running at the most; over it the peer gets 503.",
    },
    Setting {
        key: "dispatch.maxHeldBytes",
        default: "67108864",
        field: Field::Bytes(0, 64 * 1024 * MIB, |s| &mut s.dispatch_max_held_bytes),
        meaning: "Requests that the host holds at the most, in bytes and in all sessions together; over it the peer gets 503. \
                  One alone is always taken.",
    },
    Setting {
        key: "dispatch.maxWaitingBytes",
        default: "67108864",
        field: Field::Bytes(0, 64 * 1024 * MIB, |s| &mut s.dispatch_max_waiting_bytes),
        meaning: "Answers that wait for one session's peer to read them, in bytes; the peer gets 503 in place of an answer over \
                  it, and the answer itself if it asks again with the same id while it is remembered. One alone always may wait.",
    },
    Setting {
        key: "dispatch.maxRate",
        default: "0",
        field: Field::Count(0, 1_000_000, |s| &mut s.dispatch_rate),
        meaning: "Requests a second that one session may send, with a burst of as many; over it the peer gets 429. 0: no limit.",
    },
    Setting {
        key: "dispatch.maxBodyBytes",
        default: "8388608",
        field: Field::Bytes(0, 256 * MIB, |s| &mut s.max_body_bytes),
        meaning: "Largest request body; over it the peer gets 413.",
    },
    Setting {
        key: "dispatch.maxJsonDepth",
        default: "32",
        field: Field::Count(1, 10_000, |s| &mut s.max_json_depth),
        meaning: "Deepest nesting of objects and arrays in a request body; over it the peer gets 400.",
    },
    Setting {
        key: "dispatch.forbiddenHeaders",
        default: "",
        field: Field::HeaderNames(|s| &mut s.forbidden_headers),
        meaning: "Headers that no request may have, with commas between them, besides those that none may have in any case \
                  (such as host, x-forwarded-for or x-http-method-override); the peer gets 400.",
    },
    Setting {
        key: "dispatch.inline",
        default: "false",
        field: Field::Flag(|s| &mut s.dispatch_inline),
        meaning: "Run the request callback on the thread of the sessions, for hosts that only hand requests over and never \
                  block: it saves a change of threads for each request.",
    },
    Setting {
        key: "dispatch.inlineLimit",
        default: "100",
        field: Field::Milliseconds(1, 3_600_000, |s| &mut s.inline_limit),
        meaning: "An inline callback that takes longer is reported as an event.",
    },
    Setting {
        key: "dispatch.statusKey",
        default: "statusCode",
        field: Field::Key(|s| &mut s.response_format.status_key),
        meaning: "Key of the HTTP status in the payload of a COMMAND RESPONSE.",
    },
    Setting {
        key: "dispatch.bodyKey",
        default: "response",
        field: Field::Key(|s| &mut s.response_format.body_key),
        meaning: "Key of the body in the payload of a COMMAND RESPONSE.",
    },
    Setting {
        key: "dispatch.embedJson",
        default: "false",
        field: Field::Flag(|s| &mut s.response_format.embed_json),
        meaning: "Send a response body that is JSON as it is, not escaped into a string.",
    },
    Setting {
        key: "dispatch.maxResponseBytes",
        default: "67108864",
        field: Field::Bytes(1024, 256 * MIB, |s| &mut s.max_response_bytes),
        meaning: "Largest response body that is taken from the host.",
    },
    Setting {
        key: "dispatch.rememberedCount",
        default: "1024",
        field: Field::Count(0, 1_000_000, |s| &mut s.remembered_count),
        meaning: "Requests remembered, in case they come again with the same id: the host is not called again.",
    },
    Setting {
        key: "dispatch.rememberedBytes",
        default: "8388608",
        field: Field::Bytes(0, 1024 * MIB, |s| &mut s.remembered_bytes),
        meaning: "Bytes of the answers remembered with the requests; over it the oldest answers go, or one that alone is \
                  larger, and a repetition then gets 409.",
    },
    Setting {
        key: "dispatch.rememberedTime",
        default: "600",
        field: Field::Seconds(1, 86_400, |s| &mut s.remembered_time),
        meaning: "How long a request is remembered after its answer.",
    },
    Setting {
        key: "dispatch.forward.url",
        default: "",
        field: Field::Text(|s| &mut s.forward_url),
        meaning: "The REST server that requests are forwarded to: http://host:port, https://host:port or \
                  unix:/path/to.sock; empty for the request callback.",
    },
    Setting {
        key: "dispatch.forward.caFile",
        default: "",
        field: Field::Path(|s| &mut s.forward_ca_file),
        meaning: "PEM file with the certificate authorities to trust for an https:// server; empty for the system's.",
    },
    Setting {
        key: "dispatch.forward.timeout",
        default: "25000",
        field: Field::Milliseconds(1, 86_400_000, |s| &mut s.forward_timeout),
        meaning: "Deadline of a forwarded request, the wait for a free connection included; after it the peer gets 504. \
                  Below dispatch.timeout, the peer learns why.",
    },
    Setting {
        key: "dispatch.forward.maxConnections",
        default: "8",
        field: Field::Count(1, 1024, |s| &mut s.forward_max_connections),
        meaning: "Requests forwarded at a time at the most, each over a connection of its own; the others wait.",
    },
    Setting {
        key: "callbacks.poll",
        default: "false",
        field: Field::Flag(|s| &mut s.callbacks_poll),
        meaning: "Callbacks wait until nbwss_connector_poll runs them on the host's thread, for hosts with an event loop. \
                  Not with dispatch.inline.",
    },
    Setting {
        key: "shutdown.timeout",
        default: "5000",
        field: Field::Milliseconds(1, 3_600_000, |s| &mut s.shutdown_timeout),
        meaning: "How long nbwss_connector_destroy may take.",
    },
    Setting {
        key: "log.level",
        default: "info",
        field: Field::Level(|s| &mut s.log_level),
        meaning: "What the log callback gets: off, error, warn, info or debug.",
    },
];
