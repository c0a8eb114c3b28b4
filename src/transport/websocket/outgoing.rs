//! Frames on their way to the peer (RFC 6455, sections 5.2 and 5.3), one behind the other in one buffer, so that many
//! leave in one TLS record.

use aws_lc_rs::rand;

use super::incoming::{FIN, LENGTH_IN_2, LENGTH_IN_8, MASKED};
use super::{Broken, WRITE_BYTES};

/// Lengths up to this are in the second byte; up to that, in the two bytes behind it.
const MAX_LENGTH_IN_HEAD: usize = 125;
const MAX_LENGTH_IN_2: usize = 0xffff;
const MAX_HEAD_BYTES: usize = 14;

/// What a frame is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xa,
}

/// What waits for the socket.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// So many of them are written.
    written: usize,
    masks: Masks,
}

impl Outgoing {
    /// Appends a frame.
    pub(super) fn push(&mut self, opcode: Opcode, is_last: bool, content: &[u8]) -> Result<(), Broken> {
        let mask = self.masks.next()?;
        let bytes = MAX_HEAD_BYTES + content.len();
        if self.bytes.capacity() - self.bytes.len() < bytes {
            // A second frame is the sign of a burst.
            self.bytes.reserve(if self.bytes.is_empty() { bytes } else { bytes.max(WRITE_BYTES) });
        }
        self.bytes.push(opcode as u8 | if is_last { FIN } else { 0 });
        match content.len() {
            length @ ..=MAX_LENGTH_IN_HEAD => self.bytes.push(MASKED | length as u8),
            length @ ..=MAX_LENGTH_IN_2 => {
                self.bytes.push(MASKED | LENGTH_IN_2);
                self.bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                self.bytes.push(MASKED | LENGTH_IN_8);
                self.bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(&mask);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(content);
        apply(mask, self.bytes.get_mut(start..).unwrap_or_default());
        Ok(())
    }

    /// What is still to be written.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// So much more is written.
    pub(super) fn advance(&mut self, written: usize) {
        self.written += written;
        let left = self.rest().len();
        if left == 0 {
            // An idle session holds no buffer.
            (self.bytes, self.written) = (Vec::new(), 0);
        } else if self.written > left {
            self.bytes.drain(..std::mem::take(&mut self.written));
        }
    }
}

fn apply(mask: [u8; 4], content: &mut [u8]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = content.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    rest.iter_mut().zip(mask.into_iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// Masks that nobody can foresee (RFC 6455, section 10.3), some at a time: asking for each costs as much as the rest of
/// its frame.
#[derive(Default)]
struct Masks {
    block: [[u8; 4]; Masks::BLOCK],
    left: usize,
}

impl Masks {
    const BLOCK: usize = 16;

    fn next(&mut self) -> Result<[u8; 4], Broken> {
        if self.left == 0 {
            let random = rand::fill(self.block.as_flattened_mut());
            random.map_err(|_| Broken::Lost(std::io::Error::other("the system has no random numbers")))?;
            self.left = Masks::BLOCK;
        }
        self.left -= 1;
        Ok(self.block.get(self.left).copied().unwrap_or_default())
    }
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masks").finish_non_exhaustive()
    }
}
