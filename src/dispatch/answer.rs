//! An answer as it goes out.

use crate::protocol::{self, Response, ResponseFormat, Text};
use crate::time::Now;

/// Up to this a copy costs less than giving back the end of what was reserved: ends of many sizes are of little use to
/// the allocator.
const SMALL_BYTES: usize = 1 << 10;

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
        let text = if text.capacity() - text.len() <= text.len() / 8 {
            text.into()
        } else if text.len() <= SMALL_BYTES {
            Text::from(&*text)
        } else {
            text.shrink_to_fit();
            text.into()
        };
        Answer { text, status_code: response.status_code(), body_bytes: response.body_bytes() }
    }
}
