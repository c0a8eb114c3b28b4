//! The settings as the outbox reads them.

use std::time::Duration;

use crate::settings::Settings;

/// What may wait, and how it is sent.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) max_count: usize,
    pub(super) max_bytes: usize,
    pub(super) max_element_bytes: usize,
    /// Accept without any group, for the first that comes.
    pub(super) keep_without_endpoint: bool,
    /// Let go of superseded states of a job when a group is back.
    pub(super) collapse_jobs: bool,
    pub(super) batch: BatchLimits,
    pub(super) retention: Retention,
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Limits {
        Limits {
            max_count: settings.outbox_max_count,
            max_bytes: settings.outbox_max_bytes,
            max_element_bytes: settings.notification_max_bytes,
            keep_without_endpoint: settings.keep_without_endpoint,
            collapse_jobs: settings.collapse_jobs,
            batch: BatchLimits {
                count: settings.batch_count,
                bytes: settings.batch_bytes,
                window: settings.window,
                acknowledge_timeout: settings.acknowledge_timeout,
                max_attempts: settings.max_attempts,
            },
            retention: Retention {
                max_age: i64::try_from(settings.retention_max_age.as_secs()).unwrap_or(i64::MAX),
                max_count: settings.retention_max_count as u64,
                max_bytes: settings.retention_max_bytes as u64,
            },
        }
    }
}

/// How messages are filled, how many may be on the way, and how often they are sent.
#[derive(Debug)]
pub(super) struct BatchLimits {
    pub(super) count: usize,
    pub(super) bytes: usize,
    pub(super) window: usize,
    pub(super) acknowledge_timeout: Duration,
    pub(super) max_attempts: usize,
}

impl BatchLimits {
    /// Bytes that a connected group reads ahead from the store: enough to fill messages while more is being read.
    pub(super) fn read_ahead(&self) -> usize {
        (4 * self.bytes).min(1 << 20).max(self.bytes)
    }

    /// Messages that are suspected of never being acknowledged and do not count in the window.
    pub(super) fn excused(&self) -> usize {
        self.window.max(8)
    }
}

/// What is kept for a group that is away; 0 is without a bound.
#[derive(Debug)]
pub(super) struct Retention {
    pub(super) max_age: i64,
    pub(super) max_count: u64,
    pub(super) max_bytes: u64,
}

impl Retention {
    /// How many are over the bound on their number.
    pub(super) fn too_many(&self, count: u64) -> u64 {
        if self.max_count > 0 { count.saturating_sub(self.max_count) } else { 0 }
    }

    /// The setting by which this much is too much.
    pub(super) fn exceeded(&self, age: i64, count: u64, bytes: u64) -> Option<&'static str> {
        if self.max_age > 0 && age >= self.max_age {
            Some("outbox.retention.maxAge")
        } else if self.too_many(count) > 0 {
            Some("outbox.retention.maxCount")
        } else if self.max_bytes > 0 && bytes > self.max_bytes {
            Some("outbox.retention.maxBytes")
        } else {
            None
        }
    }
}
