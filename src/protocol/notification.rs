//! NOTIFICATION: what the host wants the cloud application to know, encoded as one element of a payload.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{push_integer, push_string};
use crate::error::Error;

/// Longest text field of a notification, in bytes.
pub const MAX_TEXT_BYTES: usize = 4096;

/// What is known of a job (guide topic "Job notifications"). Names that are not in the guides pass through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Job<'a> {
    /// `scheduleType`, for example `ST_FULL`. May be empty.
    pub schedule_type: &'a str,
    /// `clientName`: the host that is backed up or restored.
    pub client_name: &'a str,
    /// `status`: 0 for success.
    pub status: i64,
    /// `startTime` in seconds since 1970.
    pub start_time: i64,
    /// `state`: `QUEUED`, `ACTIVE`, `DONE`.
    pub state: &'a str,
    /// `policyName`; empty for a restore.
    pub policy_name: &'a str,
    /// `parentJobId`: equal to `job_id` for a top-level job.
    pub parent_job_id: i64,
    /// `jobId`, from 1.
    pub job_id: i64,
    /// `policyType`, for example `VMWARE` or `STANDARD`.
    pub policy_type: &'a str,
    /// `jobType`, for example `BACKUP` or `RESTORE`.
    pub job_type: &'a str,
}

/// What is known of a backup image (guide topic "Image notifications").
#[derive(Debug, Clone, Copy, Default)]
pub struct Image<'a> {
    /// `clientType`, for example `VMWARE` or `STANDARD`.
    pub client_type: &'a str,
    /// `clientName`: the host that was backed up.
    pub client_name: &'a str,
    /// `backupTime` in seconds since 1970.
    pub backup_time: i64,
    /// `createdTime` in seconds since 1970.
    pub created_time: i64,
    /// `operationId`: `CREATE`, `UPDATE`, `DELETE` or `NO_LOCAL_COPY_AVAILABLE`.
    pub operation_id: &'a str,
    /// `backupId`: `clientName_backupTime`.
    pub backup_id: &'a str,
}

impl Job<'_> {
    /// The payload element.
    ///
    /// # Errors
    /// [`Error::InvalidNotification`] names the field that is empty, too long, negative or has control characters.
    pub fn encode(&self) -> Result<String, Error> {
        let mut element = Element::new("JOB");
        element.text("scheduleType", self.schedule_type, MayBeEmpty::Yes)?;
        element.text("clientName", self.client_name, MayBeEmpty::No)?;
        element.integer("status", self.status, i64::MIN)?;
        element.integer("startTime", self.start_time, 0)?;
        element.text("state", self.state, MayBeEmpty::No)?;
        element.text("policyName", self.policy_name, MayBeEmpty::Yes)?;
        element.integer("parentJobId", self.parent_job_id, 0)?;
        element.integer("jobId", self.job_id, 1)?;
        element.text("policyType", self.policy_type, MayBeEmpty::Yes)?;
        element.text("jobType", self.job_type, MayBeEmpty::No)?;
        Ok(element.finish())
    }
}

impl Image<'_> {
    /// The payload element.
    ///
    /// # Errors
    /// As for [`Job::encode`].
    pub fn encode(&self) -> Result<String, Error> {
        let mut element = Element::new("IMAGE");
        element.text("clientType", self.client_type, MayBeEmpty::Yes)?;
        element.text("clientName", self.client_name, MayBeEmpty::No)?;
        element.integer("backupTime", self.backup_time, 0)?;
        element.integer("createdTime", self.created_time, 0)?;
        element.text("operationId", self.operation_id, MayBeEmpty::No)?;
        element.text("backupId", self.backup_id, MayBeEmpty::No)?;
        Ok(element.finish())
    }
}

#[derive(PartialEq)]
enum MayBeEmpty {
    Yes,
    No,
}

struct Element {
    out: String,
}

impl Element {
    fn new(object: &str) -> Element {
        let mut out = String::with_capacity(320);
        out.push_str("{\"notificationType\":\"INFO\",\"object\":\"");
        out.push_str(object);
        out.push_str("\",\"data\":[{");
        Element { out }
    }

    fn key(&mut self, key: &str) {
        if !self.out.ends_with('{') {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    fn text(&mut self, field: &'static str, value: &str, may_be_empty: MayBeEmpty) -> Result<(), Error> {
        if value.is_empty() && may_be_empty == MayBeEmpty::No {
            return Err(invalid(field, "must not be empty"));
        }
        if value.len() > MAX_TEXT_BYTES {
            return Err(invalid(field, format!("is {} bytes long; at most {MAX_TEXT_BYTES} are allowed", value.len())));
        }
        if value.chars().any(char::is_control) {
            return Err(invalid(field, "has a control character"));
        }
        self.key(field);
        push_string(&mut self.out, value);
        Ok(())
    }

    fn integer(&mut self, field: &'static str, value: i64, min: i64) -> Result<(), Error> {
        if value < min {
            return Err(invalid(field, format!("is {value}; must be at least {min}")));
        }
        self.key(field);
        push_integer(&mut self.out, value);
        Ok(())
    }

    fn finish(mut self) -> String {
        self.out.push_str("}]}");
        self.out
    }
}

/// Checks an element that the host encoded itself and returns it without the white space around it.
///
/// # Errors
/// [`Error::InvalidNotification`] with line and column where it is not JSON, or the key that is missing or wrong.
pub fn check_element(text: &str) -> Result<&str, Error> {
    #[derive(Deserialize)]
    struct Keys<'e> {
        #[serde(borrow, rename = "notificationType")]
        notification_type: Option<&'e RawValue>,
        #[serde(borrow)]
        object: Option<&'e RawValue>,
        #[serde(borrow)]
        data: Option<&'e RawValue>,
    }
    let keys: Keys = serde_json::from_str(text).map_err(|error| invalid("notification", error.to_string()))?;
    for (field, value) in [("notificationType", keys.notification_type), ("object", keys.object)] {
        let value = value.ok_or_else(|| invalid(field, "is missing"))?;
        let text: Option<Cow<str>> = serde_json::from_str(value.get()).ok();
        if text.is_none_or(|text| text.is_empty()) {
            return Err(invalid(field, "must be a string that is not empty"));
        }
    }
    let data = keys.data.ok_or_else(|| invalid("data", "is missing"))?;
    let entries: Vec<&RawValue> =
        serde_json::from_str(data.get()).map_err(|_| invalid("data", "must be an array of objects"))?;
    if entries.is_empty() || entries.iter().any(|entry| !entry.get().starts_with('{')) {
        return Err(invalid("data", "must be an array of at least one object, and of nothing else"));
    }
    Ok(text.trim_ascii())
}

fn invalid(field: &'static str, why: impl Into<String>) -> Error {
    Error::InvalidNotification { field, why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_out_of_bounds_is_named() {
        let good = Job { client_name: "c", state: "DONE", job_type: "BACKUP", job_id: 1, ..Job::default() };
        assert!(good.encode().is_ok());
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        let cases = [
            (Job { client_name: "", ..good }, "clientName"),
            (Job { client_name: &long, ..good }, "clientName"),
            (Job { state: "", ..good }, "state"),
            (Job { job_type: "a\u{7}b", ..good }, "jobType"),
            (Job { job_id: 0, ..good }, "jobId"),
            (Job { parent_job_id: -1, ..good }, "parentJobId"),
            (Job { start_time: -1, ..good }, "startTime"),
        ];
        for (job, field) in cases {
            let text = job.encode().unwrap_err().to_string();
            assert!(text.starts_with(&format!("{field}:")), "{text} should speak of {field}");
        }
        let image = Image { client_name: "c", operation_id: "CREATE", ..Image::default() };
        assert!(image.encode().unwrap_err().to_string().starts_with("backupId:"));
    }

    #[test]
    fn an_element_of_the_hosts_own_making_is_checked_by_key() {
        let good = r#" {"notificationType":"INFO","object":"VAULT","data":[{"a":1}],"more":true} "#;
        assert_eq!(check_element(good).unwrap(), good.trim());
        let bad = [
            ("{", "notification: EOF"),
            ("7", "notification:"),
            (r#"{"object":"JOB","data":[{}]}"#, "notificationType:"),
            (r#"{"notificationType":"INFO","object":7,"data":[{}]}"#, "object:"),
            (r#"{"notificationType":"INFO","object":"JOB"}"#, "data:"),
            (r#"{"notificationType":"INFO","object":"JOB","data":[]}"#, "data:"),
            (r#"{"notificationType":"INFO","object":"JOB","data":[{},7]}"#, "data:"),
            (r#"{"notificationType":"INFO","object":"JOB","object":"JOB","data":[{}]}"#, "notification: duplicate"),
        ];
        for (text, start) in bad {
            let error = check_element(text).unwrap_err().to_string();
            assert!(error.starts_with(start), "{error} should start with {start}");
        }
    }
}
