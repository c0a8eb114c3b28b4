//! An answer as it goes out.

use crate::protocol::{self, Response, ResponseFormat, Text};
use crate::time::Now;

/// An encoded answer. Encoding takes longer than all that [`Dispatch`](super::Dispatch) does with it, so it comes
/// before that, and before its lock.
#[derive(Debug)]
pub struct Answer {
    pub(super) text: Text,
    pub(super) status_code: u16,
    pub(super) body_bytes: usize,
}

impl Answer {
    /// The host's response to the COMMAND with this id.
    pub fn new(now: Now, id: &str, response: &Response, format: &ResponseFormat) -> Answer {
        let mut text = protocol::command_response(id, response, format, now.epoch_seconds);
        // It may wait or be kept for long, and is counted by its length.
        if text.capacity() - text.len() > text.len() / 8 {
            text.shrink_to_fit();
        }
        Answer { text: text.into(), status_code: response.status_code(), body_bytes: response.body_bytes() }
    }
}
