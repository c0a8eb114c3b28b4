//! What must hold for anything a peer may send: shared by the property tests and the fuzz target.
#![allow(dead_code)] // the fuzz target uses a part

use std::collections::HashSet;

use nbwss::dispatch::Policy;
use nbwss::protocol::{CommandRequest, Message, decode, normal_uri};

/// The policy that tricks are tried on.
pub const POLICY: &str = "deny * /secret/**; allow * /**";

/// Names that no header may have that reaches a host, with any `-` as it is or as `_`.
pub const FORBIDDEN: [&str; 21] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Whether a message is a REST call that may reach the host.
pub fn is_let_through(text: &str) -> bool {
    matches!(decode(text), Ok(Message::Command { request: Ok(_), .. }))
}

/// Decodes any bytes as a message. It may be refused, but what is let through must be safe to hand to a host.
pub fn message(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match decode(text) {
        Ok(Message::Command { id, request }) => {
            assert!(!id.is_empty() && id.len() <= 128);
            if let Ok(request) = request {
                command(&request);
            }
        }
        Ok(Message::ConnectAnswer { id, .. } | Message::Acknowledgement { id }) => assert!(!id.is_empty()),
        // The reason is shown to operators, so it must be theirs to read and not the peer's to write.
        Err(why) => assert!(why.to_string().chars().all(|c| !c.is_control())),
    }
}

fn command(request: &CommandRequest<'_>) {
    uri_in_normal_form(&request.uri);
    let in_capitals = |b: u8| b.is_ascii_graphic() && !b.is_ascii_lowercase();
    assert!(!request.method.is_empty() && request.method.bytes().all(in_capitals));
    assert!(request.headers.len() <= 100);
    let mut names = HashSet::new();
    for (name, value) in &request.headers {
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':'), "{name:?}");
        assert!(!value.contains(['\r', '\n', '\0']), "{value:?}");
        let folded = name.to_ascii_lowercase().replace('_', "-");
        assert!(!FORBIDDEN.contains(&folded.as_str()), "{name:?}");
        assert!(!folded.starts_with("proxy-") && !folded.starts_with("x-forwarded-"), "{name:?}");
        assert!(names.insert(folded), "{name:?} twice");
    }
}

/// Any text as a uri. If it is let through, then in a form in which no server can read another path than the
/// policy did.
pub fn uri(text: &str) {
    let normal = normal_uri(text);
    if let Ok(normal) = &normal {
        uri_in_normal_form(normal);
        assert_eq!(normal_uri(normal).as_ref(), Ok(normal), "{text:?}");
    }
    let policy = Policy::parse(POLICY).expect("valid rules");
    if most_gullible_server(text).starts_with("secret") {
        let allowed = normal.is_ok_and(|normal| policy.allows("g", "GET", &normal));
        assert!(!allowed, "{text:?} gets past the policy");
    }
}

fn uri_in_normal_form(uri: &str) {
    assert!(uri.starts_with('/') && uri.len() <= 3 * 8192 && uri.bytes().all(|b| b.is_ascii_graphic()), "{uri:?}");
    let path = uri.split('?').next().unwrap_or_default();
    assert!(!path.contains("//") && !path.contains(['\\', ';', '#']), "{uri:?}");
    assert!(path.split('/').all(|segment| segment != "." && segment != ".."), "{uri:?}");
    assert!(std::str::from_utf8(&percent_decoded(path.as_bytes())).is_ok(), "{uri:?} is no text");
    let upper = path.to_ascii_uppercase();
    for forbidden in ["%2F", "%5C", "%25", "%00", "%0D", "%0A", "%2E"] {
        assert!(!upper.contains(forbidden), "{uri:?} has {forbidden}");
    }
}

/// The first segment as a server would see it that does everything that some servers do: decodes as often as it
/// can, overlong forms of UTF-8 included, takes backslashes for slashes, drops parameters and empty segments, and
/// resolves dots.
fn most_gullible_server(text: &str) -> String {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..8 {
        bytes = overlong_decoded(&percent_decoded(&bytes));
    }
    let path = String::from_utf8_lossy(&bytes).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment.split([';', '\0']).next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    let first = segments.first().copied().unwrap_or_default();
    if first == "secret" { first.to_owned() } else { String::new() }
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) if *first == b'%' => {
                out.push(decoded);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Characters of ASCII that are spelt with two or three bytes, as one byte.
fn overlong_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        rest = match rest {
            [first @ 0xc0..=0xc1, second @ 0x80..=0xbf, tail @ ..] => {
                out.push((first & 1) << 6 | (second & 0x3f));
                tail
            }
            [0xe0, second @ 0x80..=0x81, third @ 0x80..=0xbf, tail @ ..] => {
                out.push((second & 1) << 6 | (third & 0x3f));
                tail
            }
            [byte, tail @ ..] => {
                out.push(*byte);
                tail
            }
            [] => return out,
        };
    }
}
