//! An answer as it goes out.

use std::ops::Deref;

use super::chunks::MAX_TEXT_BYTES;
use crate::protocol::{self, Response, ResponseFormat, Text};
use crate::time::Now;

/// An encoded answer. Encoding takes longer than all that [`Dispatch`](super::Dispatch) does with it, so it comes
/// before that, and before its lock.
#[derive(Debug)]
pub struct Answer {
    pub(super) text: Encoded,
    pub(super) status_code: u16,
    pub(super) body_bytes: usize,
}

impl Answer {
    /// The host's response to the COMMAND with this id.
    pub fn new(now: Now, id: &str, response: &Response, format: &ResponseFormat) -> Answer {
        let text = protocol::command_response(id, response, format, now.epoch_seconds).into();
        Answer { text, status_code: response.status_code(), body_bytes: response.body_bytes() }
    }
}

/// A text that is copied wherever it is kept, or one for which that would cost more than to share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoded {
    /// Up to 4 KiB.
    Short(String),
    /// Longer.
    Long(Text),
}

impl From<String> for Encoded {
    fn from(mut text: String) -> Encoded {
        if text.len() <= MAX_TEXT_BYTES {
            return Encoded::Short(text);
        }
        // It may wait or be kept for long, and is counted by its length.
        text.shrink_to_fit();
        Encoded::Long(text.into())
    }
}

impl Deref for Encoded {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Encoded::Short(text) => text,
            Encoded::Long(text) => text,
        }
    }
}
