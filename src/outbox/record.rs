//! One accepted notification, and sequence numbers as runs.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One accepted notification, as groups queue it and a store keeps it.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its number, from 1.
    pub sequence: u64,
    /// Encoded bytes of all notifications before it, since the first ever accepted: the difference of two offsets
    /// is what lies between them.
    pub offset: u64,
    /// When it was accepted, in seconds since 1970.
    pub accepted: i64,
    /// The encoded payload element.
    pub element: Arc<str>,
    /// The job that it tells the state of; known only where superseded states are let go.
    pub job: Option<i64>,
}

impl Record {
    /// Where the next one begins.
    pub fn end_offset(&self) -> u64 {
        self.offset + self.element.len() as u64
    }
}

/// A run of sequence numbers: first and last, both included.
pub type Run = (u64, u64);

pub(super) fn count(run: Run) -> u64 {
    run.1 - run.0 + 1
}

/// Rising sequence numbers as runs.
pub(super) fn runs(sequences: impl Iterator<Item = u64>) -> Vec<Run> {
    let mut all: Vec<Run> = Vec::new();
    for sequence in sequences {
        match all.last_mut() {
            Some(run) if run.1 + 1 == sequence => run.1 = sequence,
            _ => all.push((sequence, sequence)),
        }
    }
    all
}

/// The job that an element tells the state of: a JOB with one entry that has a `jobId`.
pub(super) fn job_of(element: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Element<'e> {
        #[serde(borrow)]
        object: &'e RawValue,
        data: [Entry; 1],
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "jobId")]
        job_id: i64,
    }
    let element: Element = serde_json::from_str(element).ok()?;
    (element.object.get() == "\"JOB\"").then_some(element.data[0].job_id)
}
