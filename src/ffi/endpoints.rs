//! `nbwss_endpoints`: a list of endpoints, as they are or as they are to be added.

use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::boundary;
use super::callback::nbwss_cause;
use super::connector::nbwss_connector;
use super::endpoint::{nbwss_tls, tls_choice};
use super::handle::{self, opaque};
use super::ptr::{self, Growing, Out};
use super::status::nbwss_status;
use super::str::nbwss_str;
use crate::connector::{ConnectionState, EndpointInfo};
use crate::endpoint::{self, Details, Invalid};
use crate::error::Error;

/// An endpoint's connection.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_connection_state {
    /// Not connected, and not being tried at this moment.
    NBWSS_DISCONNECTED = 0,
    /// Being connected.
    NBWSS_CONNECTING = 1,
    /// Established: the token was accepted.
    NBWSS_CONNECTED = 2,
    /// Told to end, and not ended yet.
    NBWSS_CLOSING = 3,
    /// The token was refused. The endpoint is tried again, slowly.
    NBWSS_REFUSED = 4,
}

/// An endpoint as it was when the list was made: everything but the token, which only `nbwss_endpoints_token` shows.
/// Start from `NBWSS_ENDPOINT_INFO_INIT`. The texts are borrowed until the list is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_endpoint_info {
    /// `sizeof(nbwss_endpoint_info)`.
    pub struct_size: usize,
    /// As it was added.
    pub host_name: nbwss_str,
    /// As it was added.
    pub url: nbwss_str,
    /// The server group.
    pub group_id: nbwss_str,
    /// The lowest is tried first.
    pub priority: i32,
    /// Its connection.
    pub state: nbwss_connection_state,
    /// ACTIVATED; or else DEACTIVATED, or not added yet.
    pub active: bool,
    /// When it came into that state: milliseconds since 1970; 0 where it was not added yet.
    pub since_ms: i64,
    /// Milliseconds to its next attempt; -1 when none is planned.
    pub next_attempt_in_ms: i64,
    /// Milliseconds since the peer was last heard; -1 without a session.
    pub last_heard_ms: i64,
    /// How often it was dialled.
    pub attempts: u64,
    /// How many sessions were established.
    pub sessions: u64,
    /// Its latest failure in words, which stays when it is over; empty if there was none.
    pub last_error: nbwss_str,
    /// The class of that failure.
    pub last_error_cause: nbwss_cause,
    /// When it was: milliseconds since 1970.
    pub last_error_ms: i64,
    /// Its choice for TLS: certificate authorities as PEM text. Empty, as the next two, where there is none.
    pub ca_pem: nbwss_str,
    /// A PEM file with certificate authorities.
    pub ca_file: nbwss_str,
    /// What its certificate must be.
    pub pin: nbwss_str,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_endpoint_info {}

/// A list of endpoints: as they were at one moment, or as they are to be added.
pub struct nbwss_endpoints {
    _private: [u8; 0],
}

opaque!(nbwss_endpoints, Endpoints, Endpoints, "endpoints");

pub(super) struct Endpoints(Vec<Entry>);

struct Entry {
    info: EndpointInfo,
    /// As text.
    ca_file: String,
    pin: String,
}

impl Endpoints {
    pub(super) fn new(all: impl IntoIterator<Item = EndpointInfo>) -> Endpoints {
        let entry = |info: EndpointInfo| {
            let tls = &info.details.tls;
            let ca_file = tls.ca_file.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
            let pin = tls.pin.map(|pin| pin.to_string()).unwrap_or_default();
            Entry { info, ca_file, pin }
        };
        Endpoints(all.into_iter().map(entry).collect())
    }

    fn entry(&self, index: usize) -> Result<&Entry, Error> {
        self.0.get(index).ok_or_else(|| Error::NotFound { what: "endpoint at index", name: index.to_string() })
    }
}

fn hand_out(out: Out<*mut nbwss_endpoints>, all: Vec<Details>) -> Result<(), Error> {
    let list = Endpoints::new(all.into_iter().map(EndpointInfo::from));
    out.set(handle::insert::<nbwss_endpoints>(Arc::new(list))?);
    Ok(())
}

/// Reads the endpoint, or all endpoints of the array, in a JSON text as `nbwss_endpoint_add_json` takes it, without
/// adding anything: an administrator may look at them first. `*endpoints` is to be freed with `nbwss_endpoints_free`.
///
/// Returns an `NBWSS_ENDPOINT_...` status; the last error names the field, or line and column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoints_read_json_n(
    json: nbwss_str,
    endpoints: *mut *mut nbwss_endpoints,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, and readable text, by the header.
        let (out, json) = unsafe { (Out::new("endpoints", endpoints)?, json.bytes("json")?) };
        hand_out(out, endpoint::parse(json)?)
    })
}

/// As `nbwss_endpoints_read_json_n`, from a file. Returns in addition `NBWSS_IO` where it cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoints_read_file_n(
    path: nbwss_str,
    endpoints: *mut *mut nbwss_endpoints,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, and readable text, by the header.
        let (out, path) = unsafe { (Out::new("endpoints", endpoints)?, path.text("path")?) };
        hand_out(out, endpoint::read_file(Path::new(path))?)
    })
}

/// As `nbwss_endpoints_read_json_n`, from an `https://` URL that the cloud application generated. It is fetched by the
/// connector's own way out (proxy) and trust (`tls.caFile`); redirects to another origin are not followed; bounded by
/// `endpoint.url.maxBytes` and `endpoint.url.timeout`. The connector need not be started.
///
/// Waits for the network. Returns in addition `NBWSS_FETCH_FAILED`; `NBWSS_ILLEGAL_STATE` at once from a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoints_fetch_n(
    connector: *mut nbwss_connector,
    url: nbwss_str,
    endpoints: *mut *mut nbwss_endpoints,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, and readable text, by the header.
        let (out, url) = unsafe { (Out::new("endpoints", endpoints)?, url.text("url")?) };
        hand_out(out, handle::get(connector)?.fetch_endpoints(url)?)
    })
}

/// Adds all endpoints of a list or none. `tls` is the choice for TLS of each; NULL for the settings `tls.*`.
///
/// Returns as `nbwss_endpoint_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoints_add(
    connector: *mut nbwss_connector,
    endpoints: *const nbwss_endpoints,
    tls: *const nbwss_tls,
) -> nbwss_status {
    boundary::call(|| {
        let (connector, list) = (handle::get(connector)?, handle::get(endpoints)?);
        // SAFETY: NULL or a struct of the host's, by the header.
        let tls = unsafe { tls_choice(tls) }?.unwrap_or_default();
        let details = list.0.iter().map(|entry| entry.info.details.clone().with_tls(tls.clone()));
        connector.add_endpoints(details.collect::<Result<Vec<Details>, Invalid>>()?)
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
        let entry = list.entry(index)?;
        let (info, details) = (&entry.info, &entry.info.details);
        let trouble = info.last_error.as_ref();
        out.set(nbwss_endpoint_info {
            struct_size: size_of::<nbwss_endpoint_info>(),
            host_name: nbwss_str::borrow(&details.host_name),
            url: nbwss_str::borrow(details.url.as_str()),
            group_id: nbwss_str::borrow(&details.group_id),
            priority: details.priority,
            state: match info.state {
                ConnectionState::Disconnected => nbwss_connection_state::NBWSS_DISCONNECTED,
                ConnectionState::Connecting => nbwss_connection_state::NBWSS_CONNECTING,
                ConnectionState::Connected => nbwss_connection_state::NBWSS_CONNECTED,
                ConnectionState::Closing => nbwss_connection_state::NBWSS_CLOSING,
                ConnectionState::Refused => nbwss_connection_state::NBWSS_REFUSED,
            },
            active: info.active,
            since_ms: info.since.map_or(0, since_1970),
            next_attempt_in_ms: info.next_attempt_in.map_or(-1, milliseconds),
            last_heard_ms: info.last_heard.map_or(-1, milliseconds),
            attempts: info.attempts,
            sessions: info.sessions,
            last_error: trouble.map_or(nbwss_str::literal(c""), |trouble| nbwss_str::borrow(&trouble.reason)),
            last_error_cause: trouble.map(|trouble| trouble.cause).unwrap_or_default().into(),
            last_error_ms: trouble.map_or(0, |trouble| since_1970(trouble.time)),
            ca_pem: nbwss_str::borrow(details.tls.ca_pem.as_deref().unwrap_or_default()),
            ca_file: nbwss_str::borrow(&entry.ca_file),
            pin: nbwss_str::borrow(&entry.pin),
        });
        Ok(())
    })
}

fn since_1970(time: SystemTime) -> i64 {
    milliseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Copies the token of one endpoint of the list, counted from 0, into the host's buffer: the only function that shows
/// one. `*length` is its length in bytes; nothing is appended to it. With `size` 0, `buffer` may be NULL, to ask for the
/// length alone.
///
/// Returns `NBWSS_INVALID_ARGUMENT` where `size` is not 0 and too small, and copies nothing then; `NBWSS_NOT_FOUND` past
/// the end. The buffer is the host's to wipe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoints_token(
    endpoints: *const nbwss_endpoints,
    index: usize,
    buffer: *mut c_char,
    size: usize,
    length: *mut usize,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a number, by the header.
        let out = unsafe { Out::new("length", length) }?;
        let list = handle::get(endpoints)?;
        let token = list.entry(index)?.info.details.token.expose();
        out.set(token.len());
        if size == 0 {
            return Ok(());
        }
        if buffer.is_null() || size < token.len() {
            let why = format!("holds fewer than the {} bytes of the token", token.len());
            return Err(Error::InvalidArgument { argument: "buffer", why });
        }
        // SAFETY: not NULL, and `size` bytes are writable, by the header.
        unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(token.as_ptr(), token.len()) };
        Ok(())
    })
}

/// Frees a list. NULL is nothing to do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoints_free(endpoints: *mut nbwss_endpoints) -> nbwss_status {
    boundary::call(|| handle::free(endpoints))
}
