//! Result codes, and the one place where an error becomes one.

use std::ffi::{CStr, c_char};

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
    /// Endpoint details that break a rule; the last error names the field.
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
}

use nbwss_status::*;

/// Every code and its name.
const NAMES: [(nbwss_status, &CStr); 23] = [
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
];

impl From<&Error> for nbwss_status {
    fn from(error: &Error) -> nbwss_status {
        match error {
            Error::InvalidArgument { .. } => NBWSS_INVALID_ARGUMENT,
            Error::BadHandle(_) => NBWSS_BAD_HANDLE,
            Error::IllegalState(_) => NBWSS_ILLEGAL_STATE,
            Error::UnknownKey(_) => NBWSS_UNKNOWN_KEY,
            Error::InvalidValue { .. } | Error::InvalidPolicy(_) => NBWSS_INVALID_VALUE,
            Error::InvalidEndpoint(_) => NBWSS_INVALID_ENDPOINT,
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
            Error::StoreKey { .. } => NBWSS_STORE_KEY,
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
