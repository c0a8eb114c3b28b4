//! `nbwss_inspection`: how far a connection to an endpoint gets, and the certificates that it shows.

use std::sync::Arc;
use std::time::Duration;

use super::boundary;
use super::callback::nbwss_cause;
use super::connector::nbwss_connector;
use super::endpoint::{nbwss_tls, tls_choice};
use super::handle::{self, opaque};
use super::ptr::{self, Growing, Out};
use super::status::nbwss_status;
use super::str::nbwss_str;
use crate::connector::{Certificate, Inspection, Phase};
use crate::error::Error;

/// What was seen on the way to an endpoint. All texts are borrowed until it is freed, and none holds a secret.
pub struct nbwss_inspection {
    _private: [u8; 0],
}

opaque!(nbwss_inspection, Shown, Inspection, "inspection");

/// An inspection with its texts made.
pub(super) struct Shown {
    inspection: Inspection,
    /// For each certificate, its alternative names.
    names: Vec<String>,
    text: String,
}

/// What became of an inspection. Start from `NBWSS_INSPECTION_RESULT_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_inspection_result {
    /// `sizeof(nbwss_inspection_result)`.
    pub struct_size: usize,
    /// Every step was done.
    pub ok: bool,
    /// The certificates are what the choice for TLS trusts.
    pub trusted: bool,
    /// Why they are not, in words; empty where they are, or none were seen.
    pub distrust: nbwss_str,
    /// PEM text of the certificate that, given as `ca_pem`, makes the endpoint trusted: what an administrator accepts
    /// after having compared fingerprints. Empty where there is none, and only a pin can do.
    pub ca_to_accept: nbwss_str,
    /// `TLS 1.3` or `TLS 1.2`; empty where it did not get so far.
    pub tls_version: nbwss_str,
    /// Why the last step failed, in words; empty where it was done.
    pub failure: nbwss_str,
    /// The class of that failure.
    pub cause: nbwss_cause,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_inspection_result {}

/// A certificate, the endpoint's own first. Start from `NBWSS_CERTIFICATE_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_certificate {
    /// `sizeof(nbwss_certificate)`.
    pub struct_size: usize,
    /// Distinguished name (RFC 4514).
    pub subject: nbwss_str,
    /// Distinguished name of who signed it.
    pub issuer: nbwss_str,
    /// What it is for: `DNS:...` and `IP:...`, separated by `, `.
    pub names: nbwss_str,
    /// Serial number in hexadecimal digits.
    pub serial: nbwss_str,
    /// First second of its time, since 1970.
    pub not_before: i64,
    /// Last second of its time, since 1970.
    pub not_after: i64,
    /// `RSA 2048`, `ECDSA P-256`, `Ed25519`, ...
    pub key_type: nbwss_str,
    /// SHA-256 of the certificate, in hexadecimal digits: what `certificate:` pins.
    pub sha256: nbwss_str,
    /// SHA-256 of its public key, in hexadecimal digits: what `spki:` pins.
    pub spki_sha256: nbwss_str,
    /// It may sign others.
    pub is_ca: bool,
    /// The certificate as PEM text.
    pub pem: nbwss_str,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_certificate {}

/// A step of a connection.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum nbwss_phase {
    /// Asking for the addresses of a name.
    NBWSS_PHASE_RESOLVE = 1,
    /// Reaching one of the addresses.
    NBWSS_PHASE_TCP = 2,
    /// Having a proxy reach the endpoint.
    NBWSS_PHASE_PROXY = 3,
    /// Having the dial callback reach the endpoint.
    NBWSS_PHASE_DIAL = 4,
    /// The TLS handshake, with verification.
    NBWSS_PHASE_TLS = 5,
    /// From HTTP to WebSocket.
    NBWSS_PHASE_UPGRADE = 6,
    /// The message with the token, and its answer.
    NBWSS_PHASE_CONNECT = 7,
}

/// One step of an inspection. Start from `NBWSS_STEP_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_step {
    /// `sizeof(nbwss_step)`.
    pub struct_size: usize,
    /// What was done.
    pub phase: nbwss_phase,
    /// With whom: a name, an address or a proxy.
    pub peer: nbwss_str,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What went wrong, in words; empty where nothing did.
    pub failure: nbwss_str,
}

// SAFETY: repr(C), begins with struct_size; zero is no phase, but such a struct is only written, never read.
unsafe impl Growing for nbwss_step {}

fn hand_out(out: Out<*mut nbwss_inspection>, inspection: Inspection) -> Result<(), Error> {
    let names = inspection.certificates.iter().map(|certificate| certificate.sans.join(", ")).collect();
    let text = inspection.to_string();
    out.set(handle::insert::<nbwss_inspection>(Arc::new(Shown { inspection, names, text }))?);
    Ok(())
}

/// Validates an endpoint before it is added: dials it (through the proxy, if there is one), finishes the TLS handshake
/// without sending a byte more, and shows its certificates, trusted or not. `tls` is the choice for TLS to judge them
/// by; NULL for the settings `tls.*`. The connector need not be started.
///
/// An endpoint that cannot be reached is not an error of this call: the steps tell. Waits for the network, for each step
/// at most `connect.timeout`. `*inspection` is to be freed with `nbwss_inspection_free`.
///
/// Returns an `NBWSS_ENDPOINT_...` status for the URL; `NBWSS_ILLEGAL_STATE` at once from a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_validate_n(
    connector: *mut nbwss_connector,
    url: nbwss_str,
    tls: *const nbwss_tls,
    inspection: *mut *mut nbwss_inspection,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, readable text, NULL or a struct of the host's, by the header.
        let (out, url, tls) =
            unsafe { (Out::new("inspection", inspection)?, url.text("url")?, tls_choice(tls)?.unwrap_or_default()) };
        hand_out(out, handle::get(connector)?.validate(url, tls)?)
    })
}

/// Diagnoses an added endpoint: the same walk, and then the real one to its end, the WebSocket upgrade; with `connect`
/// the token is sent, too, and the answer awaited. For an endpoint that has a session this is a second connection.
///
/// Otherwise as `nbwss_endpoint_validate`. Returns in addition `NBWSS_NOT_FOUND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_endpoint_diagnose_n(
    connector: *mut nbwss_connector,
    host_name: nbwss_str,
    connect: bool,
    inspection: *mut *mut nbwss_inspection,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, and readable text, by the header.
        let (out, host_name) = unsafe { (Out::new("inspection", inspection)?, host_name.text("host_name")?) };
        hand_out(out, handle::get(connector)?.diagnose(host_name, connect)?)
    })
}

/// What became of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_inspection_get_result(
    inspection: *const nbwss_inspection,
    result: *mut nbwss_inspection_result,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a struct of the host's, by the header.
        let out = unsafe { ptr::out("result", result) }?;
        let shown = handle::get(inspection)?;
        let inspection = &shown.inspection;
        out.set(nbwss_inspection_result {
            struct_size: size_of::<nbwss_inspection_result>(),
            ok: inspection.failure.is_none(),
            trusted: matches!(inspection.trusted, Some(Ok(()))),
            distrust: match &inspection.trusted {
                Some(Err(why)) => nbwss_str::borrow(why),
                _ => nbwss_str::literal(c""),
            },
            ca_to_accept: nbwss_str::borrow(inspection.ca_to_accept.as_deref().unwrap_or_default()),
            tls_version: nbwss_str::borrow(inspection.tls_version),
            failure: nbwss_str::borrow(inspection.failure.as_ref().map_or("", |(_, why)| why)),
            cause: inspection.failure.as_ref().map(|(cause, _)| *cause).unwrap_or_default().into(),
        });
        Ok(())
    })
}

/// How many certificates the endpoint showed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_inspection_certificate_count(
    inspection: *const nbwss_inspection,
    count: *mut usize,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a number, by the header.
        let out = unsafe { Out::new("count", count) }?;
        out.set(handle::get(inspection)?.inspection.certificates.len());
        Ok(())
    })
}

/// One certificate, counted from 0: the endpoint's own, then its issuers, as the endpoint sent them.
///
/// Returns `NBWSS_NOT_FOUND` past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_inspection_certificate(
    inspection: *const nbwss_inspection,
    index: usize,
    certificate: *mut nbwss_certificate,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a struct of the host's, by the header.
        let out = unsafe { ptr::out("certificate", certificate) }?;
        let shown = handle::get(inspection)?;
        let missing = || Error::NotFound { what: "certificate at index", name: index.to_string() };
        let certificate: &Certificate = shown.inspection.certificates.get(index).ok_or_else(missing)?;
        out.set(nbwss_certificate {
            struct_size: size_of::<nbwss_certificate>(),
            subject: nbwss_str::borrow(&certificate.subject),
            issuer: nbwss_str::borrow(&certificate.issuer),
            names: nbwss_str::borrow(shown.names.get(index).ok_or_else(missing)?),
            serial: nbwss_str::borrow(&certificate.serial),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            key_type: nbwss_str::borrow(&certificate.key_type),
            sha256: nbwss_str::borrow(&certificate.sha256),
            spki_sha256: nbwss_str::borrow(&certificate.spki_sha256),
            is_ca: certificate.is_ca,
            pem: nbwss_str::borrow(&certificate.pem),
        });
        Ok(())
    })
}

/// How many steps were taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_inspection_step_count(
    inspection: *const nbwss_inspection,
    count: *mut usize,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a number, by the header.
        let out = unsafe { Out::new("count", count) }?;
        out.set(handle::get(inspection)?.inspection.steps.len());
        Ok(())
    })
}

/// One step, counted from 0, in the order taken.
///
/// Returns `NBWSS_NOT_FOUND` past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_inspection_step(
    inspection: *const nbwss_inspection,
    index: usize,
    step: *mut nbwss_step,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a struct of the host's, by the header.
        let out = unsafe { ptr::out("step", step) }?;
        let shown = handle::get(inspection)?;
        let missing = || Error::NotFound { what: "step at index", name: index.to_string() };
        let step = shown.inspection.steps.get(index).ok_or_else(missing)?;
        out.set(nbwss_step {
            struct_size: size_of::<nbwss_step>(),
            phase: match step.phase {
                Phase::Resolve => nbwss_phase::NBWSS_PHASE_RESOLVE,
                Phase::Tcp => nbwss_phase::NBWSS_PHASE_TCP,
                Phase::Proxy => nbwss_phase::NBWSS_PHASE_PROXY,
                Phase::HostDial => nbwss_phase::NBWSS_PHASE_DIAL,
                Phase::Tls => nbwss_phase::NBWSS_PHASE_TLS,
                Phase::Upgrade => nbwss_phase::NBWSS_PHASE_UPGRADE,
                Phase::Connect => nbwss_phase::NBWSS_PHASE_CONNECT,
            },
            peer: nbwss_str::borrow(&step.peer),
            duration_us: microseconds(step.took),
            failure: nbwss_str::borrow(step.failure.as_deref().unwrap_or_default()),
        });
        Ok(())
    })
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// All of it as text of several lines, for a person: an operator can send it to support.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_inspection_text(
    inspection: *const nbwss_inspection,
    text: *mut nbwss_str,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a text, by the header.
        let out = unsafe { Out::new("text", text) }?;
        out.set(nbwss_str::borrow(&handle::get(inspection)?.text));
        Ok(())
    })
}

/// Frees an inspection. NULL is nothing to do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_inspection_free(inspection: *mut nbwss_inspection) -> nbwss_status {
    boundary::call(|| handle::free(inspection))
}
