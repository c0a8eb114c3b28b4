//! Everything that happens is one JSON object, shown in one of two ways: as it is, for a test, or as a line
//! for a person. Secrets are taken out before either, in this one place.

use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What stands for a secret.
const REDACTED: &str = "[redacted]";
/// Keys whose value is a secret wherever they stand.
const SECRET_KEYS: [&str; 3] = ["token", "authorization", "password"];
/// A body of more lines than this is only measured.
const LONGEST_BODY: usize = 16;
/// Every line's first characters: a demo interleaves these lines with the host's.
const TAG: &str = "cloud │ ";
/// Where the text of a line starts behind the tag: time, arrow, kind.
const INDENT: &str = "                            ";

pub struct Transcript {
    start: Instant,
    json: bool,
    colours: bool,
    secrets: Mutex<Vec<String>>,
}

#[derive(Clone, Copy)]
enum Colour {
    Plain,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Cyan,
    Bold,
}

/// One line for a person.
struct Line {
    colour: Colour,
    arrow: &'static str,
    kind: &'static str,
    text: String,
    /// Lines that belong below.
    more: Vec<String>,
}

impl Transcript {
    pub fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            start: Instant::now(),
            json,
            colours: !json && !plain && std::io::stdout().is_terminal(),
            secrets: Mutex::new(Vec::new()),
        }
    }

    /// From now on this text appears nowhere.
    pub fn keep_secret(&self, secret: &str) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if !secret.is_empty() && !secrets.iter().any(|known| known == secret) {
            secrets.push(secret.to_owned());
        }
    }

    /// Something that belongs to the connection with this number.
    pub fn event(&self, connection: u64, name: &str, mut fields: Value) {
        fields["connection"] = json!(connection);
        self.show(name, fields, true);
    }

    /// Something that belongs to the whole application.
    pub fn note(&self, name: &str, fields: Value) {
        self.show(name, fields, true);
    }

    /// Like [`Transcript::event`], for what a person would not want to see thousands of.
    pub fn quiet_event(&self, connection: u64, name: &str, mut fields: Value) {
        fields["connection"] = json!(connection);
        self.show(name, fields, false);
    }

    fn show(&self, name: &str, mut fields: Value, for_people: bool) {
        let seconds = self.start.elapsed().as_secs_f64();
        self.redact(&mut fields);
        let lines = if self.json {
            fields["event"] = json!(name);
            fields["at"] = json!((seconds * 1e6).round() / 1e6);
            format!("{fields}\n")
        } else if for_people {
            match describe(name, &fields) {
                Some(line) => self.lay_out(seconds, &fields, &line),
                None => return,
            }
        } else {
            return;
        };
        // A reader that has gone away is no reason to stop serving.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
    }

    fn redact(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if is_secret(key) && value.is_string() {
                        *value = json!(REDACTED);
                    } else {
                        self.redact(value);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.redact(value)),
            Value::String(text) => self.redact_text(text),
            _ => {}
        }
    }

    /// A text may be JSON itself, with secrets that are nobody's yet.
    fn redact_text(&self, text: &mut String) {
        if text.starts_with(['{', '['])
            && let Ok(mut inner) = serde_json::from_str::<Value>(text)
        {
            let before = inner.clone();
            self.redact(&mut inner);
            if inner != before {
                *text = inner.to_string();
            }
        }
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets.iter() {
            if text.contains(secret) {
                *text = text.replace(secret, REDACTED);
            }
        }
    }

    fn lay_out(&self, seconds: f64, fields: &Value, line: &Line) -> String {
        let mut head = format!("{seconds:7.3} s  ");
        if line.kind.is_empty() {
            head += &self.paint(line.colour, &format!("{} {}", line.arrow, clean(&line.text)));
        } else {
            let kind = format!("{} {:<13} ", line.arrow, line.kind);
            head += &self.paint(line.colour, &kind);
            head += &clean(&line.text);
        }
        if let Some(number @ 2..) = fields["connection"].as_u64() {
            head += &self.paint(Colour::Dim, &format!("   · connection {number}"));
        }
        let mut all = format!("{TAG}{head}\n");
        for more in &line.more {
            let more = self.paint(Colour::Dim, &clean(more));
            all += &format!("{TAG}{INDENT}{more}\n");
        }
        all
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        let code = match colour {
            _ if !self.colours => return text.to_owned(),
            Colour::Plain => return text.to_owned(),
            Colour::Dim => "2",
            Colour::Red => "1;31",
            Colour::Green => "32",
            Colour::Yellow => "33",
            Colour::Blue => "34",
            Colour::Cyan => "36",
            Colour::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn is_secret(key: &str) -> bool {
    SECRET_KEYS.iter().any(|secret| key.eq_ignore_ascii_case(secret))
}

/// What came over the wire must not steer the terminal.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            cleaned.extend(character.escape_default());
        } else {
            cleaned.push(character);
        }
    }
    cleaned
}

fn describe(name: &str, fields: &Value) -> Option<Line> {
    use Colour::{Blue, Bold, Cyan, Dim, Green, Plain, Red, Yellow};
    let text = |key: &str| fields[key].as_str().unwrap_or_default().to_owned();
    let marks = || marks(fields);
    let (colour, arrow, kind, text, more) = match name {
        "listening" => (Bold, "●", "", format!("listening at {}", text("url")), vec![]),
        "connected" => (Dim, "●", "", format!("connection from {}", text("peer")), vec![]),
        "connect" if fields["valid"] == true => {
            (Green, "◀", "CONNECT", format!("token valid: session established{}", marks()), vec![])
        }
        "connect" => (Yellow, "◀", "CONNECT", format!("token refused{}", marks()), vec![]),
        "notification" => {
            let mut entries = entries(&fields["payload"]);
            let first = entries.remove(0) + &marks();
            (Cyan, "◀", "NOTIFICATION", first, entries)
        }
        "command" => {
            let line = format!("{} {}{}", text("method"), text("uri"), marks());
            (Blue, "▶", "COMMAND", line, body(&fields["body"], &Value::Null))
        }
        "response" => {
            let milliseconds = fields["milliseconds"].as_f64().unwrap_or_default();
            let line = format!(
                "{} to {} {}   ({milliseconds:.1} ms){}",
                fields["statusCode"],
                text("method"),
                text("uri"),
                marks()
            );
            let colour = if fields["statusCode"].as_u64() < Some(400) { Blue } else { Yellow };
            (colour, "◀", "RESPONSE", line, body(&fields["body"], &fields["bytes"]))
        }
        "ping" => (Dim, "◀", "ping", "answered".to_owned(), vec![]),
        "sent" => (Yellow, "▶", "text", format!("{}{}", text("text"), marks()), vec![]),
        "misbehaviour" => (Yellow, "▶", "misbehaviour", text("what"), vec![]),
        "closed" => {
            let code = match fields["code"].as_u64() {
                Some(code) => format!("closed {code} by the {}", text("by")),
                None => "ended without a close code".to_owned(),
            };
            let reason = match text("reason") {
                reason if reason.is_empty() => reason,
                reason => format!(": {reason}"),
            };
            (Dim, "○", "", code + &reason, vec![])
        }
        "protocol-error" => (Red, "✗", "PROTOCOL", text("why"), vec![]),
        "failed" => (Red, "✗", "FAILED", text("why"), vec![]),
        "satisfied" => (Green, "✓", "", text("what"), vec![]),
        "help" => (Plain, " ", "", "commands:".to_owned(), lines_of(&text("text"))),
        "say" => (Bold, "━━", "", format!("{} ━━", text("text")), vec![]),
        _ => return None,
    };
    Some(Line { colour, arrow, kind, text, more })
}

/// What is remarkable about a message, in brackets behind it.
fn marks(fields: &Value) -> String {
    let mut marks = Vec::new();
    for name in ["repeated", "early"] {
        if fields[name] == true {
            marks.push(name);
        }
    }
    match fields["acknowledged"].as_bool() {
        Some(true) => marks.push("acknowledged"),
        Some(false) => marks.push("NOT acknowledged"),
        None => {}
    }
    if marks.is_empty() { String::new() } else { format!("   ({})", marks.join(", ")) }
}

/// One line for each data entry; never none.
fn entries(payload: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for element in payload.as_array().into_iter().flatten() {
        for entry in element["data"].as_array().into_iter().flatten() {
            if let Some(entry) = entry.as_object() {
                lines.push(describe_entry(element["object"].as_str(), entry));
            }
        }
    }
    if lines.is_empty() {
        lines.push("empty".to_owned());
    }
    lines
}

fn describe_entry(object: Option<&str>, entry: &Map<String, Value>) -> String {
    let field = |key: &str| match entry.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "?".to_owned(),
    };
    if object == Some("IMAGE") {
        let (operation, backup) = (field("operationId"), field("backupId"));
        let (kind, client) = (field("clientType"), field("clientName"));
        return format!("IMAGE {operation} {backup}  {kind} @ {client}");
    }
    let mut line = format!("JOB {} {} {}", field("jobId"), field("jobType"), field("state"));
    if field("state") == "DONE" || field("status") != "0" {
        line += &format!(" status {}", field("status"));
    }
    line += "  ";
    if !field("policyName").is_empty() {
        line += &format!("{} ", field("policyName"));
    }
    line += &format!("@ {}", field("clientName"));
    if field("parentJobId") != field("jobId") {
        line += &format!("  child of {}", field("parentJobId"));
    }
    line
}

/// A body as indented lines, if it is short enough to be read.
fn body(body: &Value, bytes: &Value) -> Vec<String> {
    let Some(text) = body.as_str().filter(|text| !text.is_empty()) else {
        return Vec::new();
    };
    if let Some(length) = bytes.as_u64() {
        return vec![format!("({length} bytes, not text)")];
    }
    let pretty = serde_json::from_str::<Value>(text)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| text.to_owned());
    let lines = lines_of(&pretty);
    if lines.len() > LONGEST_BODY || pretty.len() > LONGEST_BODY * 100 {
        return vec![format!("({} bytes)", text.len())];
    }
    lines
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
