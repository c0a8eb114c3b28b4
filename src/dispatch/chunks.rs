//! Texts that come and go in order, one behind the other in a few large pieces of memory.
//!
//! Many small texts that are each kept for a while hold the memory that was used a moment ago, and the allocator has
//! only such to hand out as no cache remembers. A copy in here lets the text itself go at once.

use std::collections::VecDeque;

/// Longest text that is meant for here, in bytes. Of a longer one the copy costs more than it saves.
pub(super) const MAX_TEXT_BYTES: usize = 4 << 10;
/// One piece. At its end at most an eighth is lost, where the next text did not fit.
const CHUNK_BYTES: usize = 32 << 10;

/// The texts. Beyond their own bytes, and what is lost at the ends, they take three chunks at most: the oldest, partly
/// forgotten, the newest, partly free, and a spare one. When the last text is forgotten, all memory goes.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    full: VecDeque<Chunk>,
    newest: Chunk,
    /// What the oldest had, for the next.
    spare: String,
    /// How many there were before the ones that are here.
    gone: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    texts: String,
    /// Those that are not forgotten.
    count: usize,
}

/// Where a text is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Counted from the first that there ever was.
    chunk: usize,
    start: usize,
    end: usize,
}

impl Place {
    /// The text's length in bytes.
    pub(super) fn len(self) -> usize {
        self.end - self.start
    }
}

impl Chunks {
    /// Keeps a copy.
    pub(super) fn push(&mut self, text: &str) -> Place {
        if self.newest.texts.len() + text.len() > CHUNK_BYTES {
            let next = Chunk { texts: std::mem::take(&mut self.spare), count: 0 };
            self.full.push_back(std::mem::replace(&mut self.newest, next));
        }
        let Chunk { texts, count } = &mut self.newest;
        let start = texts.len();
        texts.reserve_exact(CHUNK_BYTES.saturating_sub(start));
        texts.push_str(text);
        *count += 1;
        Place { chunk: self.gone + self.full.len(), start, end: texts.len() }
    }

    /// A text that is not forgotten.
    pub(super) fn get(&self, place: Place) -> Option<&str> {
        let chunk = self.full.get(place.chunk.checked_sub(self.gone)?).unwrap_or(&self.newest);
        chunk.texts.get(place.start..place.end)
    }

    pub(super) fn forget_oldest(&mut self) {
        let oldest = self.full.front_mut().unwrap_or(&mut self.newest);
        oldest.count = oldest.count.saturating_sub(1);
        if oldest.count > 0 {
            return;
        }
        let gone = self.gone + 1;
        if let Some(oldest) = self.full.pop_front() {
            self.spare = oldest.texts;
            self.spare.clear();
            self.gone = gone;
        } else {
            *self = Chunks { gone, ..Chunks::default() };
        }
    }

    /// How much memory they take.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let full: usize = self.full.iter().map(|chunk| chunk.texts.capacity()).sum();
        full + self.newest.texts.capacity() + self.spare.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_let_go_of_chunk_by_chunk_and_at_last_all() {
        let mut chunks = Chunks::default();
        let text = |n: usize| format!("{n}-").repeat(1 + n % 900);
        let mut places = VecDeque::new();
        for n in 0..5000 {
            places.push_back((n, chunks.push(&text(n))));
            if places.len() > 300 {
                chunks.forget_oldest();
                places.pop_front();
            }
            let bytes: usize = places.iter().map(|(n, _)| text(*n).len()).sum();
            assert!(chunks.capacity() <= bytes * 8 / 7 + 3 * CHUNK_BYTES, "{bytes} bytes in {}", chunks.capacity());
        }
        for (n, place) in &places {
            assert_eq!(chunks.get(*place), Some(&*text(*n)));
        }
        for _ in 0..places.len() {
            assert_ne!(chunks.capacity(), 0);
            chunks.forget_oldest();
        }
        assert_eq!(chunks.capacity(), 0);
        let again = chunks.push("again");
        assert_eq!(chunks.get(again), Some("again"));
    }
}
