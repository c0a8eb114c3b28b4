//! Every setting in one table: key, type, unit, default, bounds and meaning.
//!
//! The keys of `nbwss.properties` are NetBackup's; all others are ours. [`Settings`] is what the rooms read.

use std::path::PathBuf;
use std::time::Duration;

use crate::dispatch::Policy;
use crate::endpoint::MAX_JSON_BYTES;
use crate::error::Error;
use crate::protocol::ResponseFormat;
use crate::secret::Secret;

/// How much the host wants to read in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing at all.
    Off,
    /// Something the host asked for cannot be done.
    Error,
    /// Something went wrong and is being retried.
    Warn,
    /// Sessions coming and going.
    Info,
    /// Each step of a connection.
    Debug,
}

/// The values in force for one connector. Made by [`Settings::default`] and changed by key.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // each field is documented by its row in TABLE
pub struct Settings {
    pub ignore_undecodable: bool,
    pub acknowledge_timeout: Duration,
    pub keep_alive_interval: Duration,
    pub max_missed_pongs: usize,
    pub backoff_cap: Duration,
    pub backoff_base: Duration,
    pub max_retry_after: Duration,
    pub connect_timeout: Duration,
    pub answer_timeout: Duration,
    pub ca_file: Option<PathBuf>,
    pub proxy_url: String,
    pub proxy_user: String,
    pub proxy_password: Option<Secret>,
    pub no_proxy: String,
    pub proxy_from_environment: bool,
    pub endpoint_store: Option<PathBuf>,
    pub endpoint_allowed_hosts: String,
    pub endpoint_url_max_bytes: usize,
    pub endpoint_url_timeout: Duration,
    pub client_certificate_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    pub max_message_bytes: usize,
    pub policy: Policy,
    pub dispatch_inline: bool,
    pub inline_limit: Duration,
    pub dispatch_max_per_session: usize,
    pub dispatch_rate: usize,
    pub max_body_bytes: usize,
    pub max_json_depth: usize,
    pub response_format: ResponseFormat,
    pub dispatch_timeout: Duration,
    pub dispatch_threads: usize,
    pub dispatch_max_outstanding: usize,
    pub remembered_count: usize,
    pub remembered_bytes: usize,
    pub remembered_time: Duration,
    pub max_response_bytes: usize,
    pub forward_url: String,
    pub forward_ca_file: Option<PathBuf>,
    pub forward_timeout: Duration,
    pub forward_max_connections: usize,
    pub outbox_max_count: usize,
    pub outbox_max_bytes: usize,
    pub outbox_full_wait: Duration,
    pub keep_without_endpoint: bool,
    pub collapse_jobs: bool,
    pub store_path: Option<PathBuf>,
    pub store_sync: bool,
    pub retention_max_age: Duration,
    pub retention_max_count: usize,
    pub retention_max_bytes: usize,
    pub max_attempts: usize,
    pub notification_max_bytes: usize,
    pub batch_count: usize,
    pub batch_bytes: usize,
    pub window: usize,
    pub shutdown_timeout: Duration,
    pub log_level: LogLevel,
}

/// One row of the table.
pub struct Setting {
    /// The key, as in `nbwss.properties`.
    pub key: &'static str,
    /// The default, as text that the same parser reads.
    pub default: &'static str,
    /// Type, unit, bounds and where the value goes.
    pub field: Field,
    /// One sentence for the reference.
    pub meaning: &'static str,
}

/// Where a value goes and what it may be.
pub enum Field {
    /// `true` or `false`.
    Flag(fn(&mut Settings) -> &mut bool),
    /// A whole number of seconds within the bounds.
    Seconds(u64, u64, fn(&mut Settings) -> &mut Duration),
    /// A whole number of milliseconds within the bounds.
    Milliseconds(u64, u64, fn(&mut Settings) -> &mut Duration),
    /// A plain number within the bounds.
    Count(u64, u64, fn(&mut Settings) -> &mut usize),
    /// A number of bytes within the bounds.
    Bytes(u64, u64, fn(&mut Settings) -> &mut usize),
    /// Text that is never shown again.
    Secret(fn(&mut Settings) -> &mut Option<Secret>),
    /// Text without control characters.
    Text(fn(&mut Settings) -> &mut String),
    /// A file's path; empty for none.
    Path(fn(&mut Settings) -> &mut Option<PathBuf>),
    /// A JSON key: 1 to 64 letters, digits, `_`, `-` or `.`.
    Key(fn(&mut Settings) -> &mut String),
    /// Rules for REST calls.
    Policy(fn(&mut Settings) -> &mut Policy),
    /// `off`, `error`, `warn`, `info` or `debug`.
    Level(fn(&mut Settings) -> &mut LogLevel),
    /// Milliseconds that are checked and then not used: a key of NetBackup's for which this design has no need.
    Unused(u64, u64),
}

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

impl Default for Settings {
    fn default() -> Settings {
        let mut settings = Settings {
            ignore_undecodable: false,
            acknowledge_timeout: Duration::ZERO,
            keep_alive_interval: Duration::ZERO,
            max_missed_pongs: 0,
            backoff_cap: Duration::ZERO,
            backoff_base: Duration::ZERO,
            max_retry_after: Duration::ZERO,
            connect_timeout: Duration::ZERO,
            answer_timeout: Duration::ZERO,
            ca_file: None,
            proxy_url: String::new(),
            proxy_user: String::new(),
            proxy_password: None,
            no_proxy: String::new(),
            proxy_from_environment: false,
            endpoint_store: None,
            endpoint_allowed_hosts: String::new(),
            endpoint_url_max_bytes: 0,
            endpoint_url_timeout: Duration::ZERO,
            client_certificate_file: None,
            client_key_file: None,
            max_message_bytes: 0,
            policy: Policy::default(),
            dispatch_inline: false,
            inline_limit: Duration::ZERO,
            dispatch_max_per_session: 0,
            dispatch_rate: 0,
            max_body_bytes: 0,
            max_json_depth: 0,
            response_format: ResponseFormat::default(),
            dispatch_timeout: Duration::ZERO,
            dispatch_threads: 0,
            dispatch_max_outstanding: 0,
            remembered_count: 0,
            remembered_bytes: 0,
            remembered_time: Duration::ZERO,
            max_response_bytes: 0,
            forward_url: String::new(),
            forward_ca_file: None,
            forward_timeout: Duration::ZERO,
            forward_max_connections: 0,
            outbox_max_count: 0,
            outbox_max_bytes: 0,
            outbox_full_wait: Duration::ZERO,
            keep_without_endpoint: false,
            collapse_jobs: false,
            store_path: None,
            store_sync: false,
            retention_max_age: Duration::ZERO,
            retention_max_count: 0,
            retention_max_bytes: 0,
            max_attempts: 0,
            notification_max_bytes: 0,
            batch_count: 0,
            batch_bytes: 0,
            window: 0,
            shutdown_timeout: Duration::ZERO,
            log_level: LogLevel::Off,
        };
        for row in TABLE {
            let applied = row.apply(&mut settings, row.default);
            debug_assert!(applied.is_ok(), "default of {}", row.key);
        }
        settings
    }
}

impl Settings {
    /// Changes one setting.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] names a key that is not in the table; [`Error::InvalidValue`] says what the value
    /// should be. The settings are then as they were.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        TABLE.iter().find(|row| row.key == key).ok_or_else(|| Error::UnknownKey(shown(key)))?.apply(self, value.trim())
    }
}

impl Setting {
    fn apply(&self, settings: &mut Settings, value: &str) -> Result<(), Error> {
        match self.field {
            Field::Flag(field) => {
                *field(settings) = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(self.invalid(value, "true or false")),
                }
            }
            Field::Seconds(min, max, field) => {
                *field(settings) = Duration::from_secs(self.number(value, min, max, "seconds")?);
            }
            Field::Milliseconds(min, max, field) => {
                *field(settings) = Duration::from_millis(self.number(value, min, max, "milliseconds")?);
            }
            Field::Count(min, max, field) => *field(settings) = self.size(value, min, max, "")?,
            Field::Bytes(min, max, field) => *field(settings) = self.size(value, min, max, "bytes")?,
            Field::Text(field) => {
                if value.chars().any(char::is_control) {
                    return Err(self.invalid(value, "text without control characters"));
                }
                *field(settings) = value.to_owned();
            }
            Field::Secret(field) => *field(settings) = (!value.is_empty()).then(|| Secret::new(value.to_owned())),
            Field::Path(field) => {
                if value.contains('\0') {
                    return Err(self.invalid(value, "a path without a NUL character"));
                }
                *field(settings) = (!value.is_empty()).then(|| PathBuf::from(value));
            }
            Field::Key(field) => {
                let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
                if value.is_empty() || value.len() > 64 || !value.bytes().all(fits) {
                    return Err(self.invalid(value, "1 to 64 letters, digits, _, - or ."));
                }
                value.clone_into(field(settings));
            }
            Field::Policy(field) => {
                *field(settings) = Policy::parse(value).map_err(|why| Error::InvalidPolicy(why.to_string()))?;
            }
            Field::Level(field) => {
                *field(settings) = match value {
                    "off" => LogLevel::Off,
                    "error" => LogLevel::Error,
                    "warn" => LogLevel::Warn,
                    "info" => LogLevel::Info,
                    "debug" => LogLevel::Debug,
                    _ => return Err(self.invalid(value, "off, error, warn, info or debug")),
                }
            }
            Field::Unused(min, max) => {
                self.number(value, min, max, "milliseconds")?;
            }
        }
        Ok(())
    }

    fn number(&self, value: &str, min: u64, max: u64, unit: &str) -> Result<u64, Error> {
        value.parse().ok().filter(|number| (min..=max).contains(number)).ok_or_else(|| {
            let unit = if unit.is_empty() { String::new() } else { format!(" of {unit}") };
            self.invalid(value, &format!("a whole number{unit} from {min} to {max}"))
        })
    }

    fn size(&self, value: &str, min: u64, max: u64, unit: &str) -> Result<usize, Error> {
        let number = self.number(value, min, max, unit)?;
        usize::try_from(number).map_err(|_| self.invalid(value, "a number that this machine can address"))
    }

    fn invalid(&self, value: &str, expected: &str) -> Error {
        Error::InvalidValue { key: self.key, value: shown(value), expected: expected.to_owned() }
    }
}

/// Foreign text as an error may show it: short, and on one line.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_own_bounds_and_every_key_is_there_once() {
        let mut settings = Settings::default();
        for (index, row) in TABLE.iter().enumerate() {
            row.apply(&mut settings, row.default).unwrap_or_else(|error| panic!("{error}"));
            assert!(TABLE[..index].iter().all(|other| other.key != row.key), "{} twice", row.key);
        }
        assert_eq!(settings.keep_alive_interval, Duration::from_secs(30));
        assert_eq!(settings.max_missed_pongs, 3);
    }

    #[test]
    fn an_unknown_key_and_a_bad_value_are_named() {
        let mut settings = Settings::default();
        let unknown = settings.set("keepalive.rate", "3").unwrap_err().to_string();
        assert!(unknown.contains("keepalive.rate"), "{unknown}");
        let bad = settings.set("keepAlive.scheduledRate", "0").unwrap_err().to_string();
        assert!(bad.contains("keepAlive.scheduledRate") && bad.contains("1 to 3600"), "{bad}");
        assert_eq!(settings.keep_alive_interval, Duration::from_secs(30));
    }

    #[test]
    fn values_are_trimmed_as_property_files_have_them() {
        let mut settings = Settings::default();
        settings.set("exception.ignoreDecoder", " true ").unwrap();
        assert!(settings.ignore_undecodable);
    }
}
