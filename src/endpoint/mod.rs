//! What an administrator added: endpoint details, their rules, and the registry that holds them.
//!
//! The details are what a cloud application hands out for its listening URL (guide topic "endpoint details"):
//! `token`, `priority`, `groupId`, `hostName`, `url`.

mod allowed;
mod details;
mod json;
mod registry;
mod seal;
mod store;
mod tls;

pub(crate) use allowed::AllowedHosts;
pub use details::{Details, Invalid, MAX_GROUP_BYTES, MAX_HOST_NAME_BYTES, MAX_TOKEN_BYTES, MAX_URL_BYTES, Rule, Url};
pub(crate) use json::not_utf8;
pub use json::{MAX_JSON_BYTES, parse, read_file};
pub use registry::{Endpoint, EndpointId, Registry};
pub use seal::StoreKey;
pub(crate) use store::{EndpointStore, Stored};
pub use tls::{ClientFiles, EndpointTls, MAX_CA_PEM_BYTES, Pin};
