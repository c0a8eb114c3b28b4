//! What a C program's audit was told (`audit_trail.h`), as the tests read it.

use serde_json::{Value, json};

use super::*;

/// A COMMAND's payload. Query, header and body bear a mark that must not come up in any audit record.
pub fn marked(method: &str, uri: &str) -> String {
    let payload = json!({
        "uri": uri, "method": method, "headers": { "x-header": "SECRET" }, "parameters": r#"{"body":"SECRET"}"#,
    });
    payload.to_string()
}

pub fn error_message(response: &Value) -> String {
    error_body(response)["errorMessage"].as_str().expect("an errorMessage").to_owned()
}

/// What an audit trail (`audit_trail.h`) holds: the audit's records, and a line for each call of the host.
pub struct Trail(pub Vec<Value>);

impl Trail {
    /// Asks for it, with this id.
    pub fn read(cloud: &mut Cloud, id: &str) -> Trail {
        let answer = cloud.ask_as(id, r#"{"uri":"/records","method":"GET"}"#);
        let text = answer["body"].as_str().expect("records");
        assert!(!text.contains("SECRET"), "{text}");
        Trail(text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect())
    }

    pub fn of(&self, id: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |record| record["id"] == id)
    }

    /// How often the host was called with this id.
    pub fn calls(&self, id: &str) -> usize {
        self.of(id).filter(|record| record["step"] == "called").count()
    }

    /// The audit's records of this id, in order.
    pub fn records(&self, id: &str) -> Vec<&Value> {
        self.of(id).filter(|record| record["step"] != "called").collect()
    }

    /// Their steps, an end with its status.
    pub fn steps(&self, id: &str) -> Vec<String> {
        let step = |record: &&Value| match record["step"].as_str().expect("a step") {
            "ended" => format!("ended {}", record["statusCode"]),
            step => step.to_owned(),
        };
        self.records(id).iter().map(step).collect()
    }
}
