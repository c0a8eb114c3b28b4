//! Reads what the connector sent and accepts nothing but what it ought to send: keys, types, forms.
//! Knows single messages only; what may come when is the session's business.

use serde_json::{Map, Value};
use uuid::Uuid;

#[derive(Debug)]
pub enum Received {
    Connect { id: String, token: String },
    Answer { id: String, answer: Answer },
    Notification { id: String, payload: Vec<Value> },
}

/// The RESPONSE to a COMMAND.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Map<String, Value>,
    /// As it came: base64 text if `bytes` is set.
    pub body: Option<String>,
    /// The decoded body of a base64 RESPONSE.
    pub bytes: Option<Vec<u8>>,
}

const ENVELOPE: [&str; 6] = ["version", "id", "type", "subType", "timeStamp", "payload"];
/// An epoch time beyond this is in milliseconds, not seconds.
const LATEST_SECOND: u64 = 100_000_000_000;

const TEXT_FIELDS: [&str; 9] = [
    "scheduleType",
    "clientName",
    "state",
    "policyName",
    "policyType",
    "jobType",
    "clientType",
    "operationId",
    "backupId",
];
const INTEGER_FIELDS: [&str; 6] = ["status", "startTime", "parentJobId", "jobId", "backupTime", "createdTime"];
const JOB_FIELDS: [&str; 10] = [
    "scheduleType",
    "clientName",
    "status",
    "startTime",
    "state",
    "policyName",
    "parentJobId",
    "jobId",
    "policyType",
    "jobType",
];
const IMAGE_FIELDS: [&str; 6] = ["clientType", "clientName", "backupTime", "createdTime", "operationId", "backupId"];

type Checked<T> = Result<T, String>;

pub fn message(text: &str) -> Checked<Received> {
    let value: Value = serde_json::from_str(text).map_err(|why| format!("not one JSON value: {why}"))?;
    let Value::Object(mut envelope) = value else {
        return Err("not a JSON object".to_owned());
    };
    exact_keys("the envelope", &envelope, &ENVELOPE)?;
    if envelope["version"] != "1.0" {
        return Err(format!("version is {}, not \"1.0\"", envelope["version"]));
    }
    let seconds = envelope["timeStamp"].as_u64();
    if seconds.is_none_or(|seconds| seconds > LATEST_SECOND) {
        let found = &envelope["timeStamp"];
        return Err(format!("timeStamp is {found}, not whole epoch seconds"));
    }
    let id = text_of("id", &envelope["id"])?.to_owned();
    let kind = text_of("type", &envelope["type"])?.to_owned();
    let sub_kind = text_of("subType", &envelope["subType"])?.to_owned();
    let payload = envelope.remove("payload").unwrap_or_default();
    match (kind.as_str(), sub_kind.as_str()) {
        ("CONNECT", "REQUEST") => {
            own_id(&id)?;
            let token = connect(&payload)?;
            Ok(Received::Connect { id, token })
        }
        ("COMMAND", "RESPONSE") => {
            let answer = answer(payload)?;
            Ok(Received::Answer { id, answer })
        }
        ("NOTIFICATION", "REQUEST") => {
            own_id(&id)?;
            let payload = notification(payload)?;
            Ok(Received::Notification { id, payload })
        }
        _ => Err(format!("a connector sends no {kind} {sub_kind}")),
    }
}

fn connect(payload: &Value) -> Checked<String> {
    let payload = object("the CONNECT payload", payload)?;
    exact_keys("the CONNECT payload", payload, &["token"])?;
    Ok(text_of("token", &payload["token"])?.to_owned())
}

fn answer(payload: Value) -> Checked<Answer> {
    let payload = object("the RESPONSE payload", &payload)?;
    for key in payload.keys() {
        if !["headers", "statusCode", "response"].contains(&key.as_str()) {
            return Err(format!("the RESPONSE payload has an unknown key {key}"));
        }
    }
    let status = payload.get("statusCode").and_then(Value::as_u64);
    let status = status
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (100..=599).contains(status))
        .ok_or("statusCode is not an integer from 100 to 599")?;
    let headers = payload.get("headers").ok_or("the RESPONSE payload has no headers")?;
    let headers = object("headers", headers)?;
    for (name, value) in headers {
        text_of(&format!("header {name}"), value)?;
        if name.is_empty() || name.chars().any(char::is_uppercase) {
            return Err(format!("header name {name:?} is not in lower case"));
        }
    }
    let body = match payload.get("response") {
        Some(body) => Some(text_of("response", body)?.to_owned()),
        None => None,
    };
    let bytes = match headers.get("content-transfer-encoding") {
        Some(encoding) if encoding == "base64" => {
            let text = body.as_deref().ok_or("base64 is announced without a body")?;
            let decoded = data_encoding::BASE64.decode(text.as_bytes());
            Some(decoded.map_err(|why| format!("the body is not base64: {why}"))?)
        }
        _ => None,
    };
    Ok(Answer { status, headers: headers.clone(), body, bytes })
}

fn notification(payload: Value) -> Checked<Vec<Value>> {
    let Value::Array(elements) = payload else {
        return Err("the NOTIFICATION payload is not an array".to_owned());
    };
    if elements.is_empty() {
        return Err("the NOTIFICATION payload is empty".to_owned());
    }
    for element in &elements {
        let element = object("a NOTIFICATION element", element)?;
        exact_keys("a NOTIFICATION element", element, &["notificationType", "object", "data"])?;
        if element["notificationType"] != "INFO" {
            return Err("notificationType is not \"INFO\"".to_owned());
        }
        let (object_name, fields) = match element["object"].as_str() {
            Some("JOB") => ("JOB", &JOB_FIELDS[..]),
            Some("IMAGE") => ("IMAGE", &IMAGE_FIELDS[..]),
            _ => return Err("object is neither \"JOB\" nor \"IMAGE\"".to_owned()),
        };
        match element["data"].as_array() {
            Some(entries) if !entries.is_empty() => {
                for entry in entries {
                    data(object_name, fields, entry)?;
                }
            }
            _ => return Err("data is not an array with an entry in it".to_owned()),
        }
    }
    Ok(elements)
}

/// Fields that are not known pass, for the sets are open; a known one has its type.
fn data(object_name: &str, fields: &[&str], entry: &Value) -> Checked<()> {
    for (key, value) in object(&format!("a {object_name} entry"), entry)? {
        let key = key.as_str();
        if !fields.contains(&key) {
            continue;
        }
        let expected = if TEXT_FIELDS.contains(&key) && !value.is_string() {
            "text"
        } else if INTEGER_FIELDS.contains(&key) && !value.is_i64() && !value.is_u64() {
            "an integer"
        } else {
            continue;
        };
        return Err(format!("{object_name} {key} is {value}, not {expected}"));
    }
    Ok(())
}

/// The connector's own ids are UUIDs in upper case.
fn own_id(id: &str) -> Checked<()> {
    let canonical = Uuid::try_parse(id).map(|uuid| uuid.hyphenated().to_string().to_uppercase());
    if canonical.as_deref() == Ok(id) { Ok(()) } else { Err(format!("id {id:?} is not a UUID in upper case")) }
}

fn exact_keys(what: &str, map: &Map<String, Value>, expected: &[&str]) -> Checked<()> {
    if let Some(missing) = expected.iter().find(|key| !map.contains_key(**key)) {
        return Err(format!("{what} has no {missing}"));
    }
    if let Some(extra) = map.keys().find(|key| !expected.contains(&key.as_str())) {
        return Err(format!("{what} has an unknown key {extra}"));
    }
    Ok(())
}

fn object<'a>(what: &str, value: &'a Value) -> Checked<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| format!("{what} is not an object"))
}

fn text_of<'a>(what: &str, value: &'a Value) -> Checked<&'a str> {
    value.as_str().ok_or_else(|| format!("{what} is not text"))
}
