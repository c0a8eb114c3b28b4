//! Result codes, and the one place where an error becomes one.

use std::ffi::{CStr, c_char};

use crate::endpoint::Rule;
use crate::error::Error;

/// What a call came to. Every function that can fail returns one; `nbwss_last_error` has the words.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum nbwss_status {
    /// Done.
    NBWSS_OK = 0,
    /// An argument that no state could make valid: NULL, not UTF-8, a struct_size that is too small, ...
    NBWSS_INVALID_ARGUMENT = 1,
    /// A handle that was never given out, is already freed, or is of another type.
    NBWSS_BAD_HANDLE = 2,
    /// Not possible now (the connector is being destroyed), or not on this thread (a call that waits, made
    /// from a callback).
    NBWSS_ILLEGAL_STATE = 3,
    /// There is no such setting.
    NBWSS_UNKNOWN_KEY = 4,
    /// A setting's value is malformed or out of bounds.
    NBWSS_INVALID_VALUE = 5,
    /// Endpoint details with a value of the wrong type; the last error names the field. The other rules have codes of
    /// their own, `NBWSS_ENDPOINT_...`.
    NBWSS_INVALID_ENDPOINT = 6,
    /// The endpoint's host name is taken (compared without case).
    NBWSS_DUPLICATE_ENDPOINT = 7,
    /// No such endpoint, server group, header or list entry.
    NBWSS_NOT_FOUND = 8,
    /// A notification has nowhere to go: no endpoint has been added.
    NBWSS_NO_ENDPOINT = 9,
    /// A notification that breaks a rule; the last error names the field.
    NBWSS_INVALID_NOTIFICATION = 10,
    /// The outbox is at a limit. Nothing that was accepted is dropped; try again after deliveries.
    NBWSS_QUEUE_FULL = 11,
    /// What was waited for did not happen in time.
    NBWSS_TIMEOUT = 12,
    /// The request waits for no answer any more: deadline passed, already answered, or connector destroyed.
    NBWSS_EXPIRED = 13,
    /// A file or the operating system refused.
    NBWSS_IO = 14,
    /// Certificates or a private key that cannot be used.
    NBWSS_TLS = 15,
    /// Called in a child made by `fork` after the library was first used.
    NBWSS_FORKED = 16,
    /// A bug in the library, contained. Please report the last error.
    NBWSS_PANIC = 17,
    /// The header that the host was compiled with does not fit the library.
    NBWSS_INCOMPATIBLE = 18,
    /// A database cannot be used; nothing in it was changed.
    NBWSS_STORE = 19,
    /// A database that another process or connector has open.
    NBWSS_STORE_IN_USE = 20,
    /// A database of a newer version of this library.
    NBWSS_STORE_NEWER = 21,
    /// The key does not fit the database; nothing in it was changed.
    NBWSS_STORE_KEY = 22,
    /// A field of endpoint details is not there or empty. For all codes about endpoint details, the last error names
    /// the field and, in an array, the element.
    NBWSS_ENDPOINT_MISSING = 23,
    /// The endpoint's URL is `ws://`: not encrypted. Only `wss://` is dialled.
    NBWSS_ENDPOINT_NOT_ENCRYPTED = 24,
    /// The endpoint's URL cannot be read, or is not `wss://`.
    NBWSS_ENDPOINT_BAD_URL = 25,
    /// The endpoint's URL holds a user name or a password.
    NBWSS_ENDPOINT_USER_INFO = 26,
    /// The endpoint's priority is not a whole number from 0.
    NBWSS_ENDPOINT_BAD_PRIORITY = 27,
    /// A text of the endpoint's details is too long.
    NBWSS_ENDPOINT_TOO_LONG = 28,
    /// Endpoint details with a control character or half of a surrogate pair, or with white space in the host name.
    NBWSS_ENDPOINT_BAD_CHARACTER = 29,
    /// Endpoint details that are not UTF-8.
    NBWSS_ENDPOINT_NOT_UTF8 = 30,
    /// Endpoint details that are not JSON; the last error names line and column.
    NBWSS_ENDPOINT_NOT_JSON = 31,
    /// Endpoint details with a key twice, known or not.
    NBWSS_ENDPOINT_DUPLICATE_KEY = 32,
    /// A choice for TLS that cannot be meant: a malformed pin, two sources of certificate authorities, ...
    NBWSS_ENDPOINT_BAD_TLS = 33,
    /// Endpoint details could not be fetched from their URL; the last error says in which step and why.
    NBWSS_FETCH_FAILED = 34,
    /// The host of an endpoint's URL, or of a URL with endpoint details, is not among those of the setting
    /// `endpoint.allowedHosts`.
    NBWSS_ENDPOINT_HOST_NOT_ALLOWED = 35,
}

use nbwss_status::*;

/// Every code and its name.
const NAMES: [(nbwss_status, &CStr); 36] = [
    (NBWSS_OK, c"NBWSS_OK"),
    (NBWSS_INVALID_ARGUMENT, c"NBWSS_INVALID_ARGUMENT"),
    (NBWSS_BAD_HANDLE, c"NBWSS_BAD_HANDLE"),
    (NBWSS_ILLEGAL_STATE, c"NBWSS_ILLEGAL_STATE"),
    (NBWSS_UNKNOWN_KEY, c"NBWSS_UNKNOWN_KEY"),
    (NBWSS_INVALID_VALUE, c"NBWSS_INVALID_VALUE"),
    (NBWSS_INVALID_ENDPOINT, c"NBWSS_INVALID_ENDPOINT"),
    (NBWSS_DUPLICATE_ENDPOINT, c"NBWSS_DUPLICATE_ENDPOINT"),
    (NBWSS_NOT_FOUND, c"NBWSS_NOT_FOUND"),
    (NBWSS_NO_ENDPOINT, c"NBWSS_NO_ENDPOINT"),
    (NBWSS_INVALID_NOTIFICATION, c"NBWSS_INVALID_NOTIFICATION"),
    (NBWSS_QUEUE_FULL, c"NBWSS_QUEUE_FULL"),
    (NBWSS_TIMEOUT, c"NBWSS_TIMEOUT"),
    (NBWSS_EXPIRED, c"NBWSS_EXPIRED"),
    (NBWSS_IO, c"NBWSS_IO"),
    (NBWSS_TLS, c"NBWSS_TLS"),
    (NBWSS_FORKED, c"NBWSS_FORKED"),
    (NBWSS_PANIC, c"NBWSS_PANIC"),
    (NBWSS_INCOMPATIBLE, c"NBWSS_INCOMPATIBLE"),
    (NBWSS_STORE, c"NBWSS_STORE"),
    (NBWSS_STORE_IN_USE, c"NBWSS_STORE_IN_USE"),
    (NBWSS_STORE_NEWER, c"NBWSS_STORE_NEWER"),
    (NBWSS_STORE_KEY, c"NBWSS_STORE_KEY"),
    (NBWSS_ENDPOINT_MISSING, c"NBWSS_ENDPOINT_MISSING"),
    (NBWSS_ENDPOINT_NOT_ENCRYPTED, c"NBWSS_ENDPOINT_NOT_ENCRYPTED"),
    (NBWSS_ENDPOINT_BAD_URL, c"NBWSS_ENDPOINT_BAD_URL"),
    (NBWSS_ENDPOINT_USER_INFO, c"NBWSS_ENDPOINT_USER_INFO"),
    (NBWSS_ENDPOINT_BAD_PRIORITY, c"NBWSS_ENDPOINT_BAD_PRIORITY"),
    (NBWSS_ENDPOINT_TOO_LONG, c"NBWSS_ENDPOINT_TOO_LONG"),
    (NBWSS_ENDPOINT_BAD_CHARACTER, c"NBWSS_ENDPOINT_BAD_CHARACTER"),
    (NBWSS_ENDPOINT_NOT_UTF8, c"NBWSS_ENDPOINT_NOT_UTF8"),
    (NBWSS_ENDPOINT_NOT_JSON, c"NBWSS_ENDPOINT_NOT_JSON"),
    (NBWSS_ENDPOINT_DUPLICATE_KEY, c"NBWSS_ENDPOINT_DUPLICATE_KEY"),
    (NBWSS_ENDPOINT_BAD_TLS, c"NBWSS_ENDPOINT_BAD_TLS"),
    (NBWSS_FETCH_FAILED, c"NBWSS_FETCH_FAILED"),
    (NBWSS_ENDPOINT_HOST_NOT_ALLOWED, c"NBWSS_ENDPOINT_HOST_NOT_ALLOWED"),
];

impl From<&Error> for nbwss_status {
    fn from(error: &Error) -> nbwss_status {
        match error {
            Error::InvalidArgument { .. } => NBWSS_INVALID_ARGUMENT,
            Error::BadHandle(_) => NBWSS_BAD_HANDLE,
            Error::IllegalState(_) => NBWSS_ILLEGAL_STATE,
            Error::UnknownKey(_) => NBWSS_UNKNOWN_KEY,
            Error::InvalidValue { .. } | Error::InvalidPolicy(_) => NBWSS_INVALID_VALUE,
            Error::InvalidEndpoint(invalid) => match invalid.rule {
                Rule::WrongType => NBWSS_INVALID_ENDPOINT,
                Rule::Missing => NBWSS_ENDPOINT_MISSING,
                Rule::NotEncrypted => NBWSS_ENDPOINT_NOT_ENCRYPTED,
                Rule::BadUrl => NBWSS_ENDPOINT_BAD_URL,
                Rule::UserInfo => NBWSS_ENDPOINT_USER_INFO,
                Rule::BadPriority => NBWSS_ENDPOINT_BAD_PRIORITY,
                Rule::TooLong => NBWSS_ENDPOINT_TOO_LONG,
                Rule::Character => NBWSS_ENDPOINT_BAD_CHARACTER,
                Rule::NotUtf8 => NBWSS_ENDPOINT_NOT_UTF8,
                Rule::NotJson => NBWSS_ENDPOINT_NOT_JSON,
                Rule::DuplicateKey => NBWSS_ENDPOINT_DUPLICATE_KEY,
                Rule::BadTls => NBWSS_ENDPOINT_BAD_TLS,
                Rule::HostNotAllowed => NBWSS_ENDPOINT_HOST_NOT_ALLOWED,
            },
            Error::Properties { why, .. } => nbwss_status::from(&**why),
            Error::Fetch(_) => NBWSS_FETCH_FAILED,
            Error::DuplicateEndpoint(_) => NBWSS_DUPLICATE_ENDPOINT,
            Error::NotFound { .. } => NBWSS_NOT_FOUND,
            Error::NoEndpoint => NBWSS_NO_ENDPOINT,
            Error::InvalidNotification { .. } => NBWSS_INVALID_NOTIFICATION,
            Error::QueueFull { .. } => NBWSS_QUEUE_FULL,
            Error::Timeout(_) => NBWSS_TIMEOUT,
            Error::Expired => NBWSS_EXPIRED,
            Error::File { .. } | Error::System { .. } => NBWSS_IO,
            Error::Tls(_) => NBWSS_TLS,
            Error::Forked => NBWSS_FORKED,
            Error::Panic(_) => NBWSS_PANIC,
            Error::Incompatible { .. } => NBWSS_INCOMPATIBLE,
            Error::Store { .. } => NBWSS_STORE,
            Error::StoreInUse(_) => NBWSS_STORE_IN_USE,
            Error::StoreNewer { .. } => NBWSS_STORE_NEWER,
            Error::StoreKey { .. } | Error::NoStoreKey(_) => NBWSS_STORE_KEY,
        }
    }
}

/// The code's name, for example `"NBWSS_TIMEOUT"`; `"NBWSS_UNKNOWN_STATUS"` for a number that is no code.
/// The text is static and never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn nbwss_status_name(status: i32) -> *const c_char {
    let known = NAMES.iter().find(|(code, _)| *code as i32 == status);
    known.map_or(c"NBWSS_UNKNOWN_STATUS", |(_, name)| *name).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_code_under_its_own_name() {
        for (number, (code, name)) in NAMES.iter().enumerate() {
            assert_eq!(*code as usize, number);
            assert_eq!(name.to_str().unwrap(), format!("{code:?}"));
        }
    }
}
