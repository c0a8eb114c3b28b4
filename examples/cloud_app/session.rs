//! One connection from the accepted socket to its end: the CONNECT, the messages of both directions, the
//! closing, and the faults that were ordered for it. What comes before the WebSocket is in `opening.rs`.

use crate::app::{App, Command, Handle, Order};
use crate::args::{Fault, Misbehaviour, Phase};
use crate::check::{self, Received};
use crate::opening;
use crate::wire::{GARBAGE, command_text, envelope, new_id};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use socket2::SockRef;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, protocol::CloseFrame};

/// A connector that was refused or sent a close frame ends the connection within this.
const PATIENCE: Duration = Duration::from_secs(5);
/// The end of TLS is said within this, or left unsaid.
const GOODBYE: Duration = Duration::from_millis(200);
/// How often a frozen session looks whether its peer is still there.
const FROZEN_LOOK: Duration = Duration::from_millis(200);
/// What `--early-command` asks for.
const EARLY: (&str, &str) = ("GET", "/netbackup/early");

/// How a connection ended.
pub struct End {
    pub code: Option<u16>,
    pub reason: String,
    /// Who ended it: "cloud", "connector" or "network".
    pub by: &'static str,
}

pub type Stream = TlsStream<TcpStream>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    AwaitsConnect,
    /// `--stall connect`, or refused: nothing more is said.
    Mute,
    Established,
}

enum Turn {
    Read(Option<Result<Message, Error>>),
    Order(Order),
    Deadline,
}

struct Session<'a> {
    app: &'a App,
    connection: u64,
    faults: Misbehaviour,
    ws: WebSocketStream<Stream>,
    /// What is to be written; writing never keeps from reading.
    queue: VecDeque<Message>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// Goes to the application once the session is established.
    handle: Handle,
    step: Step,
    /// Text messages so far.
    received: u64,
    deadline: Option<Instant>,
    frozen: bool,
    /// Ended by a reset, which an orderly goodbye would spoil.
    reset: bool,
    /// The close frame that decides how the end is told.
    end: Option<End>,
}

pub async fn serve(app: Arc<App>, tls: TlsAcceptor, connection: u64, peer: SocketAddr, tcp: TcpStream) {
    let fields = json!({ "peer": peer.to_string() });
    app.transcript.event(connection, "connected", fields);
    let end = match opening::open(&app, &tls, connection, tcp).await {
        Ok(ws) => Session::new(&app, connection, ws).run().await,
        Err(end) => end,
    };
    let fields = json!({ "code": end.code, "reason": end.reason, "by": end.by });
    app.transcript.event(connection, "closed", fields);
    app.session_ended(connection);
}

pub fn ended(by: &'static str, reason: &str) -> End {
    let reason = reason.to_owned();
    End { code: None, reason, by }
}

impl<'a> Session<'a> {
    fn new(app: &'a App, connection: u64, ws: WebSocketStream<Stream>) -> Self {
        let faults = app.options.misbehaviour_of(connection);
        let (sender, orders) = mpsc::unbounded_channel();
        let twice = faults.duplicate_commands;
        Self {
            app,
            connection,
            faults,
            ws,
            queue: VecDeque::new(),
            orders,
            handle: Handle { connection, orders: sender, twice, open: true },
            step: Step::AwaitsConnect,
            received: 0,
            deadline: None,
            frozen: false,
            reset: false,
            end: None,
        }
    }

    async fn run(mut self) -> End {
        let mut end = self.faults_due();
        while end.is_none() {
            end = match self.turn().await {
                Turn::Read(Some(Ok(message))) => self.message(message),
                Turn::Read(Some(Err(why))) => Some(self.broken(&why)),
                Turn::Read(None) => Some(match self.end.take() {
                    Some(end) => end,
                    None => ended("network", "the connection ended without a close frame"),
                }),
                Turn::Order(order) => self.order(order),
                Turn::Deadline => self.deadline_passed().await,
            };
        }
        if !self.reset {
            // The peer may take nothing any more: don't wait long.
            let _ = timeout(GOODBYE, self.ws.get_mut().shutdown()).await;
        }
        end.unwrap_or_else(|| ended("cloud", ""))
    }

    /// Writes what is queued and returns the next thing that happens.
    async fn turn(&mut self) -> Turn {
        match self.deadline {
            Some(deadline) => timeout_at(deadline, poll_fn(|cx| self.poll(cx))).await.unwrap_or(Turn::Deadline),
            None => poll_fn(|cx| self.poll(cx)).await,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let failed = |why| Poll::Ready(Turn::Read(Some(Err(why))));
        while !self.queue.is_empty() {
            match self.ws.poll_ready_unpin(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(why)) => return failed(why),
                Poll::Pending => break,
            }
            if let Some(message) = self.queue.pop_front()
                && let Err(why) = self.ws.start_send_unpin(message)
            {
                return failed(why);
            }
        }
        if let Poll::Ready(Err(why)) = self.ws.poll_flush_unpin(cx) {
            return failed(why);
        }
        if !self.frozen
            && let Poll::Ready(read) = self.ws.poll_next_unpin(cx)
        {
            return Poll::Ready(Turn::Read(read));
        }
        match self.orders.poll_recv(cx) {
            Poll::Ready(Some(order)) => Poll::Ready(Turn::Order(order)),
            _ => Poll::Pending,
        }
    }

    fn message(&mut self, message: Message) -> Option<End> {
        match message {
            Message::Text(text) => {
                self.received += 1;
                // A session that is being closed may still be sent what was under way.
                if let Err(why) = self.text(text.as_str()) {
                    self.app.protocol_error(self.connection, &why);
                }
                self.faults_due()
            }
            Message::Ping(_) => {
                self.app.transcript.event(self.connection, "ping", json!({}));
                None
            }
            Message::Close(frame) => {
                self.app.session_closing(self.connection);
                let code = frame.as_ref().map(|frame| u16::from(frame.code));
                let reason = match &frame {
                    Some(frame) => frame.reason.to_string(),
                    None => "close frame without a code".to_owned(),
                };
                match &mut self.end {
                    Some(end) => end.code = code,
                    None => self.end = Some(End { code, reason, by: "connector" }),
                }
                None
            }
            Message::Binary(_) => {
                let why = "a binary frame where text belongs";
                self.app.protocol_error(self.connection, why);
                None
            }
            Message::Pong(_) | Message::Frame(_) => None,
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        let received = check::message(text)?;
        match (self.step, received) {
            (Step::AwaitsConnect, Received::Connect { id, token }) => {
                self.connect(&id, &token);
                Ok(())
            }
            (Step::AwaitsConnect | Step::Mute, Received::Answer { id, answer }) => {
                self.app.answered(self.connection, &id, answer)?;
                Err("a RESPONSE before the session was established".to_owned())
            }
            (Step::AwaitsConnect, _) => Err("a NOTIFICATION before the CONNECT".to_owned()),
            (Step::Mute, _) => Err("a message while the CONNECT is not answered valid".to_owned()),
            (Step::Established, Received::Connect { .. }) => Err("a second CONNECT on one connection".to_owned()),
            (Step::Established, Received::Answer { id, answer }) => self.app.answered(self.connection, &id, answer),
            (Step::Established, Received::Notification { id, payload }) => self.notification(&id, &payload),
        }
    }

    fn connect(&mut self, id: &str, token: &str) {
        self.app.transcript.keep_secret(token);
        if self.faults.early_command {
            self.early_command();
        }
        if self.faults.stall == Some(Phase::Connect) {
            self.step = Step::Mute;
            return;
        }
        let valid = token == self.app.options.token && !self.faults.reject_token;
        self.say(envelope(id, "CONNECT", "RESPONSE", &json!({ "valid": valid })));
        let fields = json!({ "valid": valid });
        self.app.transcript.event(self.connection, "connect", fields);
        if valid {
            self.step = Step::Established;
            self.app.session_established(self.handle.clone());
        } else {
            // Now the connector has to close.
            self.step = Step::Mute;
            self.deadline = Some(Instant::now() + PATIENCE);
        }
    }

    fn early_command(&mut self) {
        let (method, uri) = EARLY;
        let id = new_id();
        let command = Command { early: true, ..Command::new(self.connection, method, uri) };
        self.app.command_goes_out(&id, command, None);
        self.say(command_text(&id, method, uri, None, None));
    }

    fn notification(&mut self, id: &str, payload: &[Value]) -> Result<(), String> {
        let wanted = self.faults.drop_acks == 0 && !self.app.look().acks_off;
        let acknowledged = wanted && self.end.is_none();
        self.faults.drop_acks = self.faults.drop_acks.saturating_sub(1);
        self.app.notified(self.connection, id, payload, acknowledged)?;
        let acknowledgement = |id: &str| envelope(id, "NOTIFICATION", "RESPONSE", &json!([]));
        if acknowledged {
            self.say(acknowledgement(id));
            if self.faults.duplicate_acks {
                self.say(acknowledgement(id));
            }
        }
        if self.faults.unknown_acks {
            self.say(acknowledgement(&new_id()));
        }
        Ok(())
    }

    fn say(&mut self, text: String) {
        // After the close frame nothing may follow.
        if self.end.is_none() {
            self.queue.push_back(Message::text(text));
        }
    }

    fn order(&mut self, order: Order) -> Option<End> {
        match order {
            Order::Text(text) => self.say(text),
            Order::Close(code) => self.close(code),
            Order::Reset => return Some(self.reset()),
        }
        None
    }

    fn faults_due(&mut self) -> Option<End> {
        for (messages, fault) in self.faults.after.clone() {
            if messages != self.received || self.end.is_some() || self.frozen {
                continue;
            }
            let what = format!("{fault:?} after {messages} messages").to_lowercase();
            let fields = json!({ "what": what });
            self.app.transcript.event(self.connection, "misbehaviour", fields);
            match fault {
                Fault::Close(code) => self.close(code),
                Fault::Reset => return Some(self.reset()),
                Fault::Garbage => self.say(GARBAGE.to_owned()),
                Fault::Freeze => {
                    self.frozen = true;
                    self.deadline = Some(Instant::now() + FROZEN_LOOK);
                }
            }
        }
        None
    }

    fn close(&mut self, code: u16) {
        if self.end.is_some() {
            return;
        }
        self.app.session_closing(self.connection);
        self.end = Some(ended("cloud", ""));
        let reason = "".into();
        let frame = CloseFrame { code: code.into(), reason };
        self.queue.push_back(Message::Close(Some(frame)));
        // A frozen session could not read the answer.
        let patience = if self.frozen { GOODBYE } else { PATIENCE };
        self.deadline = Some(Instant::now() + patience);
    }

    /// Lets the kernel send a reset in place of an orderly end.
    fn reset(&mut self) -> End {
        self.reset = true;
        let (tcp, _) = self.ws.get_ref().get_ref();
        let linger = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        match linger {
            Ok(()) => ended("cloud", "reset"),
            Err(why) => ended("cloud", &format!("dropped, for a reset failed: {why}")),
        }
    }

    async fn deadline_passed(&mut self) -> Option<End> {
        if self.frozen && self.end.is_none() {
            let (tcp, _) = self.ws.get_ref().get_ref();
            let ready = timeout(Duration::from_millis(1), tcp.ready(Interest::READABLE)).await;
            if matches!(ready, Ok(Ok(ready)) if ready.is_read_closed()) {
                return Some(ended("connector", "given up while frozen"));
            }
            self.deadline = Some(Instant::now() + FROZEN_LOOK);
            return None;
        }
        let waited_for = match self.end {
            Some(_) => "did not answer the close frame",
            None => "did not close after valid:false",
        };
        if !self.frozen {
            let why = format!("the connector {waited_for} within {} s", PATIENCE.as_secs());
            self.app.protocol_error(self.connection, &why);
        }
        Some(ended("cloud", waited_for))
    }

    fn broken(&mut self, why: &Error) -> End {
        if !matches!(why, Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed) {
            // Unlike a lost connection, a wrong frame is the connector's doing.
            use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
            if !matches!(why, Error::Protocol(ResetWithoutClosingHandshake)) {
                self.app.protocol_error(self.connection, &why.to_string());
            }
        }
        match self.end.take() {
            Some(end) => end,
            None => ended("network", &why.to_string()),
        }
    }
}
