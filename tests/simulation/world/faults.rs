//! What the others do: commands that come, endpoints that are added and removed, and everything that goes wrong.

use std::sync::Arc;

use nbwss::Secret;
use nbwss::endpoint::{Details, Endpoint, EndpointId};
use nbwss::supervisor::AttemptId;

use super::{Event, GROUPS, Wire, World};
use crate::cloud;

impl World {
    pub(super) fn add_endpoint(&mut self, group: usize) {
        let name = format!("endpoint-{}", self.last_event + self.endpoints.len() as u64);
        let priority = self.random.i32(0..3);
        let details =
            Details::new(&name, "wss://cloud/", GROUPS[group], priority, Secret::new("good".into())).expect("valid");
        let Ok(added) = self.registry.add(vec![(details, true)]) else { return };
        self.add_group(group);
        let active = self.random.u8(0..5) > 0;
        if !active {
            self.deactivated.insert(added[0].id);
        }
        self.supervisor.add(self.now().instant, &self.group_ids[group], added[0].id, priority, active);
        self.endpoints.push((added[0].id, group));
    }

    /// The application sends a command: a new one, or one that was sent before.
    pub(super) fn ask(&mut self, group: usize) {
        let found = self.connections.iter_mut().find(|(_, c)| c.group == group && c.authenticated && !c.silent);
        let Some((&id, _)) = found else { return };
        let number = if self.last_command > 0 && self.random.u8(0..4) == 0 {
            self.totals.repeated_calls += 1;
            self.random.u64(1..=self.last_command)
        } else {
            self.last_command += 1;
            self.last_command
        };
        let command = format!("C{number}");
        self.send(id, 1, Wire::Text(cloud::command(&command), self.at));
        if let Some(connection) = self.connections.get_mut(&id) {
            *connection.balance.entry(command.clone()).or_default() += 1;
            connection.asked.push((command, connection.arrivals[1]));
        }
    }

    pub(super) fn fault(&mut self) {
        let now = self.now().instant;
        let kind = self.random.u8(0..19);
        self.trace.push(format!("{:?} fault {kind}", self.at));
        let ids: Vec<AttemptId> = self.connections.keys().copied().collect();
        let victim = self.random.choice(&ids).copied();
        let group = self.random.usize(0..2);
        self.intervened = matches!(kind, 6 | 7 | 9 | 12 | 13 | 14);
        match (kind, victim) {
            (0..=2, Some(id)) => {
                // Cut: what is on the way is gone, and the connector learns of it a little later.
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.silent = true;
                }
                let delay = self.milliseconds(0..500);
                self.schedule(self.at + delay, Event::Lost(id));
            }
            (3, Some(id)) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.silent = true;
                }
            }
            (4, _) => {
                let known: Vec<EndpointId> = self.endpoints.iter().map(|(id, _)| *id).collect();
                self.down.extend(self.random.choice(&known));
            }
            (5, _) => self.down.clear(),
            (6, _) => {
                let running = self.random.bool();
                self.supervisor.set_running(now, running);
            }
            (7, _) => {
                let running = self.random.bool();
                self.supervisor.set_group_running(now, GROUPS[group], running);
            }
            (8, _) => self.add_endpoint(group),
            (9, _) => self.remove_endpoint(group),
            (10, Some(id)) => {
                let code = self.random.choice([1000, 1001, 1008, 1011, 1012, 1013, 4401, 4403]).expect("not empty");
                self.schedule(self.at, Event::PeerCloses(id, code));
            }
            (11, _) => self.token_expires(),
            (12, _) => {
                if let Some(endpoint) = self.an_endpoint(group) {
                    self.renew_token(endpoint.id);
                }
            }
            (13, _) => {
                self.supervisor.reconnect(now, GROUPS[group]);
                let in_group = |id: &EndpointId| self.endpoints.contains(&(*id, group));
                self.left_alone.retain(|id, _| !in_group(id));
            }
            (14, _) => {
                let active = self.random.bool();
                if let Some(endpoint) = self.an_endpoint(group) {
                    self.set_active(endpoint.id, active);
                }
            }
            (15, _) => {
                let priority = self.random.i32(0..3);
                if let Some(endpoint) = self.an_endpoint(group) {
                    self.supervisor.set_priority(now, GROUPS[group], endpoint.id, priority);
                }
            }
            (16, _) => self.restart(false),
            (17, _) => self.restart(true),
            (18, _) => self.disk_fails(),
            _ => {}
        }
    }

    fn an_endpoint(&mut self, group: usize) -> Option<Arc<Endpoint>> {
        let of_group: Vec<_> = self.registry.iter().filter(|e| *e.details.group_id == *GROUPS[group]).collect();
        self.random.choice(of_group).cloned()
    }

    /// The application accepts an endpoint's token no longer, and says so to the session that has it.
    fn token_expires(&mut self) {
        let known: Vec<EndpointId> = self.endpoints.iter().map(|(id, _)| *id).collect();
        let Some(&endpoint) = self.random.choice(&known) else { return };
        self.stale.insert(endpoint);
        let session = self.connections.iter().find(|(_, connection)| connection.endpoint == endpoint);
        if let Some((&id, _)) = session {
            self.schedule(self.at, Event::PeerCloses(id, 4401));
        }
    }

    fn renew_token(&mut self, endpoint: EndpointId) {
        self.stale.remove(&endpoint);
        self.left_alone.remove(&endpoint);
        self.supervisor.renewed(self.now().instant, GROUPS[self.group_of(endpoint)], endpoint);
    }

    fn set_active(&mut self, endpoint: EndpointId, active: bool) {
        let changed = if active { self.deactivated.remove(&endpoint) } else { self.deactivated.insert(endpoint) };
        if changed {
            self.left_alone.remove(&endpoint);
        }
        self.supervisor.set_active(self.now().instant, GROUPS[self.group_of(endpoint)], endpoint, active);
    }

    /// From now on everybody behaves.
    pub(super) fn calm(&mut self) {
        self.intervened = true;
        self.down.clear();
        if let Some(disk) = &mut self.disk {
            (disk.fails, disk.fails_to_read) = (false, false);
        }
        self.clouds.iter_mut().for_each(|cloud| cloud.manners = cloud.manners.good());
        for group in 0..GROUPS.len() {
            if !self.groups.contains(&group) {
                self.add_endpoint(group);
            }
        }
        self.stale.clone().into_iter().for_each(|endpoint| self.renew_token(endpoint));
        self.deactivated.clone().into_iter().for_each(|endpoint| self.set_active(endpoint, true));
        let now = self.now().instant;
        self.supervisor.set_running(now, true);
        for group in GROUPS {
            self.supervisor.set_group_running(now, group, true);
        }
    }

    /// Removes an endpoint. With the last of its group its notifications are given up.
    fn remove_endpoint(&mut self, group: usize) {
        let of_group: Vec<_> =
            self.registry.iter().filter(|e| *e.details.group_id == *GROUPS[group]).cloned().collect();
        if let Some(endpoint) = self.random.choice(&of_group) {
            self.registry.remove(&endpoint.details.host_name).expect("it is there");
            self.supervisor.remove(self.now().instant, GROUPS[group], endpoint.id);
            if of_group.len() == 1 {
                self.remove_group(group);
            }
        }
    }
}
