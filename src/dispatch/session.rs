//! What dispatch knows of one session: the answers that wait for it, and the deadlines of its calls.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::CallId;
use super::answer::Encoded;
use super::answers::Answers;
use super::deadlines::Deadlines;
use super::rate::Rate;

/// Answers over this go out one at a time and after the others: nothing can go between their fragments.
const LARGE_ANSWER_BYTES: usize = 128 << 10;

/// One session.
#[derive(Debug)]
pub(super) struct SessionCalls {
    pub(super) host_name: Arc<str>,
    pub(super) group_id: Arc<str>,
    /// Of the group: its part in the key of each call.
    pub(super) key: u64,
    /// Encoded and not yet taken.
    pub(super) answers: Answers,
    pub(super) large_answers: VecDeque<Encoded>,
    pub(super) waiting_bytes: usize,
    /// Of those that were taken last, and have not all gone out before the next are taken.
    pub(super) taken_bytes: usize,
    /// Of the running calls that it asked for last.
    pub(super) deadlines: Deadlines,
    pub(super) rate: Rate,
}

impl SessionCalls {
    pub(super) fn push(&mut self, answer: Encoded) {
        self.waiting_bytes += answer.len();
        if answer.len() > LARGE_ANSWER_BYTES {
            self.large_answers.push_back(answer);
        } else {
            self.answers.push(answer);
        }
    }

    /// Whether one more may wait. The only one always may.
    pub(super) fn has_room(&self, answer: &str, max_bytes: usize) -> bool {
        let bytes = self.waiting_bytes + self.taken_bytes;
        bytes == 0 || bytes + answer.len() <= max_bytes
    }

    pub(super) fn take(&mut self) -> Answers {
        let mut answers = std::mem::take(&mut self.answers);
        if let Some(large) = self.large_answers.pop_front() {
            answers.push(large);
        }
        self.taken_bytes = answers.bytes();
        self.waiting_bytes -= self.taken_bytes;
        answers
    }

    pub(super) fn first_due(&self, now: Instant) -> Option<CallId> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, call)| call)
    }
}
