//! Answers on their way to a session's peer.

use std::collections::VecDeque;
use std::ops::Deref;

use super::answer::Encoded;
use crate::protocol::Text;

/// Answers in the order in which they are to be sent. Short ones lie one behind the other in one piece of memory, so that
/// a burst of them takes few.
#[derive(Debug, Default)]
pub struct Answers {
    short: String,
    /// So much of it has been sent.
    sent: usize,
    queue: VecDeque<Queued>,
    bytes: usize,
}

#[derive(Debug)]
enum Queued {
    /// So many bytes of the short ones.
    Short(usize),
    Long(Text),
}

/// The next of them.
#[derive(Debug)]
pub enum Next<'a> {
    /// Where it lies.
    Short(&'a str),
    /// By itself.
    Long(Text),
}

impl Deref for Next<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Next::Short(text) => text,
            Next::Long(text) => text,
        }
    }
}

impl Answers {
    /// A second answer is the sign of a burst, for which so much memory is taken at once.
    const BURST_BYTES: usize = 16 << 10;

    pub(super) fn push(&mut self, answer: Encoded) {
        self.bytes += answer.len();
        self.queue.push_back(match answer {
            Encoded::Short(text) => {
                if self.short.capacity() - self.short.len() < text.len() {
                    self.short.reserve(if self.short.is_empty() { text.len() } else { Self::BURST_BYTES });
                }
                self.short.push_str(&text);
                Queued::Short(text.len())
            }
            Encoded::Long(text) => Queued::Long(text),
        });
    }

    /// Takes the next.
    pub fn pop(&mut self) -> Option<Next<'_>> {
        Some(match self.queue.pop_front()? {
            Queued::Short(length) => {
                let start = self.sent;
                self.sent += length;
                Next::Short(self.short.get(start..self.sent).unwrap_or_default())
            }
            Queued::Long(text) => Next::Long(text),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Of all that were pushed.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::chunks::MAX_TEXT_BYTES;

    #[test]
    fn answers_of_every_length_leave_as_and_in_the_order_in_which_they_came() {
        let text = |n: usize| format!("{n}☂").repeat(1 + n * n % 1300);
        let mut answers = Answers::default();
        for n in 0..100 {
            answers.push(text(n).into());
        }
        let lengths = (0..100).map(|n| text(n).len());
        assert_eq!(answers.bytes(), lengths.clone().sum::<usize>());
        assert!(lengths.clone().any(|length| length > MAX_TEXT_BYTES) && lengths.clone().any(|length| length < 100));
        for n in 0..100 {
            assert_eq!(answers.pop().as_deref(), Some(&*text(n)));
        }
        assert!(answers.is_empty() && answers.pop().is_none());
    }
}
