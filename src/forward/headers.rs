//! What of a call goes to the server, and what of its answer comes back (RFC 9110, sections 7.6.1 and 5.3).
//!
//! Headers that concern one connection only stop here, both ways. Of a request's, so do those that would tell
//! the server something about our connection that is not the peer's to say: which host, how long a body, who
//! it was forwarded for or by. All others pass untouched, `authorization` and `content-type` among them. One is added:
//! `via: 1.1 nbwss`, by which the server knows that a call comes from outside.
//!
//! A response on this wire has each name once. Values of a repeated header are joined with commas, which means
//! the same (RFC 9110, section 5.3). `set-cookie` is the exception that may not be joined: one passes, several
//! are dropped. `content-transfer-encoding` is no HTTP header but this wire's mark of a base64 body, so the
//! server's is dropped.

use std::str::FromStr;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, SET_COOKIE, VIA};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::body::RequestBody;
use super::failure::Failure;
use crate::protocol::Header;

/// With `proxy-*`, and whatever `connection` names.
const HOP_BY_HOP: [&str; 6] = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
/// With `x-forwarded-*`.
const OURS_TO_SAY: [&str; 5] = ["host", "content-length", "expect", "forwarded", "via"];
/// How the server tells calls from outside from others (RFC 9110, section 7.6.3).
const ORIGIN: HeaderValue = HeaderValue::from_static("1.1 nbwss");

/// The request to the server that calls itself `host`.
pub(super) fn request(
    host: &HeaderValue,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Result<Request<RequestBody>, Failure> {
    let method = Method::from_str(method).ok().filter(|method| method != Method::CONNECT).ok_or(Failure::Method)?;
    let body = body.unwrap_or_default();
    let mut request = Request::new(RequestBody::new(body));
    if body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
        // Where a body is usual, its absence is said (RFC 9110, section 8.6).
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    *request.method_mut() = method;
    *request.uri_mut() = origin_form(uri).ok_or(Failure::Uri)?;

    let connection = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let named = named_by(connection.map(|(_, value)| *value));
    let target = request.headers_mut();
    target.insert(HOST, host.clone());
    target.insert(VIA, ORIGIN);
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let ours = OURS_TO_SAY.contains(&lower.as_str()) || lower.starts_with("x-forwarded-");
        if ours || is_hop_by_hop(&lower, &named) {
            continue;
        }
        let name = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| Failure::Header)?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Failure::Header)?;
        target.try_append(name, value).map_err(|_| Failure::Header)?;
    }
    Ok(request)
}

/// The headers that go back, each name once.
pub(super) fn response(headers: &HeaderMap) -> Vec<Header> {
    let connection: Vec<String> = headers.get_all(CONNECTION).iter().map(text).collect();
    let named = named_by(connection.iter().map(String::as_str));
    let stays = |name: &str| is_hop_by_hop(name, &named) || name == "content-transfer-encoding";
    let mut passed = Vec::with_capacity(headers.keys_len());
    for name in headers.keys().filter(|name| !stays(name.as_str())) {
        let values: Vec<String> = headers.get_all(name).iter().map(text).collect();
        if name != SET_COOKIE || values.len() == 1 {
            passed.push((name.as_str().to_owned(), values.join(", ")));
        }
    }
    passed
}

/// The path and query exactly as given, or none where it is not all of it that would be sent.
fn origin_form(uri: &str) -> Option<Uri> {
    let parsed: PathAndQuery = uri.parse().ok()?;
    (uri.is_ascii() && uri.starts_with('/') && parsed.as_str() == uri).then(|| Uri::from(parsed))
}

fn is_hop_by_hop(lower_name: &str, named: &[String]) -> bool {
    HOP_BY_HOP.contains(&lower_name)
        || lower_name.starts_with("proxy-")
        || named.iter().any(|named| named == lower_name)
}

/// The names in the values of `connection`, in lower case.
fn named_by<'v>(values: impl Iterator<Item = &'v str>) -> Vec<String> {
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// A value as text: UTF-8 where it is that, else ISO 8859-1, which every value is.
fn text(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(headers: &[(&str, &str)]) -> Vec<Header> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn sent(
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Request<RequestBody>, Failure> {
        request(&HeaderValue::from_static("rest:1"), method, uri, headers, body)
    }

    fn names(request: &Request<RequestBody>) -> Vec<&str> {
        let mut names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_concerns_one_connection_or_is_ours_to_say_does_not_reach_the_server() {
        let headers = [
            ("Connection", "close, X-Named , "),
            ("connection", "x-also"),
            ("X-Named", "1"),
            ("x-also", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authorization", "Basic x"),
            ("proxy-anything", "x"),
            ("TE", "trailers"),
            ("Trailer", "x"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("Host", "elsewhere"),
            ("Content-Length", "7"),
            ("Expect", "100-continue"),
            ("Forwarded", "for=1.2.3.4"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-Anything", "x"),
            ("Via", "1.1 elsewhere"),
            ("X-Kept", "1"),
        ];
        let request = sent("GET", "/", &headers, None).unwrap();
        assert_eq!(names(&request), ["host", "via", "x-kept"]);
        assert_eq!((&request.headers()[HOST], &request.headers()[VIA]), (&"rest:1".parse().unwrap(), &ORIGIN));
    }

    #[test]
    fn the_rest_passes_untouched() {
        let headers = [
            ("Authorization", "eyJ.bare.token"),
            ("Content-Type", "application/vnd.netbackup+json;version=1.0"),
            ("X-Text", "Grüße\tund Leerzeichen"),
            ("X-Twice", "1"),
            ("x-twice", "2"),
        ];
        let request = sent("PATCH", "/a%2Fb//c/../d?x=%20&y='z'|?/", &headers, Some("{}")).unwrap();
        assert_eq!(request.method(), "PATCH");
        assert_eq!(request.uri().to_string(), "/a%2Fb//c/../d?x=%20&y='z'|?/");
        assert_eq!(request.headers()["authorization"], "eyJ.bare.token");
        assert_eq!(request.headers()["content-type"], "application/vnd.netbackup+json;version=1.0");
        assert_eq!(request.headers()["x-text"].as_bytes(), "Grüße\tund Leerzeichen".as_bytes());
        assert_eq!(request.headers().get_all("x-twice").iter().count(), 2);
    }

    #[test]
    fn a_call_that_http_cannot_carry_is_refused_by_part() {
        let uri = |uri| matches!(sent("GET", uri, &[], None), Err(Failure::Uri));
        assert!(["", "*", "x", "http://h/", "/a b", "/a#b", "/<", "/\r\n"].into_iter().all(uri));
        let method = |method| matches!(sent(method, "/", &[], None), Err(Failure::Method));
        assert!(["", "G T", "CONNECT", "GET\r\n"].into_iter().all(method));
        let header = |name, value| matches!(sent("GET", "/", &[(name, value)], None), Err(Failure::Header));
        assert!(header("a b", "x") && header("", "x") && header("a", "x\r\ny: z") && header("a", "\0"));
    }

    #[test]
    fn no_body_is_said_where_one_is_usual() {
        for (method, body, expected) in
            [("POST", None, Some("0")), ("PUT", Some(""), Some("0")), ("GET", None, None), ("DELETE", Some(""), None)]
        {
            let request = sent(method, "/", &[], body).unwrap();
            let length = request.headers().get(CONTENT_LENGTH).map(|length| length.to_str().unwrap());
            assert_eq!(length, expected, "{method}");
        }
    }

    #[test]
    fn each_name_comes_back_once_and_nothing_of_the_connection() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, x-named"),
            ("x-named", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("content-transfer-encoding", "base64"),
            ("set-cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
            ("vary", "accept"),
            ("vary", "origin"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-text", HeaderValue::from_bytes("ü".as_bytes()).unwrap());
        headers.append("x-latin", HeaderValue::from_bytes(b"\xfc").unwrap());
        let mut passed = response(&headers);
        passed.sort();
        let cookie = ("set-cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(passed, list(&[cookie, ("vary", "accept, origin"), ("x-latin", "ü"), ("x-text", "ü")]));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        assert!(response(&headers).iter().all(|(name, _)| name != "set-cookie"));
    }
}
