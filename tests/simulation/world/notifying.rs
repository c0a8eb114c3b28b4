//! Notifications, and the store with its writer: what is accepted, what a crash leaves, and what is reported.

use std::time::Duration;

use nbwss::Error;
use nbwss::outbox::{Accepted, Change, Outbox, Outcome, Pending, Store};
use serde_json::Value;

use super::{Event, GROUPS, World};

/// Notifications of one history: how they are called by their text, and under which sequence number.
#[derive(Default)]
pub struct Notified {
    /// Texts made so far, each with the next number.
    pub made: u64,
    /// The text's number of each sequence number that was ever given.
    pub by_sequence: std::collections::BTreeMap<u64, u64>,
    /// Sequence numbers for which the host had an OK that still holds.
    pub promised: std::collections::BTreeSet<u64>,
    /// Encoded bytes of each.
    pub bytes: usize,
}

pub fn number_of(element: &str) -> u64 {
    let element: Value = serde_json::from_str(element).expect("JSON");
    element["n"].as_u64().expect("our number")
}

impl World {
    pub(super) fn notify(&mut self) {
        let notified = &mut self.notified;
        notified.made += 1;
        let element = format!("{{\"n\":{},\"pad\":\"{}\"}}", notified.made, "x".repeat(notified.bytes));
        match self.outbox.accept(self.now().epoch_seconds, element.into()) {
            Ok(Accepted::As(sequence)) => {
                self.notified.by_sequence.insert(sequence, self.notified.made);
                assert!(self.notified.promised.insert(sequence), "{sequence} was given twice");
            }
            // The change's end tells.
            Ok(Accepted::WithChange(_)) => {}
            Err(error) => assert!(matches!(error, Error::Store { .. }) && self.disk.is_some(), "{error}"),
        }
    }

    /// What the writer does: one change at a time, which takes a while, and reading.
    pub(super) fn pump_store(&mut self) {
        if self.disk.is_none() {
            return;
        }
        while let Some(load) = self.outbox.poll_load() {
            let records = self.disk.as_mut().map(|disk| disk.read(load.from, load.max_bytes));
            self.outbox.loaded(&load, records.expect("a disk").expect("it can be read"));
        }
        let wait = match self.outbox.pending_change() {
            Pending::Nothing => return,
            Pending::Progress => self.milliseconds(0..300),
            Pending::Notifications(_) => self.milliseconds(0..20),
        };
        if !self.writes {
            self.writes = true;
            self.schedule(self.at + wait, Event::Write(self.life));
        }
    }

    pub(super) fn write(&mut self) {
        self.change = self.outbox.begin_change();
        let takes = self.milliseconds(1..50);
        let life = self.life;
        self.schedule(self.at + takes, Event::Written(life));
    }

    pub(super) fn written(&mut self) {
        let (Some(change), Some(disk)) = (self.change.take(), &mut self.disk) else { return };
        let result = disk.commit(&change);
        self.writes = false;
        if result.is_ok() {
            self.told_of(&change);
            self.notified.promised.extend(change.records.iter().map(|record| record.sequence));
        }
        self.outbox.end_change(change, &result);
        if result.is_err() {
            // The next attempt comes later.
            self.writes = true;
            let pause = self.milliseconds(50..2000);
            self.schedule(self.at + pause, Event::Write(self.life));
        }
    }

    fn told_of(&mut self, change: &Change) {
        let numbers = change.records.iter().map(|record| (record.sequence, number_of(&record.element)));
        self.notified.by_sequence.extend(numbers);
    }

    /// The process ends, in order or not, and another goes on with the store.
    pub(super) fn restart(&mut self, in_order: bool) {
        if self.disk.as_ref().is_none_or(|disk| in_order && disk.fails) {
            return;
        }
        self.totals.restarts += 1;
        self.trace.push(format!("{:?} restart {in_order}", self.at));
        if in_order {
            self.written();
            while self.outbox.pending_change() != Pending::Nothing {
                self.change = self.outbox.begin_change();
                self.written();
            }
            self.pump_reports();
            self.outbox.shut_down();
            self.pump_kept();
        } else if let Some(change) = self.change.take() {
            // Killed while it was being written: it is there or not, and nobody was told.
            let late = self.random.bool() && self.disk.as_mut().is_some_and(|disk| disk.commit(&change).is_ok());
            if late {
                self.told_of(&change);
            }
        }
        let Some(disk) = &mut self.disk else { return };
        let end = disk.end();
        // What was accepted at once and had not been written is gone, as it was announced.
        self.notified.promised.retain(|sequence| *sequence < end);
        self.notified.by_sequence.retain(|sequence, _| *sequence < end);
        // What was reported in the last moment is reported again.
        let disk = &*disk;
        self.reports.retain(|(group, sequence), _| in_order || !disk.has_open(GROUPS[*group], *sequence));
        let saved = self.disk.as_mut().map(|disk| disk.load().expect("it can be read")).unwrap_or_default();
        self.outbox = Outbox::restored(&self.settings, true, &saved);
        self.writes = false;
        self.life += 1;
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.end(id, &nbwss::session::End::Lost("killed".into()));
        }
        for group_id in self.group_ids.clone() {
            if self.endpoints.iter().any(|(_, group)| *GROUPS[*group] == *group_id) {
                self.outbox.add_group(&group_id);
            }
        }
    }

    pub(super) fn pump_reports(&mut self) {
        while let Some(report) = self.outbox.poll_report() {
            let group = GROUPS.iter().position(|id| **id == *report.group_id).expect("a known group");
            for sequence in report.first..=report.last {
                let before = self.reports.insert((group, sequence), report.outcome);
                assert_eq!(before, None, "two reports for {sequence} in {group}");
                let number = self.notified.by_sequence[&sequence];
                let seen = self.clouds[group].received.binary_search(&number).is_ok();
                match report.outcome {
                    Outcome::Delivered => assert!(seen, "{sequence} is reported delivered but never came"),
                    Outcome::NeverAcknowledged => {
                        assert!(seen, "{sequence} is given up and was never sent");
                        self.totals.poison += 1;
                    }
                    Outcome::Expired { setting } => {
                        assert_eq!(setting, "outbox.retention.maxCount");
                        assert!(self.settings.retention_max_count > 0);
                        self.totals.expired += 1;
                    }
                    other => panic!("{sequence} in {group}: {other:?}"),
                }
            }
            self.outbox.report_told(&report);
        }
    }

    /// At an orderly end everything that has no report is reported as kept, and nothing else.
    fn pump_kept(&mut self) {
        let mut kept = std::collections::BTreeSet::new();
        while let Some(report) = self.outbox.poll_report() {
            assert_eq!(report.outcome, Outcome::Kept);
            let group = GROUPS.iter().position(|id| **id == *report.group_id).expect("a known group");
            kept.extend((report.first..=report.last).map(|sequence| (group, sequence)));
        }
        for group in 0..GROUPS.len() {
            for sequence in &self.notified.promised {
                let key = (group, *sequence);
                assert!(kept.contains(&key) != self.reports.contains_key(&key), "{key:?} is reported twice or never");
            }
        }
    }

    /// After a long calm: every promise was kept, once.
    pub(super) fn judge_notifications(&mut self) {
        assert!(self.outbox.is_idle(), "{:?} in the end", self.outbox.counts());
        for (group, cloud) in self.clouds.iter().enumerate() {
            for sequence in &self.notified.promised {
                let number = self.notified.by_sequence[sequence];
                let came = cloud.received.binary_search(&number).is_ok();
                let report =
                    self.reports.get(&(group, *sequence)).unwrap_or_else(|| panic!("no report for {sequence}"));
                assert!(came || *report != Outcome::Delivered);
                self.totals.delivered += u64::from(*report == Outcome::Delivered);
            }
            self.totals.repeated += cloud.repeated;
        }
        self.totals.accepted = self.notified.promised.len() as u64;
    }

    pub(super) fn disk_fails(&mut self) {
        if let Some(disk) = &mut self.disk {
            disk.fails = true;
            let pause = self.milliseconds(10..20_000);
            self.schedule(self.at + pause, Event::DiskWorks);
        }
    }

    pub(super) fn epoch(at: Duration) -> i64 {
        1_700_000_000 + i64::try_from(at.as_secs()).expect("not long")
    }
}
