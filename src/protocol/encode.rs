//! What a connector sends: CONNECT and NOTIFICATION requests, COMMAND responses.

use data_encoding::BASE64;

use super::VERSION;
use super::command::Response;
use super::json::{push_integer, push_string};

/// The header that says of a body that it is base64.
const TRANSFER_ENCODING: &str = "content-transfer-encoding";

/// How a COMMAND RESPONSE carries status and body. No public copy of the guides shows it, so the default is this
/// project's choice, and a setting where an application expects something else.
#[derive(Debug, Clone)]
pub struct ResponseFormat {
    /// Key of the HTTP status.
    pub status_key: String,
    /// Key of the body.
    pub body_key: String,
    /// A body that is JSON is embedded as it is, not escaped into a string.
    pub embed_json: bool,
}

impl Default for ResponseFormat {
    fn default() -> ResponseFormat {
        ResponseFormat { status_key: "statusCode".to_owned(), body_key: "response".to_owned(), embed_json: false }
    }
}

/// Opens an envelope up to and including `"payload":`; the caller adds the payload and the last brace.
fn envelope(id: &str, kind: &str, sub_kind: &str, epoch_seconds: i64, payload_bytes: usize) -> String {
    let mut out = String::with_capacity(payload_bytes + id.len() + 128);
    out.push_str("{\"version\":\"");
    out.push_str(VERSION);
    out.push_str("\",\"id\":");
    push_string(&mut out, id);
    out.push_str(",\"type\":\"");
    out.push_str(kind);
    out.push_str("\",\"subType\":\"");
    out.push_str(sub_kind);
    out.push_str("\",\"timeStamp\":");
    push_integer(&mut out, epoch_seconds);
    out.push_str(",\"payload\":");
    out
}

/// The first message of a session: the proof of who we are.
pub fn connect_request(id: &str, token: &str, epoch_seconds: i64) -> String {
    let mut out = envelope(id, "CONNECT", "REQUEST", epoch_seconds, token.len() + 16);
    out.push_str("{\"token\":");
    push_string(&mut out, token);
    out.push_str("}}");
    out
}

/// One message that carries all `elements`, each an encoded payload element, in their order.
pub fn notification_request<'e>(
    id: &str,
    elements: impl Iterator<Item = &'e str> + Clone,
    epoch_seconds: i64,
) -> String {
    let bytes = elements.clone().map(|element| element.len() + 1).sum();
    let mut out = envelope(id, "NOTIFICATION", "REQUEST", epoch_seconds, bytes);
    out.push('[');
    for (index, element) in elements.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(element);
    }
    out.push_str("]}");
    out
}

/// The answer to the COMMAND with this id. A body that is not UTF-8 goes as base64 and says so in a header, whatever the
/// host says there.
pub fn command_response(id: &str, response: &Response, format: &ResponseFormat, epoch_seconds: i64) -> String {
    // As much as it takes, mostly: JSON in a string is a quarter longer.
    let headers = response.headers.iter().map(|(name, value)| name.len() + value.len() + 6).sum::<usize>();
    let bytes = headers + response.body_bytes() / 4 * 5 + 64;
    let mut out = envelope(id, "COMMAND", "RESPONSE", epoch_seconds, bytes);
    out.push_str("{\"headers\":{");
    let text = response.body.as_deref().map(std::str::from_utf8);
    let is_binary = matches!(text, Some(Err(_)));
    let own = response.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let own = own.filter(|(name, _)| !(is_binary && *name == TRANSFER_ENCODING));
    let extra = is_binary.then_some((TRANSFER_ENCODING, "base64"));
    for (index, (name, value)) in own.chain(extra).enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_string(&mut out, name);
        out.push(':');
        push_string(&mut out, value);
    }
    out.push_str("},");
    push_string(&mut out, &format.status_key);
    out.push(':');
    push_integer(&mut out, i64::from(response.status_code));
    if let Some(body) = &response.body {
        out.push(',');
        push_string(&mut out, &format.body_key);
        out.push(':');
        match text {
            Some(Ok(text)) if format.embed_json && is_json(text) => out.push_str(text),
            Some(Ok(text)) => push_string(&mut out, text),
            _ => {
                out.push('"');
                BASE64.encode_append(body, &mut out);
                out.push('"');
            }
        }
    }
    out.push_str("}}");
    out
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// A response in the shape of NetBackup's REST errors: `{"errorCode": n, "errorMessage": "…"}`.
pub fn error_response(status_code: u16, message: &str) -> Response {
    let mut body = String::from("{\"errorCode\":");
    push_integer(&mut body, i64::from(status_code));
    body.push_str(",\"errorMessage\":");
    push_string(&mut body, message);
    body.push('}');
    Response {
        status_code,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(body.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_response_repeats_the_id_whatever_it_holds() {
        let id = "odd \"id\" \n ☂";
        let response = Response::new(204, vec![], None).unwrap();
        let message = read(&command_response(id, &response, &ResponseFormat::default(), 5));
        assert_eq!(message["id"], id);
        assert_eq!(message["payload"], json!({"headers": {}, "statusCode": 204}));
    }

    #[test]
    fn a_text_body_is_a_string_and_a_binary_body_is_base64_with_a_header() {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let text = Response::new(200, headers, Some(b"{\"a\":\"b\"}".to_vec())).unwrap();
        let message = read(&command_response("1", &text, &ResponseFormat::default(), 5));
        assert_eq!(message["payload"]["response"], "{\"a\":\"b\"}");
        assert_eq!(message["payload"]["headers"], json!({"content-type": "application/json"}));
        let headers = vec![("Content-Transfer-Encoding".to_owned(), "8bit".to_owned())];
        let binary = Response::new(200, headers, Some(vec![0xff, 0x00, 0x01])).unwrap();
        let message = read(&command_response("1", &binary, &ResponseFormat::default(), 5));
        assert_eq!(message["payload"]["response"], "/wAB");
        assert_eq!(message["payload"]["headers"], json!({"content-transfer-encoding": "base64"}));
        assert_eq!(
            command_response("1", &binary, &ResponseFormat::default(), 5).matches("transfer-encoding").count(),
            1
        );
    }

    #[test]
    fn keys_can_be_renamed_and_json_embedded() {
        let format = ResponseFormat { status_key: "code".into(), body_key: "body".into(), embed_json: true };
        for (body, expected) in [("{\"a\":[1]}", json!({"a": [1]})), ("{a", json!("{a"))] {
            let response = Response::new(200, vec![], Some(body.into())).unwrap();
            let message = read(&command_response("1", &response, &format, 5));
            assert_eq!(message["payload"], json!({"headers": {}, "code": 200, "body": expected}));
        }
    }

    #[test]
    fn an_error_body_has_the_shape_of_netbackups() {
        let message = read(&command_response("1", &error_response(504, "too \"late\""), &ResponseFormat::default(), 5));
        let body = read(message["payload"]["response"].as_str().unwrap());
        assert_eq!(body, json!({"errorCode": 504, "errorMessage": "too \"late\""}));
    }
}
