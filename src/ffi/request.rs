//! `nbwss_request`: a REST call in the host's hands.

use super::boundary;
use super::handle::{self, opaque};
use super::ptr::{self, Growing, Out};
use super::status::nbwss_status;
use super::str::nbwss_str;
use crate::connector::Request;
use crate::error::Error;
use crate::protocol::{Header, Response};

/// A REST call that the cloud application asks for. Texts read from it are borrowed until it is consumed by
/// `nbwss_request_respond` or `nbwss_request_fail`, exactly once, on any thread. It may outlive the connector.
pub struct nbwss_request {
    _private: [u8; 0],
}

opaque!(nbwss_request, Request, Request, "request");

/// An HTTP header. This struct never grows.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_header {
    /// A name as HTTP allows it (RFC 9110, section 5.1).
    pub name: nbwss_str,
    /// A value without control characters.
    pub value: nbwss_str,
}

/// The answer to a request. Start from `NBWSS_RESPONSE_INIT`. Everything is copied during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_response {
    /// `sizeof(nbwss_response)`.
    pub struct_size: usize,
    /// HTTP status, 100 to 599.
    pub status_code: i32,
    /// `header_count` headers; NULL if that is 0. At most 100, each name once. Names are sent in lower case.
    pub headers: *const nbwss_header,
    /// Number of headers.
    pub header_count: usize,
    /// The body; `ptr` NULL for none. Bytes that are not UTF-8 are sent in base64, with a header that says so.
    pub body: nbwss_str,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_response {}

/// Runs an accessor for one text.
unsafe fn text<'r>(
    request: *const nbwss_request,
    argument: &'static str,
    place: *mut nbwss_str,
    read: impl FnOnce(&'r Request) -> Result<nbwss_str, Error>,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a text, by the header.
        let out = unsafe { Out::new(argument, place) }?;
        let request = handle::get(request)?;
        // SAFETY: the table keeps the request until the host consumes it, which is how long the text is lent.
        let request: &'r Request = unsafe { &*std::sync::Arc::as_ptr(&request) };
        out.set(read(request)?);
        Ok(())
    })
}

/// The request's id, as the cloud application gave it: at most 128 bytes, control characters included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_id(request: *const nbwss_request, id: *mut nbwss_str) -> nbwss_status {
    // SAFETY: as the header says of its arguments.
    unsafe { text(request, "id", id, |request| Ok(nbwss_str::borrow(request.id()))) }
}

/// The host name of the endpoint that asks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_host_name(
    request: *const nbwss_request,
    host_name: *mut nbwss_str,
) -> nbwss_status {
    // SAFETY: as the header says of its arguments.
    unsafe { text(request, "host_name", host_name, |request| Ok(nbwss_str::borrow(request.host_name()))) }
}

/// The server group of the endpoint that asks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_group_id(
    request: *const nbwss_request,
    group_id: *mut nbwss_str,
) -> nbwss_status {
    // SAFETY: as the header says of its arguments.
    unsafe { text(request, "group_id", group_id, |request| Ok(nbwss_str::borrow(request.group_id()))) }
}

/// The HTTP method: an HTTP token of at most 32 bytes without small letters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_method(request: *const nbwss_request, method: *mut nbwss_str) -> nbwss_status {
    // SAFETY: as the header says of its arguments.
    unsafe { text(request, "method", method, |request| Ok(nbwss_str::borrow(request.method()))) }
}

/// Path and query: visible ASCII, starting with `/`, at most 8192 bytes. The path is in the normal form that the
/// policy was asked about: no `.`, `..` or empty segments, no encoded separators, percent-encoding only where it
/// is needed. The query is as it was sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_uri(request: *const nbwss_request, uri: *mut nbwss_str) -> nbwss_status {
    // SAFETY: as the header says of its arguments.
    unsafe { text(request, "uri", uri, |request| Ok(nbwss_str::borrow(request.uri()))) }
}

/// The body, usually JSON; `ptr` NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_body(request: *const nbwss_request, body: *mut nbwss_str) -> nbwss_status {
    // SAFETY: as the header says of its arguments.
    unsafe { text(request, "body", body, |request| Ok(request.body().map_or(nbwss_str::absent(), nbwss_str::borrow))) }
}

/// The value of the first header with this name, compared without case.
///
/// Returns `NBWSS_NOT_FOUND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_header_n(
    request: *const nbwss_request,
    name: nbwss_str,
    value: *mut nbwss_str,
) -> nbwss_status {
    // SAFETY: as the header says of its arguments.
    unsafe {
        text(request, "value", value, |request| {
            let name = name.text("name")?;
            let missing = || Error::NotFound { what: "header", name: name.to_owned() };
            request.header(name).map(nbwss_str::borrow).ok_or_else(missing)
        })
    }
}

/// How many headers the request has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_header_count(request: *const nbwss_request, count: *mut usize) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a number, by the header.
        let out = unsafe { Out::new("count", count) }?;
        out.set(handle::get(request)?.headers().count());
        Ok(())
    })
}

/// One header, counted from 0 in the order sent.
///
/// Returns `NBWSS_NOT_FOUND` past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_header_at(
    request: *const nbwss_request,
    index: usize,
    header: *mut nbwss_header,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a header, by the header file.
        let out = unsafe { Out::new("header", header) }?;
        let request = handle::get(request)?;
        let missing = || Error::NotFound { what: "header at index", name: index.to_string() };
        let (name, value) = request.headers().nth(index).ok_or_else(missing)?;
        out.set(nbwss_header { name: nbwss_str::borrow(name), value: nbwss_str::borrow(value) });
        Ok(())
    })
}

/// Whether anybody still waits for the answer: the deadline has not passed, and the session that asked is there.
/// (An answer that comes after the session has ended is still worth giving: it is kept for the request's repetition.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_is_wanted(request: *const nbwss_request, wanted: *mut bool) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for a bool, by the header.
        let out = unsafe { Out::new("wanted", wanted) }?;
        out.set(handle::get(request)?.is_wanted());
        Ok(())
    })
}

/// Answers the request and consumes it, whatever the status.
///
/// Returns `NBWSS_EXPIRED` when nobody waits for the answer any more: after `dispatch.timeout` (the cloud
/// application has its 504), or when the connector is destroyed. Returns `NBWSS_INVALID_ARGUMENT` for a response
/// that cannot be sent; the cloud application then gets 500.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_respond(
    request: *mut nbwss_request,
    response: *const nbwss_response,
) -> nbwss_status {
    boundary::call(|| {
        let request = handle::take(request)?;
        // SAFETY: a struct of the host's with readable texts, by the header.
        match unsafe { read_response(response) } {
            Ok(response) => request.respond(&response),
            Err(error) => {
                // The host's mistake is what it has to hear of, even when it also came too late.
                let _ = request.fail(500, "the host's answer could not be used");
                Err(error)
            }
        }
    })
}

/// Answers the request with an error and consumes it, whatever the status. The body has the shape of NetBackup's
/// errors: `{"errorCode": status_code, "errorMessage": message}`.
///
/// Returns as `nbwss_request_respond`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_request_fail_n(
    request: *mut nbwss_request,
    status_code: i32,
    message: nbwss_str,
) -> nbwss_status {
    boundary::call(|| {
        let request = handle::take(request)?;
        // SAFETY: readable text, by the header.
        let message = unsafe { message.text("message") };
        let code = u16::try_from(status_code).ok().filter(|code| (100..=599).contains(code));
        match (code, message) {
            (Some(code), Ok(message)) => request.fail(code, message),
            (code, message) => {
                let _ = request.fail(500, "the host's answer could not be used");
                let why = format!("is {status_code}, not from 100 to 599");
                message.and(code.map(drop).ok_or(Error::InvalidArgument { argument: "status_code", why }))
            }
        }
    })
}

unsafe fn read_response(response: *const nbwss_response) -> Result<Response, Error> {
    // SAFETY: by the caller's promise, a struct with a `struct_size` and readable texts.
    unsafe {
        let response = ptr::read("response", response)?;
        let headers = read_headers(response.headers, response.header_count)?;
        let body = (!response.body.ptr.is_null()).then(|| response.body.bytes("body")).transpose()?;
        Response::new(response.status_code.into(), headers, body.map(<[u8]>::to_vec))
            .map_err(|error| Error::InvalidArgument { argument: "response", why: error.to_string() })
    }
}

unsafe fn read_headers(headers: *const nbwss_header, count: usize) -> Result<Vec<Header>, Error> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let invalid = |why: &str| Error::InvalidArgument { argument: "response.headers", why: why.to_owned() };
    if headers.is_null() {
        return Err(invalid("is NULL with a header_count that is not 0"));
    }
    if count > crate::protocol::MAX_HEADERS {
        return Err(invalid("has more entries than are allowed"));
    }
    // SAFETY: not NULL, few enough, and readable by the caller's promise; so are the texts.
    unsafe { std::slice::from_raw_parts(headers, count) }
        .iter()
        .map(|header| unsafe {
            Ok((header.name.text("header name")?.to_owned(), header.value.text("header value")?.to_owned()))
        })
        .collect()
}
