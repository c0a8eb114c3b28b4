//! One server group's notifications: numbers, and giving up.

use super::boundary;
use super::connector::nbwss_connector;
use super::handle;
use super::ptr::{self, Growing};
use super::status::nbwss_status;
use super::str::nbwss_str;

/// The notifications of one server group. Start from `NBWSS_GROUP_COUNTS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nbwss_group_counts {
    /// `sizeof(nbwss_group_counts)`.
    pub struct_size: usize,
    /// Notifications that wait, for sending or for their acknowledgement.
    pub pending: u64,
    /// Encoded bytes from the oldest that waits to the newest.
    pub pending_bytes: u64,
    /// How long the oldest waits already, by the wall clock and to the second; 0 where none waits.
    pub oldest_age_ms: u64,
    /// Of those that wait: sent, and not acknowledged yet.
    pub in_flight: u64,
    /// Notifications acknowledged. Like all that follow since the connector was made.
    pub delivered: u64,
    /// Notifications given up, with a report.
    pub abandoned: u64,
    /// Messages sent for the first time.
    pub messages: u64,
    /// Messages sent again.
    pub messages_resent: u64,
}

// SAFETY: repr(C), begins with struct_size, all fields may be zero.
unsafe impl Growing for nbwss_group_counts {}

/// What waits for a server group, and what became of the rest. Never waits.
///
/// Returns `NBWSS_NOT_FOUND` for a group that has no endpoint and nothing in `outbox.store.path`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_group_stats_n(
    connector: *mut nbwss_connector,
    group_id: nbwss_str,
    stats: *mut nbwss_group_counts,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a struct of the host's, by the header.
        let out = unsafe { ptr::out("stats", stats) }?;
        // SAFETY: readable text, by the header.
        let group = handle::get(connector)?.group_stats(unsafe { group_id.text("group_id") }?)?;
        let age = group.oldest_age.unwrap_or_default();
        out.set(nbwss_group_counts {
            struct_size: size_of::<nbwss_group_counts>(),
            pending: group.counts.pending,
            pending_bytes: group.counts.bytes,
            oldest_age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            in_flight: group.counts.in_flight,
            delivered: group.counts.delivered,
            abandoned: group.counts.abandoned,
            messages: group.counts.messages,
            messages_resent: group.counts.resent,
        });
        Ok(())
    })
}

/// Gives up, with reports, what waits for a server group that has no endpoint and will have none: one that
/// `outbox.store.path` still knows from an earlier process.
///
/// Returns `NBWSS_NOT_FOUND`; `NBWSS_ILLEGAL_STATE` while the group has an endpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_group_forget_n(connector: *mut nbwss_connector, group_id: nbwss_str) -> nbwss_status {
    // SAFETY: readable text, by the header.
    boundary::call(|| handle::get(connector)?.forget_group(unsafe { group_id.text("group_id") }?))
}
