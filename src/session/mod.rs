//! One connection's protocol state: prove who we are, keep alive, say when it is over.
//!
//! Sans-IO: the driver hands in messages, pongs and the time, and asks what to send and when to come back.
//! Notifications and answers are not its business; they flow between the driver, the outbox and dispatch as
//! soon as [`Session::is_established`].

mod keep_alive;

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use crate::protocol::{self, BadCommand, CommandRequest, Message, Undecodable};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::time::Now;
use keep_alive::{KeepAlive, Tick};

/// The state machine of one connection, from the WebSocket upgrade to its end.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    keep_alive: KeepAlive,
    ignore_undecodable: bool,
    ping_due: bool,
}

#[derive(Debug)]
enum Phase {
    /// CONNECT is to be sent, with this token.
    Opening { token: Secret, answer_timeout: Duration },
    /// CONNECT with this id was sent; nothing else counts before its answer.
    Authenticating { id: String, deadline: Instant },
    /// `valid: true` was received.
    Established,
}

/// What a message means to the driver.
#[derive(Debug)]
pub enum Received<'m> {
    /// The token was accepted: open the outbox and dispatch for this session.
    Established,
    /// A REST call, or why it does not reach the host.
    Command {
        /// The message's id.
        id: Cow<'m, str>,
        /// The call.
        request: Result<CommandRequest<'m>, BadCommand>,
    },
    /// A notification message arrived over there.
    Acknowledged(Cow<'m, str>),
    /// Not decodable, and ignored because `exception.ignoreDecoder` says so.
    Ignored(Undecodable),
}

/// What the session itself wants sent.
#[derive(Debug)]
pub enum Transmit {
    /// The CONNECT message. It holds the token.
    Connect(Secret),
    /// A WebSocket ping (RFC 6455, section 5.5.2).
    Ping,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// `valid: false`: the endpoint does not accept the token.
    Rejected,
    /// No answer to CONNECT within `connect.answerTimeout`.
    NoAnswer,
    /// A message could not be decoded.
    Undecodable(Undecodable),
    /// A message over `message.maxBytes`.
    TooLarge,
    /// The peer broke the WebSocket protocol; the text says how.
    Violation(String),
    /// `keepAlive.maxPongMissAllowed` pings in a row had no pong.
    KeepAlive,
    /// The peer closed, with its code (1005: none given) and reason.
    PeerClosed {
        /// RFC 6455, section 7.4.
        code: u16,
        /// The peer's words.
        reason: String,
    },
    /// The connection broke without a close frame.
    Lost(String),
    /// The host stopped the sessions, or removed or stopped this endpoint's group.
    Stopped,
    /// A bug of ours ended this session and no other.
    Panic,
}

impl End {
    /// The close code to send (RFC 6455, section 7.4.1), or `None` where nothing can or need be sent.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            End::Rejected | End::Stopped => Some(1000),
            End::NoAnswer => Some(1008),
            End::Undecodable(Undecodable::TooEarly | Undecodable::UnexpectedAnswer) => Some(1002),
            End::Undecodable(_) => Some(1007),
            End::Violation(_) => Some(1002),
            End::TooLarge => Some(1009),
            End::KeepAlive | End::PeerClosed { .. } | End::Lost(_) | End::Panic => None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Rejected => f.write_str("the endpoint refused the token (valid: false)"),
            End::NoAnswer => f.write_str("no answer to CONNECT in time"),
            End::Undecodable(why) => write!(f, "undecodable message: {why}"),
            End::TooLarge => f.write_str("a message larger than message.maxBytes"),
            End::Violation(how) => write!(f, "the peer broke the WebSocket protocol: {how}"),
            End::KeepAlive => f.write_str("too many pings without a pong"),
            End::PeerClosed { code, reason } if reason.is_empty() => write!(f, "closed by the peer with code {code}"),
            End::PeerClosed { code, reason } => write!(f, "closed by the peer with code {code}: {reason}"),
            End::Lost(how) => write!(f, "connection lost: {how}"),
            End::Stopped => f.write_str("stopped"),
            End::Panic => f.write_str("internal error"),
        }
    }
}

impl Session {
    /// A session on a connection that has just been upgraded.
    pub fn new(now: Now, settings: &Settings, token: Secret) -> Session {
        Session {
            phase: Phase::Opening { token, answer_timeout: settings.answer_timeout },
            keep_alive: KeepAlive::new(now.instant, settings.keep_alive_interval, settings.max_missed_pongs),
            ignore_undecodable: settings.ignore_undecodable,
            ping_due: false,
        }
    }

    /// Whether notifications may be sent and calls are obeyed.
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established)
    }

    /// Takes a text message.
    ///
    /// # Errors
    /// [`End`] where the session is over: the driver sends its close code and lets the connection go.
    pub fn receive<'m>(&mut self, text: &'m str) -> Result<Received<'m>, End> {
        let why = match (protocol::decode(text), &self.phase) {
            (Ok(Message::ConnectAnswer { id, valid }), Phase::Authenticating { id: asked, .. }) if id == *asked => {
                if !valid {
                    return Err(End::Rejected);
                }
                self.phase = Phase::Established;
                return Ok(Received::Established);
            }
            (Ok(Message::Command { id, request }), Phase::Established) => return Ok(Received::Command { id, request }),
            (Ok(Message::Acknowledgement { id }), Phase::Established) => return Ok(Received::Acknowledged(id)),
            (Ok(Message::ConnectAnswer { .. }), _) => Undecodable::UnexpectedAnswer,
            (Ok(_), _) => Undecodable::TooEarly,
            (Err(why), _) => why,
        };
        self.undecodable(why)
    }

    /// Takes what cannot be a message, such as a binary frame that is not UTF-8.
    ///
    /// # Errors
    /// As for [`Session::receive`].
    pub fn undecodable<'m>(&mut self, why: Undecodable) -> Result<Received<'m>, End> {
        if self.ignore_undecodable { Ok(Received::Ignored(why)) } else { Err(End::Undecodable(why)) }
    }

    /// Takes a pong.
    pub fn pong(&mut self) {
        self.keep_alive.forgive();
    }

    /// Nothing is read for a reason that is not the peer's: pongs that are missing are not its fault.
    pub fn not_reading(&mut self) {
        self.keep_alive.forgive();
    }

    /// Does what has become due.
    ///
    /// # Errors
    /// [`End`] where a deadline has passed.
    pub fn timeout(&mut self, now: Instant) -> Result<(), End> {
        if let Phase::Authenticating { deadline, .. } = self.phase
            && now >= deadline
        {
            return Err(End::NoAnswer);
        }
        match self.keep_alive.tick(now) {
            Tick::Nothing => {}
            Tick::Ping => self.ping_due = true,
            Tick::GiveUp => return Err(End::KeepAlive),
        }
        Ok(())
    }

    /// When to call [`Session::timeout`] next.
    pub fn next_timeout(&self) -> Instant {
        match self.phase {
            Phase::Authenticating { deadline, .. } => deadline.min(self.keep_alive.next_tick()),
            _ => self.keep_alive.next_tick(),
        }
    }

    /// The next thing to send, or `None`.
    pub fn poll_transmit(&mut self, now: Now) -> Option<Transmit> {
        if let Phase::Opening { token, answer_timeout } = &self.phase {
            let id = protocol::new_id();
            let message = Secret::new(protocol::connect_request(&id, token.expose(), now.epoch_seconds));
            self.phase = Phase::Authenticating { id, deadline: now.instant + *answer_timeout };
            return Some(Transmit::Connect(message));
        }
        std::mem::take(&mut self.ping_due).then_some(Transmit::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "qwerrtrtrtrt2234344===";

    fn opened(settings: &Settings) -> (Session, Now, String) {
        let now = Now { instant: Instant::now(), epoch_seconds: 1_444_944_181 };
        let mut session = Session::new(now, settings, Secret::new(TOKEN.into()));
        let Some(Transmit::Connect(message)) = session.poll_transmit(now) else { panic!("CONNECT comes first") };
        let message: serde_json::Value = serde_json::from_str(message.expose()).unwrap();
        assert_eq!(message["payload"]["token"], TOKEN);
        (session, now, message["id"].as_str().unwrap().to_owned())
    }

    fn answer(id: &str, valid: bool) -> String {
        format!(
            r#"{{"version":"1.0","id":"{id}","type":"CONNECT","subType":"RESPONSE","payload":{{"valid":{valid}}}}}"#
        )
    }

    const COMMAND: &str =
        r#"{"version":"1.0","id":"1","type":"COMMAND","subType":"REQUEST","payload":{"uri":"/a","method":"GET"}}"#;

    #[test]
    fn only_valid_true_with_our_id_establishes() {
        let (mut session, _, id) = opened(&Settings::default());
        assert!(matches!(session.receive(&answer(&id, true)), Ok(Received::Established)));
        assert!(matches!(session.receive(COMMAND), Ok(Received::Command { .. })));
        let (mut session, _, id) = opened(&Settings::default());
        assert_eq!(session.receive(&answer(&id, false)).unwrap_err(), End::Rejected);
        let (mut session, ..) = opened(&Settings::default());
        let other = session.receive(&answer("OTHER", true)).unwrap_err();
        assert_eq!(other, End::Undecodable(Undecodable::UnexpectedAnswer));
        assert!(!session.is_established());
    }

    #[test]
    fn a_command_before_the_answer_is_not_obeyed_even_when_ignoring() {
        let mut settings = Settings::default();
        let (mut session, ..) = opened(&settings);
        assert_eq!(session.receive(COMMAND).unwrap_err(), End::Undecodable(Undecodable::TooEarly));
        settings.ignore_undecodable = true;
        let (mut session, ..) = opened(&settings);
        assert!(matches!(session.receive(COMMAND), Ok(Received::Ignored(Undecodable::TooEarly))));
    }

    #[test]
    fn a_second_answer_cannot_end_or_restart_anything_when_ignoring() {
        let settings = Settings { ignore_undecodable: true, ..Settings::default() };
        let (mut session, _, id) = opened(&settings);
        session.receive(&answer(&id, true)).unwrap();
        assert!(matches!(session.receive(&answer(&id, false)), Ok(Received::Ignored(_))));
        assert!(session.is_established());
    }

    #[test]
    fn no_answer_ends_the_session_at_the_deadline_and_not_before() {
        let settings = Settings::default();
        let (mut session, now, _) = opened(&settings);
        let deadline = session.next_timeout();
        assert_eq!(deadline, now.instant + settings.answer_timeout);
        assert_eq!(session.timeout(deadline - Duration::from_millis(1)), Ok(()));
        assert_eq!(session.timeout(deadline), Err(End::NoAnswer));
    }

    #[test]
    fn missing_pongs_count_only_while_they_could_be_read() {
        let settings = Settings::default();
        let (mut session, _, id) = opened(&settings);
        session.receive(&answer(&id, true)).unwrap();
        for _ in 0..10 {
            assert_eq!(session.timeout(session.next_timeout()), Ok(()));
            session.not_reading();
        }
        for _ in 0..settings.max_missed_pongs {
            assert_eq!(session.timeout(session.next_timeout()), Ok(()));
        }
        assert_eq!(session.timeout(session.next_timeout()), Err(End::KeepAlive));
    }

    #[test]
    fn debug_output_holds_no_token() {
        let now = Now::read();
        let mut session = Session::new(now, &Settings::default(), Secret::new(TOKEN.into()));
        let before = format!("{session:?}");
        let sent = format!("{:?}", session.poll_transmit(now));
        assert!(!before.contains(TOKEN) && !sent.contains(TOKEN), "{before} {sent}");
    }
}
