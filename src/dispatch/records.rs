//! Which records of calls are made, for the audit and for the log.

use std::sync::Arc;
use std::time::Instant;

use super::{Answer, AuditRecord, Decision, Dispatch, MAX_WAITING_NOTICES, Notice, SessionId, Step};
use crate::protocol::CommandRequest;
use crate::time::Now;

/// Records that only the log gets are not made while so many notices wait: a log may have gaps, and holds up nobody.
pub(super) const MAX_WAITING_LINES: usize = MAX_WAITING_NOTICES / 2;

/// Which notices are made at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// [`Notice::Audit`], each without fail.
    pub audit: bool,
    /// [`Notice::Audit`] for the log, which may have gaps.
    pub log: Logged,
    /// [`Notice::Cancelled`].
    pub cancel: bool,
}

/// Which records the log gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Logged {
    /// None.
    #[default]
    Nothing,
    /// Arrivals of calls that are turned away.
    TurnedAway,
    /// All.
    Everything,
}

/// What the audit's second record repeats from the first.
#[derive(Debug)]
pub(super) struct Arrival {
    at: Instant,
    host_name: Arc<str>,
    group_id: Arc<str>,
    method: Box<str>,
    path: Box<str>,
}

impl Dispatch {
    /// Counts the call, makes its first record, and keeps what the second needs.
    pub(super) fn arrive(
        &mut self,
        now: Now,
        session: SessionId,
        id: &str,
        request: Option<&CommandRequest<'_>>,
        decision: Decision,
    ) -> Option<Box<Arrival>> {
        *match decision {
            Decision::Allowed => &mut self.counts.allowed,
            Decision::Refused => &mut self.counts.refused,
            Decision::Malformed => &mut self.counts.malformed,
            Decision::Limited => &mut self.counts.limited,
            Decision::Repeated => &mut self.counts.repeated,
            Decision::Conflict => &mut self.counts.conflicting,
        } += 1;
        let turned_away = !matches!(decision, Decision::Allowed | Decision::Repeated);
        let is_logged = match self.wanted.log {
            Logged::Nothing => false,
            Logged::TurnedAway => turned_away,
            Logged::Everything => true,
        };
        let has_gap = self.notices.len() >= MAX_WAITING_LINES;
        if !self.wanted.audit && (!is_logged || has_gap) {
            return None;
        }
        let calls = self.sessions.get(&session)?;
        let path = |request: &CommandRequest<'_>| Box::from(request.uri.split('?').next().unwrap_or_default());
        let arrival = Arrival {
            at: now.instant,
            host_name: calls.host_name.clone(),
            group_id: calls.group_id.clone(),
            method: request.map(|request| Box::from(&*request.method)).unwrap_or_default(),
            path: request.map(path).unwrap_or_default(),
        };
        let request_bytes = request.and_then(|request| request.body.as_ref()).map_or(0, |body| body.len());
        self.notices.push_back(Notice::Audit(AuditRecord {
            time: now.epoch_seconds,
            host_name: arrival.host_name.clone(),
            group_id: arrival.group_id.clone(),
            id: Box::from(id),
            method: arrival.method.clone(),
            path: arrival.path.clone(),
            step: Step::Arrived { decision, request_bytes },
        }));
        (self.wanted.audit || self.wanted.log == Logged::Everything).then(|| Box::new(arrival))
    }

    pub(super) fn audit_end(&mut self, now: Now, id: &str, arrival: Arrival, answer: &Answer) {
        if !self.wanted.audit && self.notices.len() >= MAX_WAITING_LINES {
            return;
        }
        self.notices.push_back(Notice::Audit(AuditRecord {
            time: now.epoch_seconds,
            host_name: arrival.host_name,
            group_id: arrival.group_id,
            id: Box::from(id),
            method: arrival.method,
            path: arrival.path,
            step: Step::Ended {
                status_code: answer.status_code,
                response_bytes: answer.body_bytes,
                duration: now.instant.saturating_duration_since(arrival.at),
            },
        }));
    }
}
