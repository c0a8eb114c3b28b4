//! The one form of a path: what the policy is asked about is what the host gets, so no spelling of a path can
//! pass the policy as one thing and reach the host as another.

use std::borrow::Cow;

/// Longest `uri` that is taken, in bytes.
pub const MAX_URI_BYTES: usize = 8192;

/// Why a uri is refused. The text never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUri {
    /// Over [`MAX_URI_BYTES`].
    #[error("is longer than {MAX_URI_BYTES} bytes")]
    TooLong,
    /// An absolute URI, an authority, or nothing at all (RFC 9112, section 3.2).
    #[error("must be a path that starts with a /, without scheme, user or host")]
    NotAPath,
    /// A space, a control character, or anything that is not ASCII.
    #[error("has a character that must be percent-encoded")]
    Character,
    /// `#` never leaves a client (RFC 9110, section 4.2.5).
    #[error("has a fragment")]
    Fragment,
    /// Some servers take it for a `/`.
    #[error("has a backslash")]
    Backslash,
    /// `;`: servers disagree on whether it ends a segment.
    #[error("has a path parameter (;)")]
    Parameter,
    /// `//`.
    #[error("has an empty path segment")]
    EmptySegment,
    /// `.` or `..`, encoded or not.
    #[error("has a . or .. segment")]
    DotSegment,
    /// `%` without two hexadecimal digits.
    #[error("has a malformed percent-encoding")]
    Percent,
    /// `%2f` or `%5c`.
    #[error("has an encoded / or \\")]
    EncodedSeparator,
    /// `%25`: decoded twice it could become anything.
    #[error("has an encoded %")]
    DoubleEncoding,
    /// `%00` to `%1f`, or `%7f`.
    #[error("has an encoded control character")]
    EncodedControl,
    /// `%c0%af`, which a careless decoder takes for a `/`, or any other bytes that are no text.
    #[error("has encoded bytes that are not UTF-8")]
    NotUtf8,
}

/// A table of the bytes that are ASCII letters, digits, or among `others`.
pub(super) const fn alphanumeric_or(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}

/// Whether a byte stands for itself in a path: RFC 3986, section 3.3, without `;`.
fn is_plain(byte: u8) -> bool {
    static PLAIN: [bool; 256] = alphanumeric_or(b"-._~!$&'()*+,=:@/");
    PLAIN[usize::from(byte)]
}

/// Checks a path with an optional query and brings the path into its one form: what may stand for itself does,
/// everything else is percent-encoded in upper case. The query is checked and stays as it is.
pub(super) fn normalise(uri: Cow<'_, str>) -> Result<Cow<'_, str>, BadUri> {
    if uri.len() > MAX_URI_BYTES {
        return Err(BadUri::TooLong);
    }
    if !uri.starts_with('/') {
        return Err(BadUri::NotAPath);
    }
    if is_normal(uri.as_bytes()) { Ok(uri) } else { normalise_parts(uri) }
}

/// Whether a path has no query, nothing to decode, and no segment that is empty or starts with a dot. Most are so, and
/// that is quickly seen; any other is looked at part by part.
fn is_normal(uri: &[u8]) -> bool {
    // Without an early end, so that the compiler looks at many bytes at a time.
    let is_trick = |byte: u8, next: u8| (byte == b'/') & ((next == b'/') | (next == b'.'));
    let pairs = uri.iter().zip(uri.get(1..).unwrap_or_default());
    let has_trick = pairs.fold(false, |any, (byte, next)| any | is_trick(*byte, *next));
    !has_trick & uri.iter().fold(true, |all, byte| all & is_plain(*byte))
}

/// The same for a path that need not be normal.
fn normalise_parts(uri: Cow<'_, str>) -> Result<Cow<'_, str>, BadUri> {
    if let Some(bad) = uri.bytes().find(|byte| !byte.is_ascii_graphic() || *byte == b'#') {
        return Err(if bad == b'#' { BadUri::Fragment } else { BadUri::Character });
    }
    let (path, query) = uri.split_at(uri.bytes().position(|byte| byte == b'?').unwrap_or(uri.len()));
    let decoded = decode(path.as_bytes())?;
    let mut segments = decoded[1..].split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(BadUri::EmptySegment);
        }
        if segment == b"." || segment == b".." {
            return Err(BadUri::DotSegment);
        }
    }
    // The query is not interpreted, so it only has to be well-formed.
    let mut rest = query.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        hex(&rest[at..])?;
        rest = &rest[at + 3..];
    }
    if decoded == path.as_bytes() {
        return Ok(uri);
    }
    let mut out = String::with_capacity(uri.len());
    for byte in decoded.iter() {
        if is_plain(*byte) {
            out.push(char::from(*byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        }
    }
    out.push_str(query);
    Ok(Cow::Owned(out))
}

/// The one form of a path with an optional query.
///
/// # Errors
/// [`BadUri`] names the trick.
pub fn normal_uri(uri: &str) -> Result<Cow<'_, str>, BadUri> {
    normalise(Cow::Borrowed(uri))
}

/// Decodes once, and refuses what another decoder might read differently.
fn decode(path: &[u8]) -> Result<Cow<'_, [u8]>, BadUri> {
    if path.iter().all(|byte| is_plain(*byte)) {
        return Ok(Cow::Borrowed(path));
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        rest = match byte {
            b'%' => {
                match hex(rest)? {
                    b'/' | b'\\' => return Err(BadUri::EncodedSeparator),
                    b'%' => return Err(BadUri::DoubleEncoding),
                    0..=0x1f | 0x7f => return Err(BadUri::EncodedControl),
                    decoded => out.push(decoded),
                }
                &rest[3..]
            }
            b'\\' => return Err(BadUri::Backslash),
            b';' => return Err(BadUri::Parameter),
            byte if is_plain(*byte) => {
                out.push(*byte);
                tail
            }
            _ => return Err(BadUri::Character),
        };
    }
    if std::str::from_utf8(&out).is_err() {
        return Err(BadUri::NotUtf8);
    }
    Ok(Cow::Owned(out))
}

/// The byte that `%XX` at the start stands for.
fn hex(text: &[u8]) -> Result<u8, BadUri> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    match (digit(1), digit(2)) {
        (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|_| BadUri::Percent),
        _ => Err(BadUri::Percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(uri: &str) -> Result<String, BadUri> {
        normal_uri(uri).map(Cow::into_owned)
    }

    #[test]
    fn every_spelling_of_a_path_comes_to_one_form() {
        for (uri, expected) in [
            ("/", "/"),
            ("/netbackup/config/servers/vmservers", "/netbackup/config/servers/vmservers"),
            ("/a/?x=%2e%2e/..//;y", "/a/?x=%2e%2e/..//;y"),
            ("/%61%7E%2d", "/a~-"),
            ("/a%20b%c3%a9%3b", "/a%20b%C3%A9%3B"),
            ("/a:b@c=d,e", "/a:b@c=d,e"),
            ("/...", "/..."),
        ] {
            assert_eq!(normal(uri).as_deref(), Ok(expected), "{uri}");
            assert_eq!(normal(expected).as_deref(), Ok(expected), "{expected} again");
        }
        assert!(matches!(normalise(Cow::Borrowed("/a/b?c")), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn what_is_quickly_seen_to_be_normal_is_so_part_by_part() {
        let pieces = ["/", ".", "a", "%2e", "%", "?", ";", "\\", "#", " ", "~", "é", "\0"];
        let mut uris = vec!["/".to_owned()];
        for _ in 0..4 {
            uris = uris.iter().flat_map(|uri| pieces.map(|piece| uri.clone() + piece)).collect();
            for uri in &uris {
                // Short, and so long that the compiler's blocks have a rest.
                for uri in [uri.clone(), format!("{uri}{}{uri}", "/segment".repeat(4))] {
                    let by_parts = normalise_parts(Cow::Borrowed(&uri));
                    assert_eq!(normalise(Cow::Borrowed(&uri)), by_parts, "{uri}");
                }
            }
        }
    }

    #[test]
    fn each_trick_is_refused_by_its_name() {
        for (uri, expected) in [
            ("", BadUri::NotAPath),
            ("a", BadUri::NotAPath),
            ("http://host/a", BadUri::NotAPath),
            ("user@host/a", BadUri::NotAPath),
            ("*", BadUri::NotAPath),
            ("//host/a", BadUri::EmptySegment),
            ("/a//b", BadUri::EmptySegment),
            ("/a/../b", BadUri::DotSegment),
            ("/a/..", BadUri::DotSegment),
            ("/./a", BadUri::DotSegment),
            ("/a/%2e%2E/b", BadUri::DotSegment),
            ("/a/.%2e", BadUri::DotSegment),
            ("/a%2fb", BadUri::EncodedSeparator),
            ("/a%5Cb", BadUri::EncodedSeparator),
            ("/a\\b", BadUri::Backslash),
            ("/a/%252e%252e/b", BadUri::DoubleEncoding),
            ("/a;x=1/b", BadUri::Parameter),
            ("/a%00", BadUri::EncodedControl),
            ("/a%0d%0ax", BadUri::EncodedControl),
            ("/a%c0%afb", BadUri::NotUtf8),
            ("/%c0%ae%c0%ae/a", BadUri::NotUtf8),
            ("/a%e0%80%af", BadUri::NotUtf8),
            ("/a%ed%a0%80", BadUri::NotUtf8),
            ("/a%ff", BadUri::NotUtf8),
            ("/a%c3", BadUri::NotUtf8),
            ("/a\r\nx: y", BadUri::Character),
            ("/a\0", BadUri::Character),
            ("/a b", BadUri::Character),
            ("/ä", BadUri::Character),
            ("/a#b", BadUri::Fragment),
            ("/a?b#c", BadUri::Fragment),
            ("/a%", BadUri::Percent),
            ("/a%2", BadUri::Percent),
            ("/a%zz", BadUri::Percent),
            ("/a?b=%4", BadUri::Percent),
            ("/a<b>", BadUri::Character),
        ] {
            assert_eq!(normal(uri), Err(expected), "{uri}");
        }
    }
}
