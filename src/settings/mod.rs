//! Every setting in one table: key, type, unit, default, bounds and meaning.
//!
//! The keys of `nbwss.properties` are NetBackup's; all others are ours. [`Settings`] is what the rooms read.

mod table;

use std::path::PathBuf;
use std::time::Duration;

use crate::dispatch::Policy;
use crate::error::Error;
use crate::protocol::{ResponseFormat, is_header_name};
use crate::secret::Secret;
pub use table::TABLE;

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
    pub dispatch_max_held_bytes: usize,
    pub dispatch_max_waiting_bytes: usize,
    pub dispatch_rate: usize,
    pub max_body_bytes: usize,
    pub max_json_depth: usize,
    pub forbidden_headers: Vec<String>,
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
    pub callbacks_poll: bool,
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
    /// `true` or `false`, in whatever case.
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
    /// Names of headers, with commas between them; in lower case.
    HeaderNames(fn(&mut Settings) -> &mut Vec<String>),
    /// Rules for REST calls.
    Policy(fn(&mut Settings) -> &mut Policy),
    /// `off`, `error`, `warn`, `info` or `debug`.
    Level(fn(&mut Settings) -> &mut LogLevel),
    /// Milliseconds that are checked and then not used: a key of NetBackup's for which this design has no need.
    Unused(u64, u64),
}

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
            dispatch_max_held_bytes: 0,
            dispatch_max_waiting_bytes: 0,
            dispatch_rate: 0,
            max_body_bytes: 0,
            max_json_depth: 0,
            forbidden_headers: Vec::new(),
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
            callbacks_poll: false,
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
    /// Whether each is possible beside the others.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.callbacks_poll && self.dispatch_inline {
            return Err(Error::InvalidValue {
                key: "dispatch.inline",
                value: "true".to_owned(),
                expected: "false, as callbacks.poll has the callback run on the host's threads".to_owned(),
            });
        }
        Ok(())
    }

    /// Whether groups that are away may have notifications let go.
    pub(crate) fn lets_go(&self) -> bool {
        !self.retention_max_age.is_zero() || self.retention_max_count > 0 || self.retention_max_bytes > 0
    }

    /// Changes one setting. White space around the value counts for nothing, but in text, secrets and paths it is theirs.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] names a key that is not in the table; [`Error::InvalidValue`] says what the value
    /// should be. The settings are then as they were.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        TABLE.iter().find(|row| row.key == key).ok_or_else(|| Error::UnknownKey(shown(key)))?.apply(self, value)
    }
}

impl Setting {
    fn apply(&self, settings: &mut Settings, value: &str) -> Result<(), Error> {
        let value = match self.field {
            Field::Text(_) | Field::Secret(_) | Field::Path(_) => value,
            _ => value.trim(),
        };
        match self.field {
            Field::Flag(field) => {
                *field(settings) = match value.to_ascii_lowercase().as_str() {
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
            Field::HeaderNames(field) => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                let names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
                if !names.iter().all(|name| is_header_name(name)) {
                    return Err(self.invalid(value, "names of headers with commas between them"));
                }
                *field(settings) = names;
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
    fn white_space_around_a_value_counts_only_where_it_may_be_meant() {
        let mut settings = Settings::default();
        settings.set("exception.ignoreDecoder", " True ").unwrap();
        assert!(settings.ignore_undecodable);
        settings.set("keepAlive.scheduledRate", " 7\n").unwrap();
        assert_eq!(settings.keep_alive_interval, Duration::from_secs(7));
        settings.set("proxy.password", "secret ").unwrap();
        assert_eq!(settings.proxy_password.as_ref().map(Secret::expose), Some("secret "));
        settings.set("proxy.user", " u").unwrap();
        assert_eq!(settings.proxy_user, " u");
        settings.set("tls.caFile", "/a ").unwrap();
        assert_eq!(settings.ca_file, Some(PathBuf::from("/a ")));
    }
}
