//! The published messages, one file each: those of an endpoint are decoded and every field compared; those of a
//! connector are made again from their own values and must come out the same, key by key in the same order.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nbwss::protocol::notification::{Image, Job};
use nbwss::protocol::{self, Message};
use serde_json::Value;

/// As many files as were published when this was written: an emptied directory proves nothing.
const PUBLISHED: usize = 9;

/// Every file is known by its type, so that a new one cannot lie there unread.
#[test]
fn every_published_message_is_decoded_or_made_again() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut files = 0;
    for file in fs::read_dir(dir).expect("tests/vectors") {
        let path = file.expect("a file").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(name.ends_with(".json"), "{name} is no message");
        let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{name}: {why}"));
        let message: Value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        keys_are(&name, &message, &["version", "id", "type", "subType", "timeStamp", "payload"], &[]);
        match (string(&message, "type"), string(&message, "subType")) {
            ("CONNECT", "RESPONSE") => connect_response(&name, &text, &message),
            ("COMMAND", "REQUEST") => command_request(&name, &text, &message),
            ("CONNECT", "REQUEST") => {
                keys_are(&name, &message["payload"], &["token"], &[]);
                let token = string(&message["payload"], "token");
                let made = protocol::connect_request(id(&message), token, integer(&message, "timeStamp"));
                same(&name, &made, &text, &message);
            }
            ("NOTIFICATION", "REQUEST") => {
                let elements: Vec<String> = array(&message["payload"]).iter().map(|e| element(&name, e)).collect();
                let elements = elements.iter().map(String::as_str);
                let made = protocol::notification_request(id(&message), elements, integer(&message, "timeStamp"));
                same(&name, &made, &text, &message);
            }
            other => panic!("{name}: nobody compares {other:?} yet"),
        }
        files += 1;
    }
    assert!(files >= PUBLISHED, "{files} of {PUBLISHED} files");
}

fn connect_response(name: &str, text: &str, message: &Value) {
    keys_are(name, &message["payload"], &["valid"], &[]);
    match protocol::decode(text) {
        Ok(Message::ConnectAnswer { id: decoded, valid }) => {
            assert_eq!(decoded, id(message), "{name}");
            assert_eq!(Some(valid), message["payload"]["valid"].as_bool(), "{name}");
        }
        other => panic!("{name}: {other:?}"),
    }
}

fn command_request(name: &str, text: &str, message: &Value) {
    let payload = &message["payload"];
    keys_are(name, payload, &["uri", "method", "headers"], &["parameters"]);
    let (decoded, request) = match protocol::decode(text) {
        Ok(Message::Command { id, request: Ok(request) }) => (id, request),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(decoded, id(message), "{name}");
    assert_eq!(request.uri, string(payload, "uri"), "{name}");
    assert_eq!(request.method, string(payload, "method"), "{name}");
    assert_eq!(request.body.as_deref(), payload.get("parameters").map(|body| body.as_str().expect("text")), "{name}");
    if let Some(body) = &request.body {
        let body: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{name}: the body: {why}"));
        assert!(body["serverName"].is_string(), "{name}: {body}");
    }
    let headers = payload["headers"].as_object().expect("headers");
    let expected: BTreeMap<&str, &str> =
        headers.iter().map(|(header, value)| (header.as_str(), value.as_str().expect("text"))).collect();
    let found: BTreeMap<&str, &str> = request.headers.iter().map(|(header, value)| (&**header, &**value)).collect();
    assert_eq!(found, expected, "{name}");
    assert_eq!(request.headers.len(), expected.len(), "{name}");
    let places = request.headers.iter().map(|(header, _)| text.find(&format!("\"{header}\":")));
    assert!(places.is_sorted(), "{name}: {:?} is not the order sent", request.headers);
    let version_8_0 = name.contains("nb80");
    let content_type = if version_8_0 { "application/json" } else { "application/vnd.netbackup+json;version=1.0" };
    assert_eq!(found["Content-Type"], content_type, "{name}");
}

/// The element of a notification, encoded from its own values.
fn element(name: &str, element: &Value) -> String {
    keys_are(name, element, &["notificationType", "object", "data"], &[]);
    let [entry] = array(&element["data"]).as_slice() else { panic!("{name}: more than one entry in data") };
    let text = |key| string(entry, key);
    let number = |key| integer(entry, key);
    let encoded = match string(element, "object") {
        "JOB" => Job {
            schedule_type: text("scheduleType"),
            client_name: text("clientName"),
            status: number("status"),
            start_time: number("startTime"),
            state: text("state"),
            policy_name: text("policyName"),
            parent_job_id: number("parentJobId"),
            job_id: number("jobId"),
            policy_type: text("policyType"),
            job_type: text("jobType"),
        }
        .encode(),
        "IMAGE" => Image {
            client_type: text("clientType"),
            client_name: text("clientName"),
            backup_time: number("backupTime"),
            created_time: number("createdTime"),
            operation_id: text("operationId"),
            backup_id: text("backupId"),
        }
        .encode(),
        other => panic!("{name}: no notification is about {other}"),
    };
    encoded.unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// Equal as values, and equal as text once the file's line breaks and indents are gone: the order of the keys.
fn same(name: &str, made: &str, published: &str, message: &Value) {
    let value: Value = serde_json::from_str(made).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(value, *message, "{name}");
    assert_eq!(made, compact(published), "{name}");
}

/// JSON text without the white space between its tokens.
fn compact(text: &str) -> String {
    let mut within_string = false;
    let mut escaped = false;
    let keep = |c: &char| {
        let kept = within_string || !c.is_ascii_whitespace();
        within_string ^= *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        kept
    };
    text.chars().filter(keep).collect()
}

/// A key that nobody looks at must not pass unseen.
fn keys_are(name: &str, value: &Value, wanted: &[&str], allowed: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("{name}: not an object: {value}"));
    let missing = wanted.iter().find(|key| !object.contains_key(**key));
    let unknown = object.keys().find(|key| !wanted.contains(&key.as_str()) && !allowed.contains(&key.as_str()));
    assert_eq!((missing, unknown), (None, None), "{name}: (missing, unknown)");
}

fn id(message: &Value) -> &str {
    string(message, "id")
}

fn string<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {value}"))
}

fn integer(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap_or_else(|| panic!("{key} is no integer in {value}"))
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no array: {value}"))
}
