//! `nbwss_endpoint` in, `nbwss_endpoints` (a list) out.

use std::path::Path;
use std::sync::Arc;

use super::boundary;
use super::connector::nbwss_connector;
use super::handle::{self, opaque};
use super::ptr::{self, Growing, Out};
use super::status::nbwss_status;
use super::str::nbwss_str;
use crate::connector::{ConnectionState, EndpointInfo};
use crate::endpoint::Details;
use crate::error::Error;
use crate::secret::Secret;

/// What a cloud application hands out for its listening URL. Start from `NBWSS_ENDPOINT_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_endpoint {
    /// `sizeof(nbwss_endpoint)`.
    pub struct_size: usize,
    /// `hostName`: unique among the endpoints, compared without case; at most 253 bytes.
    pub host_name: nbwss_str,
    /// `url`: `wss://` only, at most 2048 bytes. Its host is what the certificate must be for.
    pub url: nbwss_str,
    /// `groupId`: at most one endpoint of a server group is connected at a time; at most 256 bytes.
    pub group_id: nbwss_str,
    /// `token`: the proof of who we are; at most 16384 bytes. Copied, and wiped when no longer needed.
    pub token: nbwss_str,
    /// `priority`, from 0: the lowest is tried first.
    pub priority: i32,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_endpoint {}

/// An endpoint's connection.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_connection_state {
    /// Not connected, and not being tried at this moment.
    NBWSS_DISCONNECTED = 0,
    /// Being connected, or closing.
    NBWSS_CONNECTING = 1,
    /// Established: the token was accepted.
    NBWSS_CONNECTED = 2,
}

/// An endpoint as a list shows it: everything but the token. Start from `NBWSS_ENDPOINT_INFO_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_endpoint_info {
    /// `sizeof(nbwss_endpoint_info)`.
    pub struct_size: usize,
    /// As it was added. Borrowed, like the other texts, until the list is freed.
    pub host_name: nbwss_str,
    /// As it was added.
    pub url: nbwss_str,
    /// The server group.
    pub group_id: nbwss_str,
    /// The lowest is tried first.
    pub priority: i32,
    /// At the time of listing.
    pub state: nbwss_connection_state,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_endpoint_info {}

/// A list of endpoints as they were at one moment.
pub struct nbwss_endpoints {
    _private: [u8; 0],
}

opaque!(nbwss_endpoints, Endpoints, Endpoints, "endpoints");

pub(super) struct Endpoints(Vec<EndpointInfo>);

/// Adds an endpoint. If the connector is started, it is dialled at once, unless its server group has a
/// connection.
///
/// Returns `NBWSS_INVALID_ENDPOINT` (the last error names the field) or `NBWSS_DUPLICATE_ENDPOINT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_add(
    connector: *mut nbwss_connector,
    endpoint: *const nbwss_endpoint,
) -> nbwss_status {
    boundary::call(|| {
        let connector = handle::get(connector)?;
        // SAFETY: a struct of the host's with readable texts, by the header.
        let details = unsafe {
            let endpoint = ptr::read("endpoint", endpoint)?;
            let host_name = endpoint.host_name.text("hostName")?;
            let url = endpoint.url.text("url")?;
            let group_id = endpoint.group_id.text("groupId")?;
            let token = Secret::new(endpoint.token.text("token")?.to_owned());
            Details::new(host_name, url, group_id, endpoint.priority, token)?
        };
        connector.add_endpoint(details)
    })
}

/// Adds the endpoint, or all endpoints of the array, in a JSON text with the keys `hostName`, `url`, `groupId`,
/// `priority` (a number, or a number in a string) and `token`; others are ignored. All or nothing; at most 64 KiB.
///
/// Returns `NBWSS_INVALID_ENDPOINT` (the last error names the field, or line and column) or
/// `NBWSS_DUPLICATE_ENDPOINT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_add_json_n(connector: *mut nbwss_connector, json: nbwss_str) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.add_endpoints_json(unsafe { json.text("json") }?))
}

/// As `nbwss_endpoint_add_json_n`, from a file. Returns in addition `NBWSS_IO` where it cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_add_file_n(connector: *mut nbwss_connector, path: nbwss_str) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.add_endpoints_file(Path::new(unsafe { path.text("path") }?)))
}

/// Removes an endpoint by host name, compared without case, and closes its session. With the last endpoint of
/// a server group go the group's notifications, each with a delivery report.
///
/// Returns `NBWSS_NOT_FOUND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_remove_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.remove_endpoint(unsafe { host_name.text("host_name") }?))
}

/// Lists all endpoints, ordered by host name. `*endpoints` is to be freed with `nbwss_endpoints_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_list(
    connector: *mut nbwss_connector,
    endpoints: *mut *mut nbwss_endpoints,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, by the header.
        let out = unsafe { Out::new("endpoints", endpoints) }?;
        let list = Endpoints(handle::get(connector)?.endpoints()?);
        out.set(handle::insert::<nbwss_endpoints>(Arc::new(list))?);
        Ok(())
    })
}

/// How many endpoints the list has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoints_count(endpoints: *const nbwss_endpoints, count: *mut usize) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a number, by the header.
        let out = unsafe { Out::new("count", count) }?;
        out.set(handle::get(endpoints)?.0.len());
        Ok(())
    })
}

/// One endpoint of the list, counted from 0.
///
/// Returns `NBWSS_NOT_FOUND` past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoints_get(
    endpoints: *const nbwss_endpoints,
    index: usize,
    info: *mut nbwss_endpoint_info,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a struct of the host's, by the header.
        let out = unsafe { ptr::out("info", info) }?;
        let list = handle::get(endpoints)?;
        let missing = || Error::NotFound { what: "endpoint at index", name: index.to_string() };
        let endpoint = list.0.get(index).ok_or_else(missing)?;
        out.set(nbwss_endpoint_info {
            struct_size: size_of::<nbwss_endpoint_info>(),
            host_name: nbwss_str::borrow(&endpoint.host_name),
            url: nbwss_str::borrow(&endpoint.url),
            group_id: nbwss_str::borrow(&endpoint.group_id),
            priority: endpoint.priority,
            state: match endpoint.state {
                ConnectionState::Disconnected | ConnectionState::Refused => nbwss_connection_state::NBWSS_DISCONNECTED,
                ConnectionState::Connecting | ConnectionState::Closing => nbwss_connection_state::NBWSS_CONNECTING,
                ConnectionState::Connected => nbwss_connection_state::NBWSS_CONNECTED,
            },
        });
        Ok(())
    })
}

/// Frees a list. NULL is nothing to do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoints_free(endpoints: *mut nbwss_endpoints) -> nbwss_status {
    boundary::call(|| handle::free(endpoints))
}
