//! From a received text to a [`Message`]. Borrows from the text wherever JSON allows it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::MAX_ID_BYTES;
use super::command::{BadCommand, CommandRequest};

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

#[derive(Deserialize)]
struct Envelope<'m> {
    #[serde(borrow)]
    version: Cow<'m, str>,
    #[serde(borrow)]
    id: Cow<'m, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'m, str>,
    #[serde(borrow, rename = "subType")]
    sub_kind: Cow<'m, str>,
    #[serde(borrow)]
    payload: Option<&'m RawValue>,
}

#[derive(Deserialize)]
struct ConnectAnswer {
    valid: bool,
}

/// Decodes one message from an endpoint.
///
/// # Errors
/// [`Undecodable`] says what is wrong without quoting it. The caller follows `exception.ignoreDecoder`.
pub fn decode(text: &str) -> Result<Message<'_>, Undecodable> {
    let envelope: Envelope = serde_json::from_str(text).map_err(|error| json("envelope", &error))?;
    if !envelope.version.starts_with("1.") {
        return Err(Undecodable::Version);
    }
    let id = envelope.id;
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err(Undecodable::Id);
    }
    let payload = envelope.payload.map_or("null", RawValue::get);
    match (envelope.kind.as_ref(), envelope.sub_kind.as_ref()) {
        ("COMMAND", "REQUEST") => {
            if !payload.starts_with('{') {
                return Err(Undecodable::Json { part: "payload", why: "not an object", line: 1, column: 1 });
            }
            Ok(Message::Command { id, request: CommandRequest::decode(payload) })
        }
        ("NOTIFICATION", "RESPONSE") => Ok(Message::Acknowledgement { id }),
        ("CONNECT", "RESPONSE") => {
            let answer: ConnectAnswer = serde_json::from_str(payload).map_err(|error| json("payload", &error))?;
            Ok(Message::ConnectAnswer { id, valid: answer.valid })
        }
        _ => Err(Undecodable::Kind),
    }
}

fn json(part: &'static str, error: &serde_json::Error) -> Undecodable {
    let why = match error.classify() {
        serde_json::error::Category::Data => "missing, repeated or wrongly typed key",
        _ => "not JSON",
    };
    Undecodable::Json { part, why, line: error.line(), column: error.column() }
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
