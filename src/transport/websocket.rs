//! The WebSocket: messages over a verified TLS stream, with every buffer bounded.

use std::error::Error;
use std::fmt;
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures_util::{SinkExt, StreamExt};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Bytes, Message, Utf8Bytes};

use super::failure::{ConnectError, retry_after};
use super::stream::QuietStream;
use super::tls::Refusal;
use crate::endpoint::Url;

/// Read ahead this much. Allocated for every session, so it is what an idle one costs.
const READ_BYTES: usize = 4 << 10;
/// Write as soon as this much waits: one full TLS record, so that a burst of answers takes few system calls.
const WRITE_BYTES: usize = 16 << 10;

/// A larger message is sent in fragments (RFC 6455, section 5.4), so that pings can go between them and no copy
/// of it is made. Above the default size of a full notification message.
const FRAGMENT_BYTES: usize = 128 << 10;

/// What arrived.
#[derive(Debug)]
pub(crate) enum Incoming {
    Text(Utf8Bytes),
    Binary(Bytes),
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
    /// The peer broke RFC 6455.
    Violation(String),
    /// Reset, cut or otherwise lost.
    Lost(std::io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::TooLarge => f.write_str("message over the limit"),
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
pub(crate) struct WebSocket {
    stream: WebSocketStream<TlsStream<QuietStream>>,
    /// What is left of a message in fragments. No other message may begin before it is empty.
    rest: Bytes,
}

impl WebSocket {
    pub(super) async fn upgrade(
        url: &Url,
        stream: TlsStream<QuietStream>,
        max_message_bytes: usize,
    ) -> Result<WebSocket, ConnectError> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(WRITE_BYTES)
            // Never reached: the driver offers the next fragment only when the buffer has drained.
            .max_write_buffer_size(4 * FRAGMENT_BYTES)
            .max_message_size(Some(max_message_bytes))
            .max_frame_size(Some(max_message_bytes));
        match tokio_tungstenite::client_async_with_config(url.as_str(), stream, Some(config)).await {
            Ok((stream, _)) => Ok(WebSocket { stream, rest: Bytes::new() }),
            Err(tungstenite::Error::Http(response)) => Err(ConnectError::HttpStatus {
                status: response.status().as_u16(),
                retry_after: retry_after(response.headers(), SystemTime::now()),
            }),
            Err(error) => Err(ConnectError::Upgrade { source: broken(error) }),
        }
    }

    /// The next message, if one is there.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Broken>> {
        loop {
            let message = match self.stream.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => Err(closed_without_a_frame()),
                Poll::Ready(Some(message)) => message.map_err(broken),
            };
            return Poll::Ready(match message {
                Ok(Message::Text(text)) => Ok(Incoming::Text(text)),
                Ok(Message::Binary(bytes)) => Ok(Incoming::Binary(bytes)),
                Ok(Message::Pong(_)) => Ok(Incoming::Pong),
                Ok(Message::Close(frame)) => Ok(match frame {
                    Some(frame) => Incoming::Closed { code: frame.code.into(), reason: frame.reason.to_string() },
                    None => Incoming::Closed { code: 1005, reason: String::new() },
                }),
                // Answered below us.
                Ok(Message::Ping(_) | Message::Frame(_)) => continue,
                Err(error) => Err(error),
            });
        }
    }

    /// Whether something may be handed over now: a ping, a close frame, the next fragment, or, when no fragment
    /// is left, a message.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.stream.poll_ready_unpin(cx).map_err(broken)
    }

    pub(crate) fn send_text(&mut self, text: Utf8Bytes) -> Result<(), Broken> {
        debug_assert!(!self.has_fragments());
        if text.len() <= FRAGMENT_BYTES {
            return self.hand_over(Message::Text(text));
        }
        self.rest = Bytes::from(text);
        self.fragment(Data::Text)
    }

    /// Whether a message is on its way in fragments.
    pub(crate) fn has_fragments(&self) -> bool {
        !self.rest.is_empty()
    }

    pub(crate) fn send_fragment(&mut self) -> Result<(), Broken> {
        self.fragment(Data::Continue)
    }

    fn fragment(&mut self, data: Data) -> Result<(), Broken> {
        let fragment = self.rest.split_to(FRAGMENT_BYTES.min(self.rest.len()));
        let frame = Frame::message(fragment, OpCode::Data(data), self.rest.is_empty());
        self.hand_over(Message::Frame(frame))
    }

    fn hand_over(&mut self, message: Message) -> Result<(), Broken> {
        self.stream.start_send_unpin(message).map_err(broken)
    }

    pub(crate) fn send_ping(&mut self) -> Result<(), Broken> {
        self.hand_over(Message::Ping(Bytes::new()))
    }

    pub(crate) fn send_close(&mut self, code: u16) -> Result<(), Broken> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::default() };
        self.hand_over(Message::Close(Some(frame)))
    }

    /// Pushes what was handed over to the socket.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.stream.poll_flush_unpin(cx).map_err(broken)
    }
}

fn closed_without_a_frame() -> Broken {
    Broken::Lost(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the peer closed without a close frame"))
}

fn broken(error: tungstenite::Error) -> Broken {
    match error {
        tungstenite::Error::Io(error) => Broken::Lost(error),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed => closed_without_a_frame(),
        tungstenite::Error::Capacity(_) => Broken::TooLarge,
        other => Broken::Violation(other.to_string()),
    }
}
