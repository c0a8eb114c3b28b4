//! The language of a script's lines, or typed ones: what each word means.
//! `perform.rs` carries them out.

use crate::args::close_code;
use crate::wire::GARBAGE;
use serde_json::Value;
use std::time::Duration;

pub const HELP: &str = "\
GET URI | DELETE URI                  send a COMMAND and wait for its RESPONSE
POST|PUT|PATCH URI [JSON]             the same with a body
send METHOD URI [JSON]                the same without waiting
flood N METHOD URI                    N COMMANDs at once, then wait for all RESPONSEs
again                                 the last COMMAND once more under its id, and wait: the RESPONSE must be the same
login USER PASSWORD                   POST /netbackup/login, and use the token from now on
expect STATUS                         the last RESPONSE's statusCode
expect-body TEXT                      the last RESPONSE's body contains this
await JOB jobId STATE                 wait until such a notification was received
await IMAGE operationId               wait until such a notification was received
await-notifications N                 wait until N data entries were received in all
await-answers                         wait until no COMMAND is without its RESPONSE
await-session                         wait until a session is established
close [CODE] | reset                  end the session with a close frame (1000) or a TCP reset
garbage [TEXT] | raw TEXT             a text message that cannot be decoded, or any text message
acks on|off                           acknowledge notifications, or don't
sleep SECONDS | say TEXT | help | quit";

#[derive(Debug, PartialEq)]
pub enum Step {
    Send {
        method: String,
        uri: String,
        body: Option<String>,
        wait: bool,
    },
    Flood {
        count: u32,
        method: String,
        uri: String,
    },
    /// The last COMMAND once more, as if its RESPONSE had been lost.
    Again,
    Login {
        user: String,
        password: String,
    },
    Expect(u16),
    ExpectBody(String),
    AwaitJob(i64, String),
    AwaitImage(String),
    AwaitNotifications(u64),
    AwaitAnswers,
    AwaitSession,
    Close(u16),
    Reset,
    /// A text message as it is: `raw` and `garbage`.
    Text(String),
    Acks(bool),
    Sleep(Duration),
    Say(String),
    Help,
    Quit,
}

/// `Ok(None)` for a blank line or a comment.
pub fn parse(line: &str) -> Result<Option<Step>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (word, rest) = cut(line);
    let step = match word {
        "GET" | "DELETE" if cut(rest).1.is_empty() => send(line, true)?,
        "GET" | "DELETE" => return Err(format!("{word} takes a URI and no body")),
        "POST" | "PUT" | "PATCH" => send(line, true)?,
        "send" => send(rest, false)?,
        "flood" => {
            let (count, rest) = cut(rest);
            let (method, uri) = cut(rest);
            let count = number(count, "flood N METHOD URI")?;
            let (method, uri) = (method_in(method)?, uri_in(uri)?);
            Step::Flood { count, method, uri }
        }
        "again" => Step::Again,
        "login" => {
            let (user, password) = cut(rest);
            let user = needed(user, "login USER PASSWORD")?;
            let password = needed(password, "login USER PASSWORD")?;
            Step::Login { user, password }
        }
        "expect" => Step::Expect(number(rest, "expect STATUS")?),
        "expect-body" => Step::ExpectBody(needed(rest, "expect-body TEXT")?),
        "await" => match rest.split_whitespace().collect::<Vec<_>>()[..] {
            ["JOB", job, state] => Step::AwaitJob(number(job, "await JOB jobId STATE")?, state.to_owned()),
            ["IMAGE", operation] => Step::AwaitImage(operation.to_owned()),
            _ => {
                return Err("expected: await JOB jobId STATE, or await IMAGE operationId".to_owned());
            }
        },
        "await-notifications" => Step::AwaitNotifications(number(rest, "await-notifications N")?),
        "await-answers" => Step::AwaitAnswers,
        "await-session" => Step::AwaitSession,
        "close" if rest.is_empty() => Step::Close(1000),
        "close" => Step::Close(close_code(rest)?),
        "reset" => Step::Reset,
        "garbage" if rest.is_empty() => Step::Text(GARBAGE.to_owned()),
        "garbage" => Step::Text(rest.to_owned()),
        "raw" => Step::Text(needed(rest, "raw TEXT")?),
        "acks" => match rest {
            "on" => Step::Acks(true),
            "off" => Step::Acks(false),
            _ => return Err("expected: acks on, or acks off".to_owned()),
        },
        "sleep" => {
            let seconds: f64 = number(rest, "sleep SECONDS")?;
            let duration = Duration::try_from_secs_f64(seconds);
            Step::Sleep(duration.map_err(|why| format!("sleep {rest}: {why}"))?)
        }
        "say" => Step::Say(rest.to_owned()),
        "help" => Step::Help,
        "quit" => Step::Quit,
        _ => return Err(format!("{word}: no such command ('help' lists them)")),
    };
    Ok(Some(step))
}

/// The first word, and what follows it.
fn cut(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn needed(text: &str, usage: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!("expected: {usage}"));
    }
    Ok(text.to_owned())
}

fn number<T: std::str::FromStr>(text: &str, usage: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("expected: {usage}"))
}

fn method_in(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.chars().all(|letter| letter.is_ascii_uppercase()) {
        return Err(format!("{text:?} is not a method in capital letters"));
    }
    Ok(text.to_owned())
}

fn uri_in(text: &str) -> Result<String, String> {
    needed(text, "a URI, as /netbackup/config/servers/vmservers")
}

fn send(text: &str, wait: bool) -> Result<Step, String> {
    let (method, rest) = cut(text);
    let (uri, body) = cut(rest);
    let (method, uri) = (method_in(method)?, uri_in(uri)?);
    if !body.is_empty() {
        serde_json::from_str::<Value>(body).map_err(|why| format!("the body is not JSON: {why}"))?;
    }
    let body = (!body.is_empty()).then(|| body.to_owned());
    Ok(Step::Send { method, uri, body, wait })
}
