//! From a received text to a [`Message`]. Borrows from the text wherever JSON allows it.

use std::borrow::Cow;

use super::MAX_ID_BYTES;
use super::command::{BadCommand, CommandRequest};
use super::reader::{Bad, Reader, once};

/// What an endpoint may send.
#[derive(Debug)]
pub enum Message<'m> {
    /// The answer to CONNECT: whether the token was accepted.
    ConnectAnswer {
        /// The id of the CONNECT it answers.
        id: Cow<'m, str>,
        /// `true`: the session is established.
        valid: bool,
    },
    /// A REST call for the host. It has an id, so even an unusable one gets an answer.
    Command {
        /// To be repeated in the answer.
        id: Cow<'m, str>,
        /// The call, or why it does not reach the host.
        request: Result<CommandRequest<'m>, BadCommand>,
    },
    /// A NOTIFICATION was received over there. What its payload says is not published and not needed.
    Acknowledgement {
        /// The id of the acknowledged message.
        id: Cow<'m, str>,
    },
}

/// Why a message could not be decoded. The text never quotes the message: it may hold a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not UTF-8.
    #[error("the message is not UTF-8 text")]
    NotUtf8,
    /// Not a JSON object with the keys of the envelope in their types.
    #[error("{part}: {why} at line {line} column {column}")]
    Json {
        /// Envelope or payload.
        part: &'static str,
        /// Syntax or shape.
        why: &'static str,
        /// Counted from 1 within the part.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A version that this library does not know.
    #[error("version: only 1.x is known")]
    Version,
    /// An id that is empty or longer than [`MAX_ID_BYTES`].
    #[error("id: empty or longer than {MAX_ID_BYTES} bytes")]
    Id,
    /// A pair of type and subType that an endpoint does not send.
    #[error("type and subType: not CONNECT RESPONSE, COMMAND REQUEST or NOTIFICATION RESPONSE")]
    Kind,
    /// A message other than the answer to CONNECT before the session is established.
    #[error("a message before the answer to CONNECT")]
    TooEarly,
    /// An answer to a CONNECT that this session did not send, or a second answer.
    #[error("an answer to CONNECT with an id that was not asked")]
    UnexpectedAnswer,
}

struct Envelope<'m> {
    version: Cow<'m, str>,
    id: Cow<'m, str>,
    kind: Cow<'m, str>,
    sub_kind: Cow<'m, str>,
    payload: Payload<'m>,
}

/// What an envelope holds, read before its type is known: keys may come in any order.
struct Payload<'m> {
    text: &'m str,
    /// The REST call that it is, where it is one.
    request: Result<CommandRequest<'m>, BadCommand>,
}

impl<'m> Payload<'m> {
    const NONE: Payload<'static> = Payload { text: "null", request: Err(BadCommand::Shape) };

    fn read(reader: &mut Reader<'m>) -> Result<Payload<'m>, Bad> {
        let start = reader.clone();
        let request = match CommandRequest::read(reader) {
            Ok(request) => request,
            Err(Bad::Shape) => {
                *reader = start.clone();
                reader.value()?;
                Err(BadCommand::Shape)
            }
            Err(bad) => return Err(bad),
        };
        Ok(Payload { text: reader.since(&start), request })
    }
}

impl<'m> Envelope<'m> {
    fn read(reader: &mut Reader<'m>) -> Result<Envelope<'m>, Bad> {
        let (mut version, mut id, mut kind, mut sub_kind, mut payload) = (None, None, None, None, None);
        reader.object(|reader, key| match &*key {
            "version" => once(&mut version, reader.string()?),
            "id" => once(&mut id, reader.string()?),
            "type" => once(&mut kind, reader.string()?),
            "subType" => once(&mut sub_kind, reader.string()?),
            "payload" => once(&mut payload, Payload::read(reader)?),
            _ => reader.value(),
        })?;
        reader.end()?;
        Ok(Envelope {
            version: version.ok_or(Bad::Shape)?,
            id: id.ok_or(Bad::Shape)?,
            kind: kind.ok_or(Bad::Shape)?,
            sub_kind: sub_kind.ok_or(Bad::Shape)?,
            payload: payload.unwrap_or(Payload::NONE),
        })
    }
}

/// Decodes one message from an endpoint.
///
/// # Errors
/// [`Undecodable`] says what is wrong without quoting it. The caller follows `exception.ignoreDecoder`.
pub fn decode(text: &str) -> Result<Message<'_>, Undecodable> {
    let mut reader = Reader::new(text);
    let envelope = Envelope::read(&mut reader).map_err(|bad| json("envelope", bad, &reader))?;
    if !envelope.version.starts_with("1.") {
        return Err(Undecodable::Version);
    }
    let id = envelope.id;
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err(Undecodable::Id);
    }
    let payload = envelope.payload;
    match (&*envelope.kind, &*envelope.sub_kind) {
        ("COMMAND", "REQUEST") => {
            if !payload.text.starts_with('{') {
                return Err(Undecodable::Json { part: "payload", why: "not an object", line: 1, column: 1 });
            }
            Ok(Message::Command { id, request: payload.request })
        }
        ("NOTIFICATION", "RESPONSE") => Ok(Message::Acknowledgement { id }),
        ("CONNECT", "RESPONSE") => {
            let mut reader = Reader::new(payload.text);
            let valid = read_valid(&mut reader).map_err(|bad| json("payload", bad, &reader))?;
            Ok(Message::ConnectAnswer { id, valid })
        }
        _ => Err(Undecodable::Kind),
    }
}

/// The payload of the answer to CONNECT.
fn read_valid(reader: &mut Reader<'_>) -> Result<bool, Bad> {
    let mut valid = None;
    reader.object(|reader, key| match &*key {
        "valid" => once(&mut valid, reader.boolean()?),
        _ => reader.value(),
    })?;
    valid.ok_or(Bad::Shape)
}

fn json(part: &'static str, bad: Bad, reader: &Reader<'_>) -> Undecodable {
    let why = match bad {
        Bad::Shape => "missing, repeated or wrongly typed key",
        Bad::Syntax => "not JSON",
    };
    let (line, column) = reader.position();
    Undecodable::Json { part, why, line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(kind: &str, sub_kind: &str, payload: &str) -> String {
        format!(
            r#"{{"payload":{payload},"id":"A-1","x":[{{}}],"version":"1.0","type":"{kind}","subType":"{sub_kind}","timeStamp":1}}"#
        )
    }

    #[test]
    fn keys_in_any_order_and_unknown_keys_are_read() {
        let text = envelope("CONNECT", "RESPONSE", r#"{"valid":true,"more":1}"#);
        assert!(matches!(decode(&text), Ok(Message::ConnectAnswer { valid: true, id }) if id == "A-1"));
    }

    #[test]
    fn an_acknowledgement_may_have_any_payload_or_none() {
        for payload in ["[]", "null", r#"[{"status":"OK"}]"#, "7"] {
            let text = envelope("NOTIFICATION", "RESPONSE", payload);
            assert!(matches!(decode(&text), Ok(Message::Acknowledgement { .. })), "{payload}");
        }
        let bare = r#"{"version":"1.0","id":"1","type":"NOTIFICATION","subType":"RESPONSE"}"#;
        assert!(matches!(decode(bare), Ok(Message::Acknowledgement { .. })));
    }

    #[test]
    fn what_cannot_be_decoded_is_named_and_never_quoted() {
        let secret = "SECRET";
        let bad = [
            (envelope("CONNECT", "RESPONSE", r#"{"valid":"SECRET"}"#), "payload"),
            (envelope("COMMAND", "REQUEST", r#"["SECRET"]"#), "payload"),
            (envelope("COMMAND", "RESPONSE", "{}"), "type and subType"),
            (envelope("SECRET", "REQUEST", "{}"), "type and subType"),
            (envelope("CONNECT", "REQUEST", r#"{"token":"SECRET"}"#), "type and subType"),
            (r#"{"version":"2.0","id":"1","type":"SECRET","subType":"","payload":1}"#.into(), "version"),
            (r#"{"version":"1.0","version":"1.0"}"#.into(), "envelope"),
            (r#"{"version":"1.0","id":"","type":"","subType":"","payload":1}"#.into(), "id"),
            (format!(r#"{{"version":"1.0","id":"{}","type":"","subType":""}}"#, "x".repeat(129)), "id"),
            ("SECRET".into(), "envelope"),
            ("".into(), "envelope"),
            ("[".repeat(100_000), "envelope"),
        ];
        for (text, part) in bad {
            let error = decode(&text).unwrap_err().to_string();
            assert!(error.starts_with(part), "{error} should speak of {part}");
            assert!(!error.contains(secret), "{error}");
        }
    }

    #[test]
    fn an_unusable_command_is_still_decoded_because_it_has_an_id() {
        for payload in [r#"{}"#, r#"{"uri":"x","method":"GET"}"#, r#"{"uri":7,"method":"GET"}"#] {
            let text = envelope("COMMAND", "REQUEST", payload);
            assert!(matches!(decode(&text), Ok(Message::Command { request: Err(_), .. })), "{payload}");
        }
    }
}
