//! `libnbwss`: the NetBackup WebSocket Service (NBWSS) protocol for an existing backup service.
//!
//! A backup server behind a firewall dials out to cloud applications over `wss://`, proves itself with a
//! token, answers the REST calls that the application sends, and pushes job and image notifications until
//! they are acknowledged. C and C++ hosts use `include/nbwss.h`; [`Connector`] is the same thing in Rust.
//!
//! The rooms, from the wire upwards: [`protocol`] encodes and decodes messages; [`session`], [`outbox`],
//! [`dispatch`] and [`supervisor`] decide what to do and never touch a socket or a clock (they are given
//! both as values, so tests run them in virtual time); [`endpoint`] holds what an administrator added;
//! `store` keeps databases on disk; [`transport`] moves bytes; [`connector`] ties them together and owns the
//! threads; `ffi` is the C boundary and the only place with `unsafe`.

#![deny(unsafe_code)]

#[forbid(unsafe_code)]
pub mod connector;
#[forbid(unsafe_code)]
pub mod dispatch;
#[forbid(unsafe_code)]
pub mod endpoint;
#[forbid(unsafe_code)]
mod error;
#[allow(unsafe_code)]
mod ffi;
#[forbid(unsafe_code)]
mod forward;
#[forbid(unsafe_code)]
pub mod outbox;
#[forbid(unsafe_code)]
mod panics;
#[forbid(unsafe_code)]
pub mod properties;
#[forbid(unsafe_code)]
pub mod protocol;
#[forbid(unsafe_code)]
mod secret;
#[forbid(unsafe_code)]
pub mod session;
#[forbid(unsafe_code)]
pub mod settings;
#[forbid(unsafe_code)]
mod store;
#[forbid(unsafe_code)]
pub mod supervisor;
#[forbid(unsafe_code)]
mod time;
#[forbid(unsafe_code)]
mod transport;

pub use connector::{
    AuditRecord, Cause, Connector, Delivery, Drained, EndpointInfo, Event, EventKind, Health, Host, Inspection,
    LogLine, Request, Stats, Trouble, Wants,
};
pub use error::Error;
pub use secret::Secret;
pub use settings::Settings;
pub use time::Now;
pub use transport::{Certificate, TlsFailure};
