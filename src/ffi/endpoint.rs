//! `nbwss_endpoint`: what an administrator does with one endpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::boundary;
use super::connector::nbwss_connector;
use super::endpoints::{Endpoints, nbwss_endpoints};
use super::handle;
use super::ptr::{self, Growing, Out};
use super::status::nbwss_status;
use super::str::nbwss_str;
use crate::endpoint::{self, ClientFiles, Details, EndpointTls, Invalid, Rule};
use crate::error::Error;
use crate::secret::Secret;

/// How TLS with one endpoint is done, where that differs from the settings `tls.*`. Start from `NBWSS_TLS_INIT`; a
/// field that is left empty is not meant.
///
/// Nothing turns verification off. The administrator's way: `nbwss_endpoint_validate` shows the certificates, and what
/// is accepted comes here. A `pin` without certificate authorities says alone who the endpoint is (for self-signed
/// ones); with them, both must hold.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_tls {
    /// `sizeof(nbwss_tls)`.
    pub struct_size: usize,
    /// Certificate authorities as PEM text; at most 64 KiB.
    pub ca_pem: nbwss_str,
    /// Instead: a PEM file with them, read at each attempt.
    pub ca_file: nbwss_str,
    /// The endpoint's own certificate: `certificate:` and its SHA-256 in hexadecimal digits, or `spki:` and that of its
    /// public key. Colons between the bytes are allowed.
    pub pin: nbwss_str,
    /// Our certificate, for endpoints that ask for one: a PEM file with it and its issuers, read at each attempt.
    pub client_certificate_file: nbwss_str,
    /// The PEM file with its private key.
    pub client_key_file: nbwss_str,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_tls {}

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
    /// How TLS is done; NULL for the settings `tls.*`.
    pub tls: *const nbwss_tls,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_endpoint {}

/// A field as text.
///
/// # Safety
/// As for [`nbwss_str::bytes`].
unsafe fn field<'a>(name: &'static str, value: nbwss_str) -> Result<&'a str, Error> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { value.bytes(name) }?;
    std::str::from_utf8(bytes).map_err(|error| endpoint::not_utf8(name, error).into())
}

/// The host's choice for TLS, if there is one.
///
/// # Safety
/// `tls` is NULL or a struct of the host's with readable texts.
pub(super) unsafe fn tls_choice(tls: *const nbwss_tls) -> Result<Option<EndpointTls>, Error> {
    if tls.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let (ca_pem, ca_file, pin, certificate, key) = unsafe {
        let tls = ptr::read("tls", tls)?;
        (
            field("caPem", tls.ca_pem)?,
            field("caFile", tls.ca_file)?,
            field("pin", tls.pin)?,
            field("clientCertificateFile", tls.client_certificate_file)?,
            field("clientKeyFile", tls.client_key_file)?,
        )
    };
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let client = match (given(certificate), given(key)) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(ClientFiles { certificate: PathBuf::from(certificate), key: PathBuf::from(key) })
        }
        _ => {
            let why = "goes with clientCertificateFile: give both or none";
            return Err(Invalid::new(Rule::BadTls, "clientKeyFile", why).into());
        }
    };
    Ok(Some(EndpointTls {
        ca_pem: given(ca_pem),
        ca_file: given(ca_file).map(PathBuf::from),
        pin: given(pin).map(|pin| pin.parse()).transpose()?,
        client,
    }))
}

/// Adds an endpoint, activated. If the connector is started, it is dialled at once, unless its server group has a
/// connection. With the setting `endpoint.store.path`, it is on the disk when this returns.
///
/// Returns an `NBWSS_ENDPOINT_...` status (the last error names the field), `NBWSS_DUPLICATE_ENDPOINT`, `NBWSS_IO` or
/// `NBWSS_TLS` for a file of the choice for TLS, or `NBWSS_STORE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_add(
    connector: *mut nbwss_connector,
    endpoint: *const nbwss_endpoint,
) -> nbwss_status {
    boundary::call(|| {
        let connector = handle::get(connector)?;
        // SAFETY: a struct of the host's with readable texts, by the header.
        let (details, tls) = unsafe {
            let endpoint = ptr::read("endpoint", endpoint)?;
            let host_name = field("hostName", endpoint.host_name)?;
            let url = field("url", endpoint.url)?;
            let group_id = field("groupId", endpoint.group_id)?;
            let token = Secret::new(field("token", endpoint.token)?.to_owned());
            let details = Details::new(host_name, url, group_id, endpoint.priority, token)?;
            (details, tls_choice(endpoint.tls)?)
        };
        connector.add_endpoint(details.with_tls(tls.unwrap_or_default())?)
    })
}

/// Adds the endpoint, or all endpoints of the array, in a JSON text with the keys `hostName`, `url`, `groupId`,
/// `priority` (a number, or a number in a string) and `token`; others are ignored. All or nothing; at most 64 KiB.
/// To show them before they are added, or for a choice of TLS, see `nbwss_endpoints_read_json`.
///
/// Returns as `nbwss_endpoint_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_add_json_n(connector: *mut nbwss_connector, json: nbwss_str) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.add_endpoints_json(unsafe { json.bytes("json") }?))
}

/// As `nbwss_endpoint_add_json_n`, from a file. Returns in addition `NBWSS_IO` where it cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_add_file_n(connector: *mut nbwss_connector, path: nbwss_str) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.add_endpoints_file(Path::new(unsafe { path.text("path") }?)))
}

/// As `nbwss_endpoint_add_json_n`, from an `https://` URL that the cloud application generated, fetched as
/// `nbwss_endpoints_fetch` does. Waits for the network. Returns in addition `NBWSS_FETCH_FAILED`;
/// `NBWSS_ILLEGAL_STATE` at once from a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_add_url_n(connector: *mut nbwss_connector, url: nbwss_str) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.add_endpoints_url(unsafe { url.text("url") }?))
}

/// Removes an endpoint by host name, compared without case, and closes its session. With the last endpoint of
/// a server group go the group's notifications, each with a delivery report.
///
/// Returns `NBWSS_NOT_FOUND` or `NBWSS_STORE`, as the following do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_remove_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.remove_endpoint(unsafe { host_name.text("host_name") }?))
}

/// Activates an endpoint that was deactivated: it is dialled at once, unless its server group has a connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_activate_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.set_endpoint_active(unsafe { host_name.text("host_name") }?, true))
}

/// Deactivates an endpoint: its session is closed, and it is not tried. Its group's notifications stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_deactivate_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.set_endpoint_active(unsafe { host_name.text("host_name") }?, false))
}

/// Gives an endpoint a new token. It is dialled anew with it at once; its session, opened with the old token, is
/// closed. An endpoint that had refused the old one is not left alone any longer.
///
/// Returns in addition an `NBWSS_ENDPOINT_...` status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_set_token_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
    token: nbwss_str,
) -> nbwss_status {
    boundary::call(|| {
        let connector = handle::get(connector)?;
        // SAFETY: readable text, by the header.
        let (host_name, token) = unsafe { (host_name.text("host_name")?, field("token", token)?) };
        connector.set_endpoint_token(host_name, Secret::new(token.to_owned()))
    })
}

/// Gives an endpoint another choice for TLS (NULL: the settings `tls.*`) and dials it anew, as `nbwss_endpoint_set_token`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_set_tls_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
    tls: *const nbwss_tls,
) -> nbwss_status {
    boundary::call(|| {
        let connector = handle::get(connector)?;
        // SAFETY: readable text, and a struct of the host's, by the header.
        let (host_name, tls) = unsafe { (host_name.text("host_name")?, tls_choice(tls)?) };
        connector.set_endpoint_tls(host_name, tls.unwrap_or_default())
    })
}

/// Gives an endpoint another priority. It counts from the group's next selection on: there is no fail-back.
///
/// Returns in addition `NBWSS_ENDPOINT_BAD_PRIORITY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_set_priority_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
    priority: i32,
) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.set_endpoint_priority(unsafe { host_name.text("host_name") }?, priority))
}

/// Reconnects now: ends the session of the endpoint's server group, if there is one, forgets pauses and refusals, and
/// dials anew, the best endpoint first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_reconnect_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.reconnect(unsafe { host_name.text("host_name") }?))
}

/// One endpoint as it is now: a list of one. `*endpoints` is to be freed with `nbwss_endpoints_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_get_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
    endpoints: *mut *mut nbwss_endpoints,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, and readable text, by the header.
        let (out, host_name) = unsafe { (Out::new("endpoints", endpoints)?, host_name.text("host_name")?) };
        let list = Endpoints::new([handle::get(connector)?.endpoint(host_name)?]);
        out.set(handle::insert::<nbwss_endpoints>(Arc::new(list))?);
        Ok(())
    })
}

/// All endpoints as they are now, ordered by host name. `*endpoints` is to be freed with `nbwss_endpoints_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_list(
    connector: *mut nbwss_connector,
    endpoints: *mut *mut nbwss_endpoints,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, by the header.
        let out = unsafe { Out::new("endpoints", endpoints) }?;
        let list = Endpoints::new(handle::get(connector)?.endpoints()?);
        out.set(handle::insert::<nbwss_endpoints>(Arc::new(list))?);
        Ok(())
    })
}
