//! From a peer's bytes to messages (RFC 6455, sections 5.2 to 5.5). The bytes may come cut anywhere, and messages in
//! fragments with control frames between them.
//!
//! A frame that came in one piece is handed on where it lies: what a burst of messages costs is mostly copies.

use std::ops::Range;

use super::Broken;

/// First byte: the last fragment of its message.
pub(super) const FIN: u8 = 0x80;
/// First byte: for extensions, of which we offer none.
const RESERVED: u8 = 0x70;
/// First byte: what kind of frame it is.
const OPCODE: u8 = 0x0f;
/// Second byte: only what a client sends is masked.
pub(super) const MASKED: u8 = 0x80;
/// Second byte: the length is in the next two, or eight, bytes.
pub(super) const LENGTH_IN_2: u8 = 126;
pub(super) const LENGTH_IN_8: u8 = 127;
/// The longest head of a frame without a mask.
const MAX_HEAD_BYTES: usize = 10;
/// RFC 6455, section 5.5.
const MAX_CONTROL_BYTES: usize = 125;

/// What a message, or a control frame, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Kind {
    fn is_control(self) -> bool {
        matches!(self, Kind::Close | Kind::Ping | Kind::Pong)
    }
}

/// Where the content is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// There, in the bytes that were given.
    Input(Range<usize>),
    /// It came in pieces; here they are together.
    Joined(Vec<u8>),
}

/// A frame whose content is under way.
#[derive(Debug)]
struct Frame {
    /// `None`: it goes on with a message.
    kind: Option<Kind>,
    is_last: bool,
    /// Bytes of it that are still to come.
    left: usize,
}

/// The peer's side of a connection, as far as it has come.
#[derive(Debug)]
pub(super) struct Incoming {
    max_message_bytes: usize,
    /// The beginning of a frame's head, where the bytes ended within one.
    head: Vec<u8>,
    frame: Option<Frame>,
    /// A message in fragments, of which more is to come.
    message: Option<Kind>,
    /// The pieces of a message so far.
    data: Vec<u8>,
    /// The pieces of a control frame so far: it may come between the fragments of a message.
    control: Vec<u8>,
}

impl Incoming {
    pub(super) fn new(max_message_bytes: usize) -> Incoming {
        let (head, data, control) = (Vec::new(), Vec::new(), Vec::new());
        Incoming { max_message_bytes, head, frame: None, message: None, data, control }
    }

    /// Reads the next message or control frame, or what there is of it. Returns how many of the bytes are done with.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<(usize, Option<(Kind, Content)>), Broken> {
        let (mut frame, start) = match self.frame.take() {
            Some(frame) => (frame, 0),
            None => match self.read_head(input)? {
                Some((frame, start)) => (frame, start),
                None => return Ok((input.len(), None)),
            },
        };
        let piece = input.get(start..).unwrap_or_default();
        let piece = piece.get(..frame.left).unwrap_or(piece);
        let end = start + piece.len();
        frame.left -= piece.len();
        let is_complete = frame.left == 0;
        let is_control = frame.kind.is_some_and(Kind::is_control);
        let pieces = if is_control { &mut self.control } else { &mut self.data };
        if let Some(kind) = frame.kind
            && is_complete
            && frame.is_last
            && pieces.is_empty()
        {
            return Ok((end, Some((kind, Content::Input(start..end)))));
        }
        pieces.extend_from_slice(piece);
        if !is_complete {
            self.frame = Some(frame);
            return Ok((end, None));
        }
        let kind = if is_control {
            frame.kind
        } else {
            self.message = frame.kind.or(self.message);
            if frame.is_last { self.message.take() } else { None }
        };
        Ok((end, kind.map(|kind| (kind, Content::Joined(std::mem::take(pieces))))))
    }

    /// Reads the head of a frame, and where its content begins. `None`: there is not all of it yet.
    fn read_head(&mut self, input: &[u8]) -> Result<Option<(Frame, usize)>, Broken> {
        let before = self.head.len();
        let found = if before == 0 {
            parse_head(input)?
        } else {
            self.head.extend(input.iter().take(MAX_HEAD_BYTES - before));
            parse_head(&self.head)?
        };
        let Some((frame, bytes)) = found else {
            if before == 0 {
                self.head.extend_from_slice(input);
            }
            return Ok(None);
        };
        self.head = Vec::new();
        match frame.kind {
            Some(kind) if kind.is_control() => {}
            Some(_) if self.message.is_some() => return Err(violation("a message begins within another")),
            None if self.message.is_none() => return Err(violation("a fragment of no message")),
            _ if frame.left > self.max_message_bytes.saturating_sub(self.data.len()) => return Err(Broken::TooLarge),
            _ => {}
        }
        Ok(Some((frame, bytes - before)))
    }
}

/// Reads a head and its length. `None`: there is not all of it.
fn parse_head(bytes: &[u8]) -> Result<Option<(Frame, usize)>, Broken> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let (length, head_bytes) = match *second {
        LENGTH_IN_2 => match rest.first_chunk() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
            None => return Ok(None),
        },
        LENGTH_IN_8 => match rest.first_chunk() {
            Some(length) => (u64::from_be_bytes(*length), MAX_HEAD_BYTES),
            None => return Ok(None),
        },
        length if length & MASKED == 0 => (u64::from(length), 2),
        _ => return Err(violation("a server's frame is masked")),
    };
    if first & RESERVED != 0 {
        return Err(violation("a reserved bit is set"));
    }
    let kind = match first & OPCODE {
        0x0 => None,
        0x1 => Some(Kind::Text),
        0x2 => Some(Kind::Binary),
        0x8 => Some(Kind::Close),
        0x9 => Some(Kind::Ping),
        0xa => Some(Kind::Pong),
        _ => return Err(violation("an unknown opcode")),
    };
    let left = usize::try_from(length).map_err(|_| Broken::TooLarge)?;
    let is_last = first & FIN != 0;
    if kind.is_some_and(Kind::is_control) && (left > MAX_CONTROL_BYTES || !is_last) {
        return Err(violation("a control frame is too long or in fragments"));
    }
    Ok(Some((Frame { kind, is_last, left }, head_bytes)))
}

/// The code and the reason in a close frame (RFC 6455, sections 5.5.1 and 7.4); code 1005 where there is none.
pub(super) fn closing(content: &[u8]) -> Result<(u16, &str), Broken> {
    let Some((code, reason)) = content.split_first_chunk() else {
        return if content.is_empty() { Ok((1005, "")) } else { Err(violation("a close frame of one byte")) };
    };
    let code = u16::from_be_bytes(*code);
    // The others are not registered, or not for the wire.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(violation("a close code that nobody may send"));
    }
    Ok((code, std::str::from_utf8(reason).map_err(|_| Broken::NotUtf8)?))
}

fn violation(how: &str) -> Broken {
    Broken::Violation(how.to_owned())
}
