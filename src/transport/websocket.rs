//! The WebSocket (RFC 6455): messages over a verified TLS stream, with every buffer bounded.
//!
//! The framing is our own, because it is what the speed of a session comes from: a message is read where the TLS record
//! left it, and what is sent gathers until a record is full. The handshake is tungstenite's.

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;
mod upgrade;

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Bytes;

use super::failure::ConnectError;
use super::stream::QuietStream;
use super::tls::Refusal;
use crate::endpoint::Url;
use crate::protocol::Text;
use incoming::{Content, Kind};
use outgoing::{Opcode, Outgoing};

/// Write as soon as this much waits: one full TLS record, so that a burst of answers takes few system calls.
const WRITE_BYTES: usize = 16 << 10;

/// A larger message is sent in fragments (RFC 6455, section 5.4), so that pings can go between them and no copy
/// of it is made. Above the default size of a full notification message.
const FRAGMENT_BYTES: usize = 128 << 10;

/// What arrived.
#[derive(Debug)]
pub(crate) enum Incoming<'s> {
    Text(&'s str),
    Binary(&'s [u8]),
    Pong,
    /// RFC 6455, section 7.1.5; code 1005 where the peer gave none.
    Closed {
        code: u16,
        reason: String,
    },
}

/// Why the connection can be used no longer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The peer's message is over the limit.
    TooLarge,
    /// The peer's text is not UTF-8.
    NotUtf8,
    /// The peer broke RFC 6455.
    Violation(String),
    /// Reset, cut or otherwise lost.
    Lost(std::io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::TooLarge => f.write_str("message over the limit"),
            Broken::NotUtf8 => f.write_str("text that is not UTF-8"),
            Broken::Violation(how) => f.write_str(how),
            Broken::Lost(error) => match Refusal::within(error) {
                Some(refusal) => write!(f, "{refusal}"),
                None => write!(f, "{error}"),
            },
        }
    }
}

impl Error for Broken {}

/// An upgraded connection.
pub(crate) struct WebSocket<S = TlsStream<QuietStream>> {
    stream: S,
    incoming: incoming::Incoming,
    /// So many bytes that the stream holds are of the message that was read last.
    used: usize,
    /// That message, where it came in pieces.
    joined: Vec<u8>,
    outgoing: Outgoing,
    /// What is left of a message in fragments. No other message may begin before it is empty.
    rest: Bytes,
    /// The content of the latest ping, where it is not answered.
    ping: Option<Vec<u8>>,
    /// A close frame was sent: nothing may follow it (RFC 6455, section 5.5.1).
    has_closed: bool,
    /// One was received: nothing does.
    peer_has_closed: bool,
}

impl WebSocket {
    pub(super) async fn upgrade(
        url: &Url,
        stream: TlsStream<QuietStream>,
        max_message_bytes: usize,
    ) -> Result<WebSocket, ConnectError> {
        Ok(WebSocket::new(upgrade::upgrade(url, stream).await?, max_message_bytes))
    }
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> WebSocket<S> {
    fn new(stream: S, max_message_bytes: usize) -> WebSocket<S> {
        WebSocket {
            stream,
            incoming: incoming::Incoming::new(max_message_bytes),
            used: 0,
            joined: Vec::new(),
            outgoing: Outgoing::default(),
            rest: Bytes::new(),
            ping: None,
            has_closed: false,
            peer_has_closed: false,
        }
    }

    /// The next message, if one is there.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming<'_>, Broken>> {
        self.joined = Vec::new();
        let (kind, content) = loop {
            Pin::new(&mut self.stream).consume(std::mem::take(&mut self.used));
            let input = ready!(Pin::new(&mut self.stream).poll_fill_buf(cx)).map_err(Broken::Lost)?;
            if input.is_empty() {
                return Poll::Ready(Err(closed_without_a_frame()));
            }
            if self.peer_has_closed {
                return Poll::Ready(Err(Broken::Violation("something follows the close frame".to_owned())));
            }
            let (used, message) = self.incoming.read(input)?;
            self.used = used;
            let Some((kind, content)) = message else { continue };
            if matches!(kind, Kind::Text | Kind::Binary) {
                break (kind, content);
            }
            let content = match &content {
                Content::Input(range) => input.get(range.clone()).unwrap_or_default(),
                Content::Joined(bytes) => bytes,
            };
            match kind {
                // An earlier one need not be answered any more (RFC 6455, section 5.5.3).
                Kind::Ping => self.ping = Some(content.to_vec()),
                Kind::Close => {
                    let (code, reason) = incoming::closing(content)?;
                    let reason = reason.to_owned();
                    self.peer_has_closed = true;
                    self.send_close(code)?;
                    return Poll::Ready(Ok(Incoming::Closed { code, reason }));
                }
                _ => return Poll::Ready(Ok(Incoming::Pong)),
            }
        };
        let bytes = match content {
            Content::Joined(bytes) => {
                self.joined = bytes;
                &*self.joined
            }
            // It is there, so this neither waits nor fails.
            Content::Input(range) => {
                let input = ready!(Pin::new(&mut self.stream).poll_fill_buf(cx)).map_err(Broken::Lost)?;
                input.get(range).unwrap_or_default()
            }
        };
        Poll::Ready(match kind {
            Kind::Text => std::str::from_utf8(bytes).map(Incoming::Text).map_err(|_| Broken::NotUtf8),
            _ => Ok(Incoming::Binary(bytes)),
        })
    }

    /// Whether something may be handed over now: a ping, a close frame, the next fragment, or, when no fragment
    /// is left, a message.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.outgoing.rest().len() < WRITE_BYTES { Poll::Ready(Ok(())) } else { self.poll_write(cx) }
    }

    /// Sends a text, in fragments if it is long.
    pub(crate) fn send_text(&mut self, text: impl AsRef<str> + Into<Text>) -> Result<(), Broken> {
        debug_assert!(!self.has_fragments());
        if text.as_ref().len() <= FRAGMENT_BYTES {
            return self.send_short_text(text.as_ref());
        }
        self.rest = Bytes::from(text.into());
        self.fragment(Opcode::Text)
    }

    /// Sends a text in one piece.
    pub(crate) fn send_short_text(&mut self, text: &str) -> Result<(), Broken> {
        self.push(Opcode::Text, true, text.as_bytes())
    }

    /// Whether a message is on its way in fragments.
    pub(crate) fn has_fragments(&self) -> bool {
        !self.rest.is_empty()
    }

    pub(crate) fn send_fragment(&mut self) -> Result<(), Broken> {
        self.fragment(Opcode::Continuation)
    }

    fn fragment(&mut self, opcode: Opcode) -> Result<(), Broken> {
        let fragment = self.rest.split_to(FRAGMENT_BYTES.min(self.rest.len()));
        self.push(opcode, self.rest.is_empty(), &fragment)
    }

    pub(crate) fn send_ping(&mut self) -> Result<(), Broken> {
        self.push(Opcode::Ping, true, &[])
    }

    /// Sends a close frame, the last of all. What is sent after it goes nowhere.
    pub(crate) fn send_close(&mut self, code: u16) -> Result<(), Broken> {
        // Code 1005 says that there is none, and is not for the wire.
        let content = if code == 1005 { &[][..] } else { &code.to_be_bytes() };
        self.push(Opcode::Close, true, content)?;
        self.has_closed = true;
        Ok(())
    }

    fn push(&mut self, opcode: Opcode, is_last: bool, content: &[u8]) -> Result<(), Broken> {
        if self.has_closed { Ok(()) } else { self.outgoing.push(opcode, is_last, content) }
    }

    /// Pushes what was handed over to the socket.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        // A peer that sends pings and does not read makes no buffer grow.
        if self.outgoing.rest().len() < WRITE_BYTES
            && let Some(content) = self.ping.take()
        {
            self.push(Opcode::Pong, true, &content)?;
        }
        ready!(self.poll_write(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx).map_err(Broken::Lost)
    }

    /// Writes all that waits.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while !self.outgoing.rest().is_empty() {
            let written =
                ready!(Pin::new(&mut self.stream).poll_write(cx, self.outgoing.rest())).map_err(Broken::Lost)?;
            if written == 0 {
                return Poll::Ready(Err(Broken::Lost(std::io::ErrorKind::WriteZero.into())));
            }
            self.outgoing.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

fn closed_without_a_frame() -> Broken {
    Broken::Lost(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the peer closed without a close frame"))
}
