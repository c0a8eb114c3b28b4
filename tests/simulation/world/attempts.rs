//! Attempts to connect: what the supervisor wants done, what comes of it, and the rules that it keeps.

use std::collections::HashMap;
use std::time::Duration;

use nbwss::Secret;
use nbwss::endpoint::EndpointId;
use nbwss::session::{End, Session};
use nbwss::supervisor::{Action, Aftermath, AttemptId};

use super::{Connection, Dialling, Event, GROUPS, World};

impl World {
    pub(super) fn carry_out(&mut self, action: Action) {
        match action {
            Action::Dial { attempt, endpoint } => {
                self.trace.push(format!("{:?} dial {endpoint:?}", self.at));
                let group = self.group_of(endpoint);
                let busy = self.dialling.values().any(|other| self.group_of(other.endpoint) == group)
                    || self.connections.values().any(|other| other.group == group);
                assert!(!busy, "a second connection of the group {group}");
                assert!(self.registry.get(endpoint).is_some(), "{endpoint:?} is dialled after it was removed");
                assert!(!self.deactivated.contains(&endpoint), "{endpoint:?} is dialled while deactivated");
                let left_alone = self.left_alone.remove(&endpoint).unwrap_or_default();
                assert!(left_alone <= self.at, "{endpoint:?} is to be left alone until {left_alone:?}");
                self.dialling.insert(attempt, Dialling { endpoint, told_to_end: false });
                let (delay, answer) = (self.milliseconds(1..3000), self.upgrade(endpoint));
                self.schedule(self.at + delay, Event::Dialled(attempt, answer));
            }
            Action::End { attempt } => {
                assert!(self.intervened, "no fail-back, and nothing else ends without a reason");
                let delay = self.milliseconds(0..1000);
                if let Some(dialling) = self.dialling.get_mut(&attempt) {
                    dialling.told_to_end = true;
                    self.schedule(self.at + delay, Event::Dialled(attempt, Err(Aftermath::Retry)));
                } else if let Some(connection) = self.connections.get_mut(&attempt) {
                    connection.closing = true;
                    self.schedule(self.at + delay, Event::Closed(attempt));
                }
            }
        }
    }

    /// How the endpoint will answer the WebSocket upgrade.
    fn upgrade(&mut self, endpoint: EndpointId) -> Result<(), Aftermath> {
        if self.down.contains(&endpoint) {
            return Err(Aftermath::Retry);
        }
        if self.random.u8(0..100) >= self.clouds[self.group_of(endpoint)].manners.turns_away {
            return Ok(());
        }
        let status = self.random.choice([302, 401, 404, 429, 500, 503]).expect("not empty");
        let retry_after = self.random.bool().then(|| Duration::from_secs(self.random.u64(0..150)));
        Err(Aftermath::of_upgrade(status, retry_after))
    }

    pub(super) fn dialled(&mut self, id: AttemptId, how: Result<(), Aftermath>) {
        let Some(Dialling { endpoint, told_to_end }) = self.dialling.remove(&id) else { return };
        // Told to end, the connector does not look at what else came of it.
        if let Err(aftermath) = if told_to_end { Err(Aftermath::Retry) } else { how } {
            return self.ended(id, endpoint, aftermath);
        }
        let token = if self.stale.contains(&endpoint) { "stale" } else { "good" };
        let connection = Connection {
            endpoint,
            group: self.group_of(endpoint),
            session: Session::new(self.now(), &self.settings, Secret::new(token.into())),
            open: None,
            silent: false,
            closing: false,
            authenticated: false,
            arrivals: [self.at; 2],
            asked: Vec::new(),
            balance: HashMap::new(),
        };
        self.connections.insert(id, connection);
    }

    pub(super) fn end(&mut self, id: AttemptId, end: &End) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.trace.push(format!("{:?} end {end}", self.at));
        if let Some(open) = connection.open {
            self.dispatch.close(open);
            self.outbox.connection_closed(GROUPS[connection.group]);
        }
        let aftermath = match end {
            _ if connection.closing => Aftermath::Retry, // as above
            End::Rejected => Aftermath::Refused,
            End::PeerClosed { code, .. } => Aftermath::of_close(*code, connection.open.is_some()),
            _ => Aftermath::Retry,
        };
        self.ended(id, connection.endpoint, aftermath);
    }

    fn ended(&mut self, id: AttemptId, endpoint: EndpointId, how: Aftermath) {
        let wait = match how {
            Aftermath::Refused => Some(self.settings.backoff_cap),
            Aftermath::Busy { after: Some(after) } => Some(after.min(self.settings.max_retry_after)),
            Aftermath::Busy { after: None } | Aftermath::Retry => None,
        };
        if let Some(wait) = wait {
            self.left_alone.insert(endpoint, self.at + wait);
            self.totals.left_alone += 1;
        }
        self.supervisor.ended(self.now().instant, id, how);
    }
}
