//! Notifications, and the store with its writer: what is accepted, what a crash leaves, and what is reported.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use nbwss::Error;
use nbwss::outbox::{Accepted, Change, Outbox, Outcome, Pending, Store};
use serde_json::Value;

use super::{Event, GROUPS, World, settings};

/// Stands for what is kept until there is a group.
const NO_GROUP: usize = GROUPS.len();

/// Notifications of one history: how they are called by their text, and under which sequence number.
#[derive(Default)]
pub struct Notified {
    /// Texts made so far, each with the next number.
    pub made: u64,
    /// The text's number of each sequence number that was ever given.
    pub by_sequence: BTreeMap<u64, u64>,
    /// By the text's number: the groups that there were then, and the time.
    pub submitted: BTreeMap<u64, (Vec<usize>, i64)>,
    /// Groups and sequence numbers for which the host had an OK that still holds.
    pub promised: BTreeSet<(usize, u64)>,
    /// Texts made before each group was removed for the last time.
    pub removed: HashMap<usize, u64>,
    /// Encoded bytes of each.
    pub bytes: usize,
}

pub fn number_of(element: &str) -> u64 {
    let element: Value = serde_json::from_str(element).expect("JSON");
    element["n"].as_u64().expect("our number")
}

/// The job that a text tells the state of.
fn job_of(number: u64) -> u64 {
    number % 7
}

fn id_of(group: usize) -> &'static str {
    GROUPS.get(group).copied().unwrap_or_default()
}

fn index_of(group_id: &str) -> usize {
    (0..=NO_GROUP).find(|group| id_of(*group) == group_id).expect("a known group")
}

impl Notified {
    /// The host has an OK for a text under this sequence number.
    fn promise(&mut self, sequence: u64, number: u64) {
        self.by_sequence.insert(sequence, number);
        self.promised.extend(self.submitted[&number].0.iter().map(|group| (*group, sequence)));
    }

    /// What is kept until there is a group is now this one's.
    fn hand_over(&mut self, group: usize, is_settled: impl Fn(u64) -> bool) {
        let kept: Vec<u64> = self.promised.range((NO_GROUP, 0)..).map(|(_, sequence)| *sequence).collect();
        for sequence in kept.into_iter().filter(|sequence| !is_settled(*sequence)) {
            self.promised.remove(&(NO_GROUP, sequence));
            self.promised.insert((group, sequence));
        }
        for (groups, _) in self.submitted.values_mut() {
            groups.iter_mut().filter(|kept| **kept == NO_GROUP).for_each(|kept| *kept = group);
        }
    }
}

impl World {
    pub(super) fn add_group(&mut self, group: usize) {
        if self.groups.contains(&group) {
            return;
        }
        self.outbox.add_group(&self.group_ids[group]);
        if self.groups.is_empty() {
            self.notified.hand_over(group, |sequence| self.reports.contains_key(&(NO_GROUP, sequence)));
        }
        self.groups.push(group);
    }

    pub(super) fn remove_group(&mut self, group: usize) {
        self.outbox.remove_group(GROUPS[group]);
        self.groups.retain(|other| *other != group);
        self.notified.removed.insert(group, self.notified.made);
    }

    pub(super) fn notify(&mut self) {
        let (now, notified) = (self.now().epoch_seconds, &mut self.notified);
        notified.made += 1;
        let (number, pad) = (notified.made, "x".repeat(notified.bytes));
        let data = format!("\"object\":\"JOB\",\"data\":[{{\"jobId\":{}}}]", job_of(number));
        let element = format!("{{\"n\":{number},{data},\"pad\":\"{pad}\"}}");
        let groups = if self.groups.is_empty() { vec![NO_GROUP] } else { self.groups.clone() };
        notified.submitted.insert(number, (groups, now));
        match self.outbox.accept(now, element.into()) {
            Ok(Accepted::As(sequence)) => {
                assert!(!self.notified.by_sequence.contains_key(&sequence), "{sequence} was given twice");
                self.notified.promise(sequence, number);
            }
            // The change's end tells.
            Ok(Accepted::WithChange(_)) => {}
            Err(Error::NoEndpoint) => assert!(self.groups.is_empty() && !self.settings.keep_without_endpoint),
            Err(Error::QueueFull { .. }) => {
                assert!(settings::is_small(&self.settings));
                self.totals.refused += 1;
            }
            Err(error) => assert!(matches!(error, Error::Store { .. }) && self.disk.is_some(), "{error}"),
        }
    }

    /// What the writer does: one change at a time, which takes a while, and reading.
    pub(super) fn pump_store(&mut self) {
        if self.disk.is_none() {
            return;
        }
        if !self.reads && self.outbox.poll_load().is_some() {
            self.reads = true;
            let wait = self.milliseconds(0..10);
            self.schedule(self.at + wait, Event::Read(self.life));
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

    pub(super) fn read(&mut self) {
        self.reads = false;
        let (Some(load), Some(disk)) = (self.outbox.poll_load(), &mut self.disk) else { return };
        match disk.read(load.from, load.max_bytes) {
            Ok(records) => self.outbox.loaded(&load, records),
            Err(_) => {
                // The next attempt comes later.
                self.reads = true;
                let pause = self.milliseconds(50..2000);
                self.schedule(self.at + pause, Event::Read(self.life));
            }
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
            for record in &change.records {
                self.notified.promise(record.sequence, number_of(&record.element));
            }
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
        if !in_order && self.settings.collapse_jobs {
            self.clouds.iter_mut().for_each(|cloud| cloud.goes_back = true);
        }
        let Some(disk) = &mut self.disk else { return };
        let end = disk.end();
        // What was accepted at once and had not been written is gone, as it was announced.
        self.notified.promised.retain(|(_, sequence)| *sequence < end);
        self.notified.by_sequence.retain(|sequence, _| *sequence < end);
        // What was reported in the last moment is reported again, also by a group that had just taken over what was kept.
        let disk = &*disk;
        let is_open = |group, sequence| disk.has_open(id_of(group), sequence) || disk.has_open("", sequence);
        let still = |group, sequence| in_order || !is_open(group, sequence);
        self.reports.retain(|(group, sequence), _| *sequence < end && still(*group, *sequence));
        let saved = self.disk.as_mut().map(|disk| disk.load().expect("it can be read")).unwrap_or_default();
        self.outbox = Outbox::restored(&self.settings, true, &saved);
        (self.writes, self.reads) = (false, false);
        self.life += 1;
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.end(id, &nbwss::session::End::Lost("killed".into()));
        }
        std::mem::take(&mut self.groups).into_iter().for_each(|group| self.add_group(group));
        // Their removal had not reached the store.
        let gone: Vec<usize> = self.outbox.groups().map(|id| index_of(id)).collect();
        gone.iter()
            .filter(|group| !self.groups.contains(group))
            .for_each(|group| self.outbox.remove_group(GROUPS[*group]));
    }

    pub(super) fn pump_reports(&mut self) {
        while let Some(report) = self.outbox.poll_report() {
            let group = index_of(&report.group_id);
            for sequence in report.first..=report.last {
                let before = self.reports.insert((group, sequence), report.outcome);
                assert_eq!(before, None, "two reports for {sequence} in {group}");
                let number = self.notified.by_sequence[&sequence];
                let seen = self.clouds.get(group).is_some_and(|cloud| cloud.received.binary_search(&number).is_ok());
                let (_, accepted) = self.notified.submitted[&number];
                match report.outcome {
                    Outcome::Delivered => assert!(seen, "{sequence} is reported delivered but never came"),
                    Outcome::NeverAcknowledged => {
                        assert!(seen, "{sequence} is given up and was never sent");
                        self.totals.poison += 1;
                    }
                    Outcome::Expired { setting } => {
                        let age = Duration::from_secs((World::epoch(self.at) - accepted).cast_unsigned());
                        match setting {
                            "outbox.retention.maxAge" => assert!(age >= self.settings.retention_max_age),
                            "outbox.retention.maxCount" => assert!(self.settings.retention_max_count > 0),
                            _ => assert!(self.settings.retention_max_bytes > 0),
                        }
                        self.totals.expired += 1;
                    }
                    Outcome::GroupRemoved => {
                        assert!(number <= self.notified.removed[&group], "{sequence} came after its group was removed");
                        self.totals.removed += 1;
                    }
                    Outcome::Superseded => {
                        let later = self.notified.promised.range((group, sequence + 1)..=(group, u64::MAX));
                        let mut later = later.map(|(_, sequence)| self.notified.by_sequence[sequence]);
                        assert!(
                            later.any(|later| job_of(later) == job_of(number)),
                            "{sequence} is the last of its job"
                        );
                        self.totals.superseded += 1;
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
            let group = index_of(&report.group_id);
            kept.extend((report.first..=report.last).map(|sequence| (group, sequence)));
        }
        for key in &self.notified.promised {
            assert!(kept.contains(key) != self.reports.contains_key(key), "{key:?} is reported twice or never");
        }
    }

    /// After a long calm: every promise was kept, once.
    pub(super) fn judge_notifications(&mut self) {
        assert!(self.outbox.is_idle(), "{:?} in the end", self.outbox.counts());
        for key in &self.notified.promised {
            let report = self.reports.get(key).unwrap_or_else(|| panic!("no report for {key:?}"));
            self.totals.delivered += u64::from(*report == Outcome::Delivered);
        }
        self.totals.repeated = self.clouds.iter().map(|cloud| cloud.repeated).sum();
        self.totals.accepted = self.notified.promised.len() as u64;
    }

    pub(super) fn disk_fails(&mut self) {
        if let Some(disk) = &mut self.disk {
            disk.fails = self.random.u8(0..4) > 0;
            disk.fails_to_read = !disk.fails || self.random.bool();
            let pause = self.milliseconds(10..20_000);
            self.schedule(self.at + pause, Event::DiskWorks);
        }
    }

    pub(super) fn epoch(at: Duration) -> i64 {
        1_700_000_000 + i64::try_from(at.as_secs()).expect("not long")
    }
}
