//! What can go wrong when a host calls us: one value per kind, turned into a C status in `ffi::status`.

use std::path::PathBuf;

/// Why a call was refused. The text names the argument, field or key and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument that no state could make valid.
    #[error("{argument}: {why}")]
    InvalidArgument {
        /// The argument's name in the header.
        argument: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A handle that was never given out, is already freed, or is of another type.
    #[error("{0} is not a live handle: never made, already freed, or of another type")]
    BadHandle(&'static str),
    /// The call cannot be made now, or not from this thread.
    #[error("{0}")]
    IllegalState(&'static str),
    /// There is no such setting.
    #[error("there is no setting {0:?}")]
    UnknownKey(String),
    /// A setting's value is malformed or out of bounds.
    #[error("setting {key}: {value:?} is not {expected}")]
    InvalidValue {
        /// The setting.
        key: &'static str,
        /// The refused value, shortened.
        value: String,
        /// What it should have been.
        expected: String,
    },
    /// A policy with a rule that cannot be meant.
    #[error("dispatch.policy: {0}")]
    InvalidPolicy(String),
    /// Endpoint details that break a rule.
    #[error(transparent)]
    InvalidEndpoint(#[from] crate::endpoint::Invalid),
    /// The host name is taken.
    #[error("hostName: an endpoint {0:?} is already there (names are compared without case)")]
    DuplicateEndpoint(String),
    /// No such endpoint, server group, header or list entry.
    #[error("there is no {what} {name:?}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// The name given.
        name: String,
    },
    /// A notification has nowhere to go.
    #[error("no endpoint has been added, so there is no server group to deliver to")]
    NoEndpoint,
    /// A notification that breaks a rule.
    #[error("{field}: {why}")]
    InvalidNotification {
        /// The field's name on the wire.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The outbox is at one of its limits.
    #[error("the outbox is full ({limit}); nothing was dropped, try again after deliveries")]
    QueueFull {
        /// The setting that sets the limit.
        limit: &'static str,
    },
    /// What was waited for did not happen in time.
    #[error("{0}")]
    Timeout(&'static str),
    /// The request has been answered already, by the host or by its deadline, or its connector is gone.
    #[error(
        "the request is no longer waiting for an answer: deadline passed, already answered, or connector destroyed"
    )]
    Expired,
    /// A file could not be read.
    #[error("{path}: {why}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// The operating system's word, where there is one.
        #[source]
        source: Option<std::io::Error>,
    },
    /// A line of a file of settings that is refused. Nothing was changed.
    #[error("{path}: line {line}: {why}", path = path.display())]
    Properties {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why the value is refused.
        why: Box<Error>,
    },
    /// A URL with endpoint details that could not be fetched.
    #[error("{0}")]
    Fetch(String),
    /// A database cannot be used. Nothing in it was changed.
    #[error("{path}: {why}", path = path.display())]
    Store {
        /// Its file.
        path: PathBuf,
        /// What is wrong and what would help.
        why: String,
        /// The cause, where there is one.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A database that another process, or another connector of this one, has open.
    #[error("{path}: is in use by another process or connector; each needs a file of its own", path = .0.display())]
    StoreInUse(PathBuf),
    /// A database of a newer version of this library.
    #[error("{path}: has format {format}, and this library knows formats up to {known}: use a newer library", path = path.display())]
    StoreNewer {
        /// Its file.
        path: PathBuf,
        /// What it says of itself.
        format: u64,
        /// The newest that can be read.
        known: u64,
    },
    /// The key does not fit the database. Nothing in it was changed.
    #[error("{path}: {why}", path = path.display())]
    StoreKey {
        /// Its file.
        path: PathBuf,
        /// Missing, needless or wrong.
        why: &'static str,
    },
    /// The host's callback gave no key for the database.
    #[error("the store key callback returned {0}")]
    NoStoreKey(i32),
    /// The operating system refused something.
    #[error("{what}")]
    System {
        /// What was being done.
        what: &'static str,
        /// The operating system's word.
        #[source]
        source: std::io::Error,
    },
    /// Certificates or a private key that cannot be used.
    #[error("{0}")]
    Tls(String),
    /// A call in a child made by `fork`.
    #[error("called in a process forked after the library was first used: fork first, then use it")]
    Forked,
    /// The header that the host was compiled with does not fit this library.
    #[error("header {header} does not fit library {library}")]
    Incompatible {
        /// The header's version.
        header: String,
        /// This library's version.
        library: &'static str,
    },
    /// A bug of ours, contained.
    #[error("internal error, please report: {0}")]
    Panic(String),
}

/// What happened, and why, and why that.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
