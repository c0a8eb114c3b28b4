//! What an administrator does: endpoints added, changed, looked at and removed, and the database they live in.
//!
//! A change is written first and takes effect then. Administrators wait for each other and for the disk, the sessions
//! for neither.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use super::Connector;
use super::host::{ConnectionState, EndpointInfo, EventKind, Health};
use super::shared::{Control, Shared, Why};
use super::sync::lock;
use crate::endpoint::{self, Details, Endpoint, EndpointId, EndpointStore, EndpointTls, Invalid, Stored};
use crate::error::Error;
use crate::secret::Secret;
use crate::supervisor::Supervisor;
use crate::time::Now;

impl Connector {
    /// Adds one endpoint.
    ///
    /// # Errors
    /// [`Error::DuplicateEndpoint`] where the host name is taken; [`Error::InvalidEndpoint`] where the setting
    /// `endpoint.allowedHosts` does not have the URL's host; [`Error::File`] or [`Error::Tls`] for its choice of
    /// TLS; [`Error::Store`].
    pub fn add_endpoint(&self, details: Details) -> Result<(), Error> {
        self.add_endpoints(vec![details])
    }

    /// Adds the endpoint, or all endpoints of the array, in the JSON text: all or nothing.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`] names the field; otherwise as for [`Connector::add_endpoint`].
    pub fn add_endpoints_json(&self, json: impl AsRef<[u8]>) -> Result<(), Error> {
        self.add_endpoints(endpoint::parse(json.as_ref())?)
    }

    /// As [`Connector::add_endpoints_json`], from a file.
    ///
    /// # Errors
    /// In addition [`Error::File`] where it cannot be read.
    pub fn add_endpoints_file(&self, path: &Path) -> Result<(), Error> {
        self.add_endpoints(endpoint::read_file(path)?)
    }

    /// As [`Connector::add_endpoints_json`], from what [`Connector::fetch_endpoints`] gets.
    ///
    /// # Errors
    /// In addition [`Error::Fetch`].
    pub fn add_endpoints_url(&self, url: &str) -> Result<(), Error> {
        self.add_endpoints(self.fetch_endpoints(url)?)
    }

    /// Adds all of them or none.
    ///
    /// # Errors
    /// As for [`Connector::add_endpoint`].
    pub fn add_endpoints(&self, all: Vec<Details>) -> Result<(), Error> {
        let (shared, store) = self.administer()?;
        lock(&shared.control).registry.check(&all)?;
        for (index, details) in all.iter().enumerate() {
            let allowed = shared.dialer.check("url", details.url.host());
            allowed.map_err(|invalid| Invalid { index: (all.len() > 1).then_some(index), ..invalid })?;
            shared.trust.for_endpoint(&details.tls)?;
        }
        if let Some(store) = &*store {
            store.put(&all.iter().map(|details| (details, true)).collect::<Vec<_>>())?;
        }
        shared.enter(all.into_iter().map(|details| Stored { details, active: true }).collect())?;
        shared.control_changed.notify_one();
        Ok(())
    }

    /// Removes an endpoint, by host name without case, and ends its session. With its group's last endpoint go
    /// the group's notifications, each with a report.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Store`].
    pub fn remove_endpoint(&self, host_name: &str) -> Result<(), Error> {
        let (shared, store) = self.administer()?;
        lock(&shared.control).registry.find(host_name)?;
        if let Some(store) = &*store {
            store.remove(host_name)?;
        }
        {
            let mut control = lock(&shared.control);
            let removed = control.registry.remove(host_name)?;
            let group_id = &removed.details.group_id;
            control.troubles.remove(&removed.id);
            control.supervisor.remove(Now::read().instant, group_id, removed.id);
            // At once: what is accepted from now on, for who has the same group then, is not for its session.
            control.attempts.values().filter(|link| link.endpoint == removed.id).for_each(|link| link.end());
            if !control.registry.has_group(group_id) {
                lock(&shared.outbox).remove_group(group_id);
            }
        }
        drop(store);
        shared.control_changed.notify_one();
        shared.notifications_settled();
        Ok(())
    }

    /// Activates or deactivates an endpoint. A deactivated one has its session ended and is not tried; its group's
    /// notifications stay.
    ///
    /// # Errors
    /// As for [`Connector::remove_endpoint`].
    pub fn set_endpoint_active(&self, host_name: &str, active: bool) -> Result<(), Error> {
        let kind = if active { EventKind::Activated } else { EventKind::Deactivated };
        let mut was_active = active;
        let (changed, alone) = self.change(
            host_name,
            |endpoint| {
                was_active = endpoint.active;
                Ok(Endpoint { active, ..endpoint })
            },
            |supervisor, now, endpoint| supervisor.set_active(now, &endpoint.details.group_id, endpoint.id, active),
        )?;
        // Before the next administrator has a turn: the last event is to be what holds.
        if was_active != active {
            self.shared.event(kind, &changed, Why::default(), None);
        }
        drop(alone);
        Ok(())
    }

    /// Replaces the token. The endpoint is dialled anew with it at once: its session, if it has one, was opened with the
    /// old token and is ended.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`]; otherwise as for [`Connector::remove_endpoint`].
    pub fn set_endpoint_token(&self, host_name: &str, token: Secret) -> Result<(), Error> {
        let with_token = |endpoint: Endpoint| {
            let details = endpoint.details.clone().with_token(token)?;
            Ok(Endpoint { details, ..endpoint })
        };
        self.change(host_name, with_token, renewed).map(drop)
    }

    /// Replaces the choice for TLS; otherwise as [`Connector::set_endpoint_token`].
    ///
    /// # Errors
    /// As for [`Connector::add_endpoint`], and [`Error::NotFound`].
    pub fn set_endpoint_tls(&self, host_name: &str, tls: EndpointTls) -> Result<(), Error> {
        let shared = self.open()?;
        let with_tls = |endpoint: Endpoint| {
            let details = endpoint.details.clone().with_tls(tls)?;
            shared.trust.for_endpoint(&details.tls)?;
            Ok(Endpoint { details, ..endpoint })
        };
        self.change(host_name, with_tls, renewed).map(drop)
    }

    /// Changes the priority, which counts from the group's next selection on: there is no fail-back.
    ///
    /// # Errors
    /// As for [`Connector::set_endpoint_token`].
    pub fn set_endpoint_priority(&self, host_name: &str, priority: i32) -> Result<(), Error> {
        let with_priority = |endpoint: Endpoint| {
            let details = endpoint.details.clone().with_priority(priority)?;
            Ok(Endpoint { details, ..endpoint })
        };
        let tell = |supervisor: &mut Supervisor, now, endpoint: &Endpoint| {
            supervisor.set_priority(now, &endpoint.details.group_id, endpoint.id, priority);
        };
        self.change(host_name, with_priority, tell).map(drop)
    }

    /// Ends the session of the endpoint's group, if there is one, forgets its pauses and refusals, and selects anew from
    /// the best at once.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn reconnect(&self, host_name: &str) -> Result<(), Error> {
        let shared = self.open()?;
        {
            let mut control = lock(&shared.control);
            let group_id = control.registry.find(host_name)?.details.group_id.clone();
            control.supervisor.reconnect(Now::read().instant, &group_id);
        }
        shared.control_changed.notify_one();
        Ok(())
    }

    /// The database, and with it the right to change endpoints, until it is let go.
    fn administer(&self) -> Result<(&Shared, MutexGuard<'_, Option<EndpointStore>>), Error> {
        let shared = self.open()?;
        let store = lock(&shared.store);
        // `destroy` may have begun since, and closes the database.
        self.open()?;
        Ok((shared, store))
    }

    /// Changes an endpoint: first in the database, then in the registry, and tells the supervisor. Others wait until what
    /// is returned with it is let go.
    fn change(
        &self,
        host_name: &str,
        change: impl FnOnce(Endpoint) -> Result<Endpoint, Error>,
        tell: impl FnOnce(&mut Supervisor, Instant, &Endpoint),
    ) -> Result<(Arc<Endpoint>, MutexGuard<'_, Option<EndpointStore>>), Error> {
        let (shared, store) = self.administer()?;
        let endpoint = lock(&shared.control).registry.find(host_name)?.clone();
        let changed = Arc::new(change((*endpoint).clone())?);
        if changed.active {
            // It may have been stored before the setting was made.
            shared.dialer.check("url", changed.details.url.host())?;
        }
        if let Some(store) = &*store {
            store.put(&[(&changed.details, changed.active)])?;
        }
        {
            let mut control = lock(&shared.control);
            control.registry.replace(changed.clone());
            tell(&mut control.supervisor, Now::read().instant, &changed);
        }
        shared.control_changed.notify_one();
        Ok((changed, store))
    }

    /// All endpoints by host name.
    ///
    /// # Errors
    /// As for [`Connector::start`].
    pub fn endpoints(&self) -> Result<Vec<EndpointInfo>, Error> {
        let shared = self.open()?;
        Ok(list(shared, &lock(&shared.control)))
    }

    /// One endpoint, by host name without case.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn endpoint(&self, host_name: &str) -> Result<EndpointInfo, Error> {
        let shared = self.open()?;
        let control = lock(&shared.control);
        let endpoint = control.registry.find(host_name)?;
        Ok(info(&control, endpoint, silences(shared, &control).get(&endpoint.id)))
    }

    /// How the server groups are connected.
    ///
    /// # Errors
    /// As for [`Connector::start`].
    pub fn health(&self) -> Result<Health, Error> {
        let shared = self.open()?;
        let settings = &shared.settings;
        let limit = settings.keep_alive_interval.saturating_mul(settings.max_missed_pongs as u32 + 1);
        let control = lock(&shared.control);
        let all = list(shared, &control);
        let mut groups = BTreeMap::new();
        for endpoint in all.iter().filter(|endpoint| endpoint.active) {
            let group_id = &endpoint.details.group_id;
            if control.supervisor.is_running(group_id) {
                // What was told to end serves nobody any more.
                let connected = endpoint.state == ConnectionState::Connected;
                let heard = connected && endpoint.last_heard.is_some_and(|age| age < limit);
                *groups.entry(group_id.clone()).or_insert(false) |= heard;
            }
        }
        Ok(Health {
            groups: groups.len(),
            groups_connected: groups.values().filter(|connected| **connected).count(),
            endpoints: all.len(),
            endpoints_active: all.iter().filter(|endpoint| endpoint.active).count(),
            endpoints_refused: all.iter().filter(|endpoint| endpoint.state == ConnectionState::Refused).count(),
        })
    }
}

fn renewed(supervisor: &mut Supervisor, now: Instant, endpoint: &Endpoint) {
    supervisor.renewed(now, &endpoint.details.group_id, endpoint.id);
}

impl Shared {
    /// Lets endpoints in that are in the database already, or are to be in none.
    pub(super) fn enter(&self, all: Vec<Stored>) -> Result<(), Error> {
        let now = Now::read().instant;
        let mut control = lock(&self.control);
        let added = control.registry.add(all.into_iter().map(|stored| (stored.details, stored.active)).collect())?;
        // The outbox learns of the group before the group can connect.
        let mut outbox = lock(&self.outbox);
        for endpoint in added {
            let details = &endpoint.details;
            outbox.add_group(&details.group_id);
            control.supervisor.add(now, &details.group_id, endpoint.id, details.priority, endpoint.active);
        }
        Ok(())
    }
}

fn list(shared: &Shared, control: &Control) -> Vec<EndpointInfo> {
    let silences = silences(shared, control);
    control.registry.iter().map(|endpoint| info(control, endpoint, silences.get(&endpoint.id))).collect()
}

/// How long ago the peer of each session was last heard.
fn silences(shared: &Shared, control: &Control) -> HashMap<EndpointId, Duration> {
    let now = Instant::now();
    control.attempts.values().filter_map(|link| Some((link.endpoint, shared.silence(link, now)?))).collect()
}

fn info(control: &Control, endpoint: &Endpoint, last_heard: Option<&Duration>) -> EndpointInfo {
    let now = Now::read().instant;
    let mut info = EndpointInfo::from(endpoint.details.clone());
    info.active = endpoint.active;
    info.last_error = control.troubles.get(&endpoint.id).cloned();
    if let Some(connection) = control.supervisor.connection(&endpoint.details.group_id, endpoint.id) {
        info.state = connection.state;
        info.since = SystemTime::now().checked_sub(now.saturating_duration_since(connection.since));
        info.next_attempt_in = connection.next_attempt.map(|at| at.saturating_duration_since(now));
        info.attempts = connection.attempts;
        info.sessions = connection.sessions;
    }
    info.last_heard = last_heard.copied();
    info
}
