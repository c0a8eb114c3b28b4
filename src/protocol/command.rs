//! COMMAND: a REST call that the endpoint asks for, and the host's response to it.

use std::borrow::Cow;

use super::reader::{Bad, Reader, once};
use super::uri::{self, BadUri};

/// Most headers of one request or response.
pub const MAX_HEADERS: usize = 100;
/// Longest header name, in bytes.
pub const MAX_HEADER_NAME_BYTES: usize = 256;
/// Longest header value, in bytes: a JWT with many claims fits.
pub const MAX_HEADER_VALUE_BYTES: usize = 16384;
const MAX_METHOD_BYTES: usize = 32;

/// Name and value of each header, in the order sent.
type Headers<'m> = Vec<(Cow<'m, str>, Cow<'m, str>)>;

/// A decoded and checked REST call, borrowing from the message.
#[derive(Debug)]
pub struct CommandRequest<'m> {
    /// Path and query, starting with `/`.
    pub uri: Cow<'m, str>,
    /// An HTTP method, as sent.
    pub method: Cow<'m, str>,
    /// Name and value, in the order sent.
    pub headers: Headers<'m>,
    /// The body: `parameters` with its JSON string escapes undone.
    pub body: Option<Cow<'m, str>>,
}

/// Headers that are for one connection only, that say who is asking, or that make another call of a call for servers that
/// heed them: an application has no business with them (RFC 9110, section 7.6.1; RFC 7239).
const FORBIDDEN: [&str; 17] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];
const FORBIDDEN_PREFIXES: [&str; 2] = ["proxy-", "x-forwarded-"];

/// For each first letter, a bit for each length of a name in the lists; all bits where longer names count as well. Most
/// headers are seen by it to be none of these.
static SUSPECT_LENGTHS: [u32; 256] = {
    let mut lengths = [0; 256];
    let mut index = 0;
    while index < FORBIDDEN.len() {
        let name = FORBIDDEN[index].as_bytes();
        lengths[name[0] as usize] |= 1 << name.len();
        index += 1;
    }
    index = 0;
    while index < FORBIDDEN_PREFIXES.len() {
        lengths[FORBIDDEN_PREFIXES[index].as_bytes()[0] as usize] = u32::MAX;
        index += 1;
    }
    lengths
};

/// Why a call does not reach the host. The text names the part and never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// Keys are missing, repeated or of the wrong type.
    #[error("payload: uri and method must be strings, headers an object of strings, parameters a string")]
    Shape,
    /// A path trick, or not a path.
    #[error("uri: {0}")]
    Uri(BadUri),
    /// Not an HTTP token (RFC 9110, section 5.6.2), or one with small letters: every registered method is in capital ones,
    /// and a server that does not see the difference would read another method than the policy did.
    #[error("method: must be an HTTP method name in capital letters")]
    Method,
    /// More than [`MAX_HEADERS`], or a name or value that is too long.
    #[error("headers: more than {MAX_HEADERS}, or one that is too long")]
    HeaderSize,
    /// A name that is not a token, or a value with a control character (RFC 9110, section 5.5).
    #[error("headers: a name or value that HTTP does not allow")]
    Header,
    /// The same name twice, in whatever case, with `_` for `-` or without.
    #[error("headers: the same name twice")]
    RepeatedHeader,
    /// A header that an application has no business with.
    #[error("headers: {0} is not for an application to send")]
    ForbiddenHeader(&'static str),
}

impl BadCommand {
    /// The HTTP status that the peer gets.
    pub fn status_code(self) -> u16 {
        match self {
            BadCommand::Uri(BadUri::TooLong) => 414,
            BadCommand::HeaderSize => 431,
            _ => 400,
        }
    }
}

fn read_headers<'m>(reader: &mut Reader<'m>) -> Result<Headers<'m>, Bad> {
    let mut headers = Vec::new();
    reader.object(|reader, name| {
        let value = reader.string()?;
        // One more than allowed is kept, so that the count is what gets reported.
        if headers.len() <= MAX_HEADERS {
            headers.push((name, value));
        }
        Ok(())
    })?;
    Ok(headers)
}

impl<'m> CommandRequest<'m> {
    /// Reads a payload. It may be the call it looks like and still be one that does not reach the host.
    pub(super) fn read(reader: &mut Reader<'m>) -> Result<Result<Self, BadCommand>, Bad> {
        let (mut uri, mut method, mut headers, mut body) = (None, None, None, None);
        reader.object(|reader, key| match &*key {
            "uri" => once(&mut uri, reader.string()?),
            "method" => once(&mut method, reader.string()?),
            "headers" => once(&mut headers, read_headers(reader)?),
            "parameters" => once(&mut body, reader.optional_string()?),
            _ => reader.value(),
        })?;
        let request = CommandRequest {
            uri: uri.ok_or(Bad::Shape)?,
            method: method.ok_or(Bad::Shape)?,
            headers: headers.unwrap_or_default(),
            body: body.flatten(),
        };
        Ok(request.checked())
    }

    /// Whether a header goes by one of these names.
    pub(crate) fn has_header(&self, names: &[String]) -> bool {
        !names.is_empty()
            && self.headers.iter().any(|(name, _)| names.iter().any(|forbidden| is_same_name(name, forbidden)))
    }

    /// What it takes to hold it.
    pub(crate) fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.uri.len() + self.method.len() + headers + self.body.as_ref().map_or(0, |body| body.len())
    }

    fn checked(mut self) -> Result<Self, BadCommand> {
        self.uri = uri::normalise(self.uri).map_err(BadCommand::Uri)?;
        let has_small = self.method.bytes().any(|byte| byte.is_ascii_lowercase());
        if self.method.len() > MAX_METHOD_BYTES || !is_token(&self.method) || has_small {
            return Err(BadCommand::Method);
        }
        check_headers(&self.headers)?;
        Ok(self)
    }
}

fn check_headers(headers: &[(Cow<str>, Cow<str>)]) -> Result<(), BadCommand> {
    if headers.len() > MAX_HEADERS || !headers.iter().all(|(name, value)| fits(name, value)) {
        return Err(BadCommand::HeaderSize);
    }
    for (index, (name, value)) in headers.iter().enumerate() {
        if !is_header(name, value) {
            return Err(BadCommand::Header);
        }
        if headers[..index].iter().any(|(other, _)| is_same_name(other, name)) {
            return Err(BadCommand::RepeatedHeader);
        }
        if let Some(bad) = forbidden(name) {
            return Err(BadCommand::ForbiddenHeader(bad));
        }
    }
    Ok(())
}

/// The name or the start of names that this header goes by, where it is one that an application has no business with.
fn forbidden(name: &str) -> Option<&'static str> {
    let first = name.bytes().next()?.to_ascii_lowercase();
    if SUSPECT_LENGTHS[usize::from(first)] >> name.len().min(31) & 1 == 0 {
        return None;
    }
    let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| is_same_name(start, prefix));
    let mut names = FORBIDDEN.iter().filter(|bad| is_same_name(name, bad));
    let mut prefixes = FORBIDDEN_PREFIXES.iter().filter(|bad| begins(bad));
    names.next().or_else(|| prefixes.next()).copied()
}

/// Whether a server may take one header's name for the other: names have no case, and what is handed on through CGI has
/// `_` for `-` (RFC 3875, section 4.1.18).
fn is_same_name(one: &str, other: &str) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(folded).eq(other.bytes().map(folded))
}

/// Whether this may be the name of a header.
pub(crate) fn is_header_name(name: &str) -> bool {
    name.len() <= MAX_HEADER_NAME_BYTES && is_token(name)
}

fn fits(name: &str, value: &str) -> bool {
    name.len() <= MAX_HEADER_NAME_BYTES && value.len() <= MAX_HEADER_VALUE_BYTES
}

/// Whether HTTP allows this field (RFC 9110, sections 5.1 and 5.5).
fn is_header(name: &str, value: &str) -> bool {
    // Without an early end, so that the compiler looks at many bytes at a time.
    let allowed = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    is_token(name) && value.bytes().fold(true, |all, byte| all & allowed(byte))
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    static TOKEN: [bool; 256] = uri::alphanumeric_or(b"!#$%&'*+-.^_`|~");
    !text.is_empty() && text.bytes().fold(true, |all, byte| all & TOKEN[usize::from(byte)])
}

/// A header's name and value.
pub type Header = (String, String);

/// The host's response to a REST call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub(super) status_code: u16,
    pub(super) headers: Vec<Header>,
    pub(super) body: Option<Vec<u8>>,
}

/// Why a response was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Not an HTTP status.
    #[error("status_code: {0} is not from 100 to 599")]
    StatusCode(i64),
    /// More than [`MAX_HEADERS`].
    #[error("headers: more than {MAX_HEADERS}")]
    HeaderCount,
    /// A name or value that HTTP does not allow, or a name that was there before.
    #[error("headers[{0}]: a name or value that HTTP does not allow, or that is too long, or the same name again")]
    Header(usize),
    /// Over `dispatch.maxResponseBytes`.
    #[error("body: more than dispatch.maxResponseBytes ({0})")]
    Body(usize),
}

impl Response {
    /// A checked response. Header names are written in lower case, as in the published responses.
    ///
    /// # Errors
    /// [`ResponseError`] names the part that is not allowed.
    pub fn new(status_code: i64, headers: Vec<Header>, body: Option<Vec<u8>>) -> Result<Response, ResponseError> {
        let code = u16::try_from(status_code).ok().filter(|code| (100..=599).contains(code));
        let status_code = code.ok_or(ResponseError::StatusCode(status_code))?;
        if headers.len() > MAX_HEADERS {
            return Err(ResponseError::HeaderCount);
        }
        for (index, (name, value)) in headers.iter().enumerate() {
            let is_there = headers[..index].iter().any(|(before, _)| before.eq_ignore_ascii_case(name));
            if is_there || !fits(name, value) || !is_header(name, value) {
                return Err(ResponseError::Header(index));
            }
        }
        let mut response = Response { status_code, headers, body };
        response.headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        Ok(response)
    }

    /// Adds a header of our own, which needs no check.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Response {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The HTTP status.
    pub fn status_code(&self) -> u16 {
        self.status_code
    }

    /// Size of the body in bytes.
    pub fn body_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(payload: &str) -> Result<CommandRequest<'_>, BadCommand> {
        CommandRequest::read(&mut Reader::new(payload)).unwrap_or(Err(BadCommand::Shape))
    }

    #[test]
    fn what_http_does_not_allow_is_refused_by_part() {
        let cases = [
            (r#"{"uri":"/a","method":"GET","headers":{"a":1}}"#, BadCommand::Shape),
            (r#"{"uri":"/a","method":"GET","parameters":{}}"#, BadCommand::Shape),
            (r#"{"uri":"/a","uri":"/b","method":"GET"}"#, BadCommand::Shape),
            (r#"{"uri":"http://h/a","method":"GET"}"#, BadCommand::Uri(BadUri::NotAPath)),
            (r#"{"uri":"/a\r\nx","method":"GET"}"#, BadCommand::Uri(BadUri::Character)),
            (r#"{"uri":"/a","method":""}"#, BadCommand::Method),
            (r#"{"uri":"/a","method":"G T"}"#, BadCommand::Method),
            (r#"{"uri":"/a","method":"get"}"#, BadCommand::Method),
            (r#"{"uri":"/a","method":"GeT"}"#, BadCommand::Method),
            (r#"{"uri":"/a","method":"GET","headers":{"a b":"x"}}"#, BadCommand::Header),
            (r#"{"uri":"/a","method":"GET","headers":{"a":"x\ny"}}"#, BadCommand::Header),
            (r#"{"uri":"/a","method":"GET","headers":{"a":"x\u0000"}}"#, BadCommand::Header),
            (r#"{"uri":"/a","method":"GET","headers":{"A":"x","a":"y"}}"#, BadCommand::RepeatedHeader),
            (r#"{"uri":"/a","method":"GET","headers":{"A-b":"x","a_B":"y"}}"#, BadCommand::RepeatedHeader),
            (r#"{"uri":"/a","method":"GET","headers":{"HOST":"x"}}"#, BadCommand::ForbiddenHeader("host")),
            (
                r#"{"uri":"/a","method":"GET","headers":{"X_HTTP_Method-Override":"DELETE"}}"#,
                BadCommand::ForbiddenHeader("x-http-method-override"),
            ),
            (
                r#"{"uri":"/a","method":"GET","headers":{"X_Forwarded_For":"x"}}"#,
                BadCommand::ForbiddenHeader("x-forwarded-"),
            ),
            (
                r#"{"uri":"/a","method":"GET","headers":{"X-Forwarded-For":"x"}}"#,
                BadCommand::ForbiddenHeader("x-forwarded-"),
            ),
            (
                r#"{"uri":"/a","method":"GET","headers":{"Proxy-Authorization":"x"}}"#,
                BadCommand::ForbiddenHeader("proxy-"),
            ),
        ];
        for (payload, expected) in cases {
            assert_eq!(decode(payload).unwrap_err(), expected, "{payload}");
        }
    }

    #[test]
    fn each_forbidden_header_is_refused_in_every_spelling() {
        let prefixed = FORBIDDEN_PREFIXES.iter().flat_map(|prefix| [0, 3, 40].map(|more| (*prefix, more)));
        for (bad, more) in FORBIDDEN.iter().map(|name| (*name, 0)).chain(prefixed) {
            let name = bad.to_owned() + &"x".repeat(more);
            for name in [name.to_uppercase(), name.replace('-', "_"), name] {
                assert_eq!(forbidden(&name), Some(bad));
                // Without its first letter it is another header.
                assert_eq!(forbidden(name.get(1..).unwrap()), None);
            }
        }
        for name in ["content-type", "authorization", "x-request-id", "accept", "é", &"x".repeat(64)] {
            assert_eq!(forbidden(name), None);
        }
    }

    #[test]
    fn bounds_hold_on_both_sides_of_the_limit() {
        let uri = |n: usize| format!(r#"{{"uri":"/{}","method":"GET"}}"#, "a".repeat(n - 1));
        assert!(decode(&uri(uri::MAX_URI_BYTES)).is_ok());
        assert_eq!(decode(&uri(uri::MAX_URI_BYTES + 1)).unwrap_err().status_code(), 414);
        let headers = |n: usize| {
            let list: Vec<String> = (0..n).map(|i| format!(r#""h{i}":"v""#)).collect();
            format!(r#"{{"uri":"/","method":"GET","headers":{{{}}}}}"#, list.join(","))
        };
        assert!(decode(&headers(MAX_HEADERS)).is_ok());
        assert_eq!(decode(&headers(MAX_HEADERS + 1)).unwrap_err().status_code(), 431);
    }

    #[test]
    fn strings_without_escapes_are_borrowed() {
        let request = decode(r#"{"uri":"/a?b=c","method":"GET","headers":{"h":"v"}}"#).unwrap();
        assert!(matches!(request.uri, Cow::Borrowed("/a?b=c")));
        assert!(matches!(request.headers[0], (Cow::Borrowed("h"), Cow::Borrowed("v"))));
    }

    #[test]
    fn a_response_with_a_forged_header_or_one_twice_is_refused() {
        let forged = vec![("x".to_owned(), "1".to_owned()), ("y".to_owned(), "1\r\nset-cookie: z".to_owned())];
        assert_eq!(Response::new(200, forged, None).unwrap_err(), ResponseError::Header(1));
        let twice = vec![("X-A".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())];
        assert_eq!(Response::new(200, twice, None).unwrap_err(), ResponseError::Header(1));
        assert_eq!(Response::new(99, vec![], None).unwrap_err(), ResponseError::StatusCode(99));
        assert_eq!(Response::new(600, vec![], None).unwrap_err(), ResponseError::StatusCode(600));
    }
}
