//! What all connections and the script share: sessions, commands and their answers, notifications seen.
//! Whoever waits for something asks [`App::wait_for`], which looks again at every change.

use crate::args::Options;
use crate::check::Answer;
use crate::transcript::Transcript;
use serde_json::{Value, json};
use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// What the script asks of a session.
#[derive(Debug)]
pub enum Order {
    Text(String),
    Close(u16),
    Reset,
}

/// How to reach an established session.
#[derive(Clone)]
pub struct Handle {
    pub connection: u64,
    pub orders: mpsc::UnboundedSender<Order>,
    /// Every COMMAND goes out twice.
    pub twice: bool,
    /// Not being closed: scripts may use it.
    pub open: bool,
}

/// A COMMAND that went out.
pub struct Command {
    pub connection: u64,
    pub method: String,
    pub uri: String,
    pub sent_at: Instant,
    /// How often it went out: so many answers may come.
    pub times: u32,
    pub answers: Vec<Answer>,
    /// Its session ended before an answer came.
    pub lost: bool,
    /// Sent under rules of its own (`raw`): its answers may differ.
    pub free: bool,
    /// Sent before the session was established: no answer may come.
    pub early: bool,
    pub quiet: bool,
    /// Was its answer looked at for a token.
    pub login: bool,
}

#[derive(Default)]
pub struct State {
    pub sessions: Vec<Handle>,
    pub commands: HashMap<String, Command>,
    /// Commands without an answer on sessions that live.
    pub outstanding: usize,
    pub last_answer: Option<Answer>,
    /// Id and text of the last COMMAND that was not sent by hand, for `again`.
    pub last_command: Option<(String, String)>,
    /// What the last login gave, for `Authorization`.
    pub authorization: Option<String>,
    /// `acks off`
    pub acks_off: bool,
    /// NOTIFICATION ids, with a hash of what came under each.
    seen: HashMap<String, u64>,
    pub jobs: HashSet<(i64, String)>,
    pub images: HashSet<String>,
    /// Data entries in all messages, repeats not counted.
    pub entries: u64,
}

pub struct App {
    pub options: Options,
    pub transcript: Transcript,
    state: Mutex<State>,
    changes: watch::Sender<()>,
    failed: AtomicBool,
}

impl App {
    pub fn new(options: Options) -> Self {
        let transcript = Transcript::new(options.json);
        transcript.keep_secret(&options.token);
        Self {
            options,
            transcript,
            state: Mutex::default(),
            changes: watch::Sender::new(()),
            failed: AtomicBool::new(false),
        }
    }

    pub fn look(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes who waits for a change.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.look());
        self.changes.send_replace(());
        result
    }

    /// `None`: it did not come in time.
    pub async fn wait_for<T>(&self, mut find: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let mut changes = self.changes.subscribe();
        let search = async {
            loop {
                if let Some(found) = find(&self.look()) {
                    return Some(found);
                }
                changes.changed().await.ok()?;
            }
        };
        let limit = tokio::time::timeout(self.options.timeout, search);
        limit.await.ok().flatten()
    }

    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// An expectation of the script that was not met.
    pub fn fail(&self, why: &str) {
        self.failed.store(true, Ordering::Relaxed);
        self.transcript.note("failed", json!({ "why": why }));
    }

    /// The connector did what it must not.
    pub fn protocol_error(&self, connection: u64, why: &str) {
        self.failed.store(true, Ordering::Relaxed);
        let fields = json!({ "why": why });
        self.transcript.event(connection, "protocol-error", fields);
    }

    pub fn session_established(&self, handle: Handle) {
        self.change(|state| state.sessions.push(handle));
    }

    /// The session takes no more commands; its connection may live on for a moment.
    pub fn session_closing(&self, connection: u64) {
        self.change(|state| {
            for session in &mut state.sessions {
                session.open &= session.connection != connection;
            }
        });
    }

    pub fn session_ended(&self, connection: u64) {
        self.change(|state| state.sessions.retain(|session| session.connection != connection));
        self.lose_commands(connection);
    }

    /// What is unanswered on a connection that has ended will stay so.
    pub fn lose_commands(&self, connection: u64) {
        self.change(|state| {
            let mut lost = 0;
            for command in state.commands.values_mut() {
                if command.connection == connection && command.is_outstanding() {
                    command.lost = true;
                    lost += 1;
                }
            }
            state.outstanding -= lost;
        });
    }

    /// Announces a COMMAND that is about to go out: `id`, and the body for the transcript.
    pub fn command_goes_out(&self, id: &str, command: Command, body: Option<&str>) {
        let mut fields = json!({
            "id": id, "method": command.method, "uri": command.uri, "body": body,
        });
        if command.early {
            fields["early"] = json!(true);
        }
        let (connection, quiet, times) = (command.connection, command.quiet, command.times);
        self.change(|state| {
            let outstanding = usize::from(command.is_outstanding());
            match state.commands.entry(id.to_owned()) {
                Entry::Vacant(entry) => {
                    entry.insert(command);
                    state.outstanding += outstanding;
                }
                // Sent again under the same id, perhaps on another connection; by hand perhaps with another content.
                Entry::Occupied(mut entry) => {
                    fields["repeated"] = json!(true);
                    entry.get_mut().times += times;
                    entry.get_mut().free |= command.free;
                    entry.get_mut().connection = connection;
                }
            }
        });
        for time in 0..times {
            if time > 0 {
                fields["repeated"] = json!(true);
            }
            if quiet {
                self.transcript.quiet_event(connection, "command", fields.clone());
            } else {
                self.transcript.event(connection, "command", fields.clone());
            }
        }
    }

    /// Files the answer to a COMMAND; `Err` says why it should not have come.
    pub fn answered(&self, connection: u64, id: &str, answer: Answer) -> Result<(), String> {
        // Told inside, so that whoever waits for it tells its own line afterwards.
        self.change(|state| {
            let Some(command) = state.commands.get_mut(id) else {
                return Err(format!("a RESPONSE to {id:?}, an id that was never sent"));
            };
            let mut wrong = None;
            if command.early {
                wrong = Some("a RESPONSE to a COMMAND that came before valid:true");
            } else if command.connection != connection && !command.free {
                wrong = Some("a RESPONSE on another connection than its COMMAND's");
            } else if command.answers.len() >= command.times as usize {
                wrong = Some("one RESPONSE more than there were COMMANDs with its id");
            } else if command.answers.first().is_some_and(|first| *first != answer) && !command.free {
                wrong = Some("two different RESPONSEs to one id");
            }
            if command.is_outstanding() {
                state.outstanding -= 1;
            }
            if command.login && answer.status < 300 {
                let token = token_in(&answer);
                if let Some(token) = &token {
                    self.transcript.keep_secret(token);
                }
                state.authorization = token;
            }
            let waited = command.sent_at.elapsed().as_secs_f64() * 1e3;
            let mut fields = json!({
                "id": id, "method": command.method, "uri": command.uri,
                "statusCode": answer.status, "headers": answer.headers, "body": answer.body,
                "milliseconds": (waited * 1e3).round() / 1e3,
            });
            if let Some(bytes) = &answer.bytes {
                fields["bytes"] = json!(bytes.len());
            }
            if !command.answers.is_empty() {
                fields["repeated"] = json!(true);
            }
            if command.quiet {
                self.transcript.quiet_event(connection, "response", fields);
            } else {
                self.transcript.event(connection, "response", fields);
            }
            command.answers.push(answer.clone());
            state.last_answer = Some(answer);
            wrong.map_or(Ok(()), |wrong| Err(wrong.to_owned()))
        })
    }

    /// Files and tells a notification; `Err` says why it should not have come.
    pub fn notified(&self, connection: u64, id: &str, payload: &[Value], acknowledged: bool) -> Result<(), String> {
        let mut hasher = DefaultHasher::new();
        for element in payload {
            element.to_string().hash(&mut hasher);
        }
        let hash = hasher.finish();
        let mut fields = json!({ "id": id, "payload": payload, "acknowledged": acknowledged });
        self.change(|state| {
            match state.seen.insert(id.to_owned(), hash) {
                Some(before) if before == hash => fields["repeated"] = json!(true),
                Some(_) => {
                    return Err(format!("NOTIFICATION {id} came again with another payload"));
                }
                None => state.note_entries(payload),
            }
            self.transcript.event(connection, "notification", fields);
            Ok(())
        })
    }
}

impl State {
    fn note_entries(&mut self, payload: &[Value]) {
        for element in payload {
            for entry in element["data"].as_array().into_iter().flatten() {
                self.entries += 1;
                if let (Some(job), Some(now)) = (entry["jobId"].as_i64(), entry["state"].as_str()) {
                    self.jobs.insert((job, now.to_owned()));
                }
                if let Some(operation) = entry["operationId"].as_str() {
                    self.images.insert(operation.to_owned());
                }
            }
        }
    }

    /// The session that scripts address.
    pub fn newest(&self) -> Option<Handle> {
        self.sessions.iter().rev().find(|session| session.open).cloned()
    }
}

impl Command {
    pub fn new(connection: u64, method: &str, uri: &str) -> Self {
        Self {
            connection,
            method: method.to_owned(),
            uri: uri.to_owned(),
            sent_at: Instant::now(),
            times: 1,
            answers: Vec::new(),
            lost: false,
            free: false,
            early: false,
            quiet: false,
            login: false,
        }
    }

    /// Answered, or never to be.
    pub fn is_settled(&self) -> bool {
        !self.answers.is_empty() || self.lost
    }

    fn is_outstanding(&self) -> bool {
        !self.is_settled() && !self.early
    }
}

fn token_in(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_str(answer.body.as_deref()?).ok()?;
    body["token"].as_str().map(str::to_owned)
}
