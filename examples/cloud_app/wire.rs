//! The messages that the application sends, and what it sends in place of one.
//! What it receives is read in `check.rs`.

use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Undecodable, yet text.
pub const GARBAGE: &str = "{\"version\": \"1.0\", \"id\": garbage";
const CONTENT_TYPE: &str = "application/vnd.netbackup+json;version=1.0";

/// A message in the form that every one has.
pub fn envelope(id: &str, kind: &str, sub_kind: &str, payload: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    json!({
        "version": "1.0", "id": id, "type": kind, "subType": sub_kind,
        "timeStamp": now, "payload": payload,
    })
    .to_string()
}

pub fn new_id() -> String {
    uuid::Uuid::new_v4().hyphenated().to_string().to_uppercase()
}

/// A COMMAND as a message.
pub fn command_text(
    id: &str,
    method: &str,
    uri: &str,
    parameters: Option<&str>,
    authorization: Option<&str>,
) -> String {
    let mut payload = json!({
        "uri": uri, "method": method, "headers": { "Content-Type": CONTENT_TYPE },
    });
    if let Some(token) = authorization {
        payload["headers"]["Authorization"] = json!(token);
    }
    if let Some(parameters) = parameters {
        payload["parameters"] = json!(parameters);
    }
    envelope(id, "COMMAND", "REQUEST", &payload)
}
