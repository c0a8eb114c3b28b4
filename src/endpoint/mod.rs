//! What an administrator added: endpoint details, their rules, and the registry that holds them.
//!
//! The details are what a cloud application hands out for its listening URL (guide topic "endpoint details"):
//! `token`, `priority`, `groupId`, `hostName`, `url`.

mod details;
mod json;
mod registry;
// Used by the registry from its next change on.
#[cfg_attr(not(test), allow(dead_code))]
mod seal;
#[cfg_attr(not(test), allow(dead_code))]
mod store;
mod tls;

pub use details::{Details, Invalid, MAX_GROUP_BYTES, MAX_HOST_NAME_BYTES, MAX_TOKEN_BYTES, MAX_URL_BYTES, Url};
pub use json::{MAX_JSON_BYTES, parse, read_file};
pub use registry::{Endpoint, EndpointId, Registry};
pub use tls::{ClientFiles, EndpointTls, MAX_CA_PEM_BYTES, Pin};
