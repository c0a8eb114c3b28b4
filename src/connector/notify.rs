//! Notifications: from the host's threads into the outbox, and between the outbox and the sessions.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::host::{Drained, GroupStats};
use super::shared::Shared;
use super::sync::{after, lock, on_our_thread};
use super::{Connector, refuse_on_our_thread};
use crate::error::Error;
use crate::outbox::{Accepted, Outbox};
use crate::protocol::notification::{self, Image, Job};
use crate::time::{self, Now};

/// A store that has not caught up by then is not waited for.
const CATCHING_UP: Duration = Duration::from_secs(5);

impl Connector {
    /// Accepts a job notification for every server group there is. Never waits for the network; with a store it
    /// waits for the disk, unless `outbox.store.sync` is off. Returns its sequence number.
    ///
    /// # Errors
    /// [`Error::InvalidNotification`] names the field; [`Error::NoEndpoint`]; [`Error::QueueFull`] at a limit of
    /// the outbox, after `outbox.fullWait`; [`Error::Store`] where it cannot be stored.
    pub fn notify_job(&self, job: &Job<'_>) -> Result<u64, Error> {
        self.notify(job.encode()?)
    }

    /// Accepts an image notification; otherwise as [`Connector::notify_job`].
    ///
    /// # Errors
    /// As for [`Connector::notify_job`].
    pub fn notify_image(&self, image: &Image<'_>) -> Result<u64, Error> {
        self.notify(image.encode()?)
    }

    /// Accepts a payload element that the host encoded: `{"notificationType": …, "object": …, "data": [{…}]}`.
    ///
    /// # Errors
    /// As for [`Connector::notify_job`].
    pub fn notify_json(&self, element: &str) -> Result<u64, Error> {
        self.notify(notification::check_element(element)?.to_owned())
    }

    fn notify(&self, element: String) -> Result<u64, Error> {
        let shared = self.open()?;
        let (element, epoch_seconds): (Arc<str>, _) = (element.into(), time::epoch_seconds());
        let mut outbox = lock(&shared.outbox);
        if !on_our_thread() {
            outbox = shared.wait_for_space(outbox, element.len());
            self.open()?;
        }
        let accepted = outbox.accept(epoch_seconds, element)?;
        match (accepted, &shared.writer) {
            (Accepted::As(sequence), None) => {
                drop(outbox);
                shared.wake_all();
                shared.may_let_go();
                Ok(sequence)
            }
            (Accepted::As(sequence), Some(writer)) => {
                drop(outbox);
                writer.poke();
                Ok(sequence)
            }
            (Accepted::WithChange(index), Some(writer)) => {
                let first = writer.ticket(outbox, index).wait()?;
                Ok(first.saturating_add(index))
            }
            (Accepted::WithChange(_), None) => Err(Error::IllegalState("there is no store")),
        }
    }

    /// Waits until every accepted notification is acknowledged (or given up) and its report was made.
    ///
    /// # Errors
    /// [`Error::IllegalState`] on a thread of ours, or when `destroy` begins. Running out of time is not an
    /// error here: [`Drained::complete`] tells.
    pub fn drain(&self, timeout: Duration) -> Result<Drained, Error> {
        refuse_on_our_thread()?;
        let shared = self.open()?;
        let over = |idle: bool| idle || shared.is_closing();
        self.wait_until(&shared.outbox, &shared.outbox_settled, after(timeout), |outbox| over(outbox.is_idle()));
        self.open()?;
        let outbox = lock(&shared.outbox);
        let counts = outbox.counts();
        Ok(Drained {
            delivered: counts.delivered,
            pending: counts.pending,
            abandoned: counts.abandoned,
            complete: outbox.is_idle(),
        })
    }

    /// What waits for one server group, and what became of the rest.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a group that has no endpoint and nothing in the store.
    pub fn group_stats(&self, group_id: &str) -> Result<GroupStats, Error> {
        let counts = lock(&self.open()?.outbox).group_counts(group_id);
        let counts = counts.ok_or_else(|| Error::NotFound { what: "server group", name: group_id.to_owned() })?;
        let age = |accepted| Duration::from_secs(u64::try_from(time::epoch_seconds() - accepted).unwrap_or(0));
        Ok(GroupStats { counts, oldest_age: counts.oldest.map(age) })
    }

    /// Gives up what waits for a server group that has no endpoint, with reports: one that the store still knows
    /// and that will not be added again.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::IllegalState`] while it has an endpoint.
    pub fn forget_group(&self, group_id: &str) -> Result<(), Error> {
        let shared = self.open()?;
        {
            let control = lock(&shared.control);
            if control.registry.has_group(group_id) {
                return Err(Error::IllegalState("the server group has an endpoint: remove that"));
            }
            let mut outbox = lock(&shared.outbox);
            if outbox.group_counts(group_id).is_none() {
                return Err(Error::NotFound { what: "server group", name: group_id.to_owned() });
            }
            outbox.remove_group(group_id);
        }
        shared.notifications_settled();
        Ok(())
    }
}

impl Shared {
    /// Waits until the store has caught up and a notification of so many bytes would not be refused for lack of space,
    /// or as long as is allowed. What it finds then still holds when it returns.
    fn wait_for_space<'s>(&'s self, mut outbox: MutexGuard<'s, Outbox>, bytes: usize) -> MutexGuard<'s, Outbox> {
        let full_wait = self.settings.outbox_full_wait;
        let is_full = |outbox: &Outbox| matches!(outbox.admits(bytes), Err(Error::QueueFull { .. }));
        let mut began = None;
        loop {
            let allowed = match () {
                () if outbox.is_behind() => CATCHING_UP,
                () if !full_wait.is_zero() && is_full(&outbox) => full_wait,
                () => return outbox,
            };
            let left = allowed.saturating_sub(began.get_or_insert_with(Instant::now).elapsed());
            if left.is_zero() || self.is_closing() {
                return outbox;
            }
            self.space_waiters.fetch_add(1, Ordering::AcqRel);
            outbox = self.outbox_settled.wait_timeout(outbox, left).unwrap_or_else(PoisonError::into_inner).0;
            self.space_waiters.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// A session of the group is established.
    pub(super) fn group_connected(&self, group_id: &str) {
        lock(&self.outbox).connection_opened(group_id);
        self.notifications_settled();
    }

    /// The group's session is gone.
    pub(super) fn group_disconnected(&self, group_id: &str) {
        lock(&self.outbox).connection_closed(group_id);
        // It may have too much waiting from now on.
        self.control_changed.notify_one();
    }

    /// The next message for the group's session.
    pub(super) fn next_notification(&self, now: Now, group_id: &str) -> Option<String> {
        let mut outbox = lock(&self.outbox);
        let before = outbox.counts().abandoned;
        let message = outbox.poll_transmit(now, group_id);
        let given_up = outbox.counts().abandoned != before;
        let reads = self.writer.is_some() && message.is_some() && outbox.wants_load(group_id);
        drop(outbox);
        if given_up {
            self.notifications_settled();
        } else if reads && let Some(writer) = &self.writer {
            writer.poke();
        }
        message
    }

    /// Returns whether the id was in flight.
    pub(super) fn acknowledged(&self, group_id: &str, id: &str) -> bool {
        let known = lock(&self.outbox).acknowledge(group_id, id);
        if known {
            self.notifications_settled();
        }
        known
    }

    /// Lets go of what is too much for groups that are away. Returns the time until there is more.
    pub(super) fn let_go(&self) -> Option<Duration> {
        if !self.settings.lets_go() {
            return None;
        }
        let now = time::epoch_seconds();
        let (changed, next) = {
            let mut outbox = lock(&self.outbox);
            let before = outbox.counts().abandoned;
            outbox.expire(now);
            (outbox.counts().abandoned != before, outbox.next_expiry())
        };
        if changed {
            self.notifications_settled();
        }
        next.map(|at| Duration::from_secs(u64::try_from(at - now).unwrap_or(0).max(1)))
    }

    /// Some notifications have ended, or a group's queue has room: for the host to know, and the store.
    pub(super) fn notifications_settled(&self) {
        self.reports.bell().ring();
        self.outbox_changed();
        if let Some(writer) = &self.writer {
            writer.poke_if_idle();
        }
    }

    /// Wakes whoever drains, if there may be nothing left to wait for, and whoever waits for space.
    pub(super) fn outbox_changed(&self) {
        self.tell_of(&lock(&self.outbox));
    }

    /// The same, for who has it locked.
    pub(super) fn tell_of(&self, outbox: &Outbox) {
        if outbox.is_idle() || self.space_waiters.load(Ordering::Acquire) > 0 {
            self.tell(&self.outbox_settled);
        }
    }

    /// Too much may wait for a group that is away.
    pub(super) fn may_let_go(&self) {
        if self.settings.lets_go() {
            self.control_changed.notify_one();
        }
    }
}
