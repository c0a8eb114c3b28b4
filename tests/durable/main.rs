//! Durability, for real: processes that are killed, power that is lost, disks that fail, backlogs that are large.

#[path = "../../examples/cloud_app/certs.rs"]
mod certs;
#[path = "../support/mod.rs"]
mod support;

mod backlog;
mod disk_fails;
mod kill;
mod power;
#[allow(dead_code)] // the benchmark uses the rest
#[path = "../../benches/throughput/server.rs"]
mod server;
mod strace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use nbwss::outbox::{Disk, Store};
use serde_json::Value;
use support::{Scratch, cloud_app};

/// The program that writes, as cargo built it with the examples.
fn writer() -> Command {
    let path = cloud_app().with_file_name("durable_writer");
    assert!(path.exists(), "{} is missing: cargo build --example durable_writer", path.display());
    Command::new(path)
}

/// A certification authority that a connector can be made with.
fn ca_file(scratch: &Scratch) -> PathBuf {
    let path = scratch.join("ca.pem");
    let certificates = certs::Certificates::generate(&[]).expect("certificates");
    std::fs::write(&path, certificates.ca_pem).expect("a file");
    path
}

/// What is in a store: the number in each notification by its sequence number, and the open ones of each group.
struct Contents {
    numbers: BTreeMap<u64, u64>,
    open: BTreeMap<String, BTreeSet<u64>>,
}

fn contents(path: &Path) -> Contents {
    let mut disk = Disk::open(path).unwrap_or_else(|error| panic!("the store does not open: {error:?}"));
    let saved = disk.load().expect("readable");
    let number_of = |element: &str| {
        let element: Value = serde_json::from_str(element).expect("JSON");
        element["n"].as_u64().or_else(|| element["data"][0]["n"].as_u64()).expect("a number")
    };
    let records = disk.read(0, usize::MAX).expect("readable");
    let numbers = records.iter().map(|record| (record.sequence, number_of(&record.element))).collect();
    let mut open = BTreeMap::new();
    for (group_id, cursor) in saved.groups {
        let runs = cursor.open.iter().map(|run| run.0..=run.1).chain([cursor.next..=saved.end - 1]);
        open.insert(group_id.to_string(), runs.flatten().collect());
    }
    Contents { numbers, open }
}

/// What the writer in `rooms` said: which were accepted, and which have ended in which group.
#[derive(Default)]
struct Promises {
    accepted: BTreeSet<u64>,
    ended: BTreeSet<(String, u64)>,
    /// Ended since the last change that it told of.
    ended_since: Vec<(String, u64)>,
    /// That, too, was saved.
    saved: BTreeSet<(String, u64)>,
}

impl Promises {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().expect("a number");
        match words[..] {
            ["OK", first, last] => {
                self.accepted.extend(number(first)..=number(last));
                self.saved.extend(self.ended_since.drain(..));
            }
            ["END", group_id, first, last] => {
                let ended = (number(first)..=number(last)).map(|sequence| (group_id.to_owned(), sequence));
                self.ended_since.extend(ended.clone());
                self.ended.extend(ended);
            }
            _ => panic!("{line}"),
        }
    }

    /// All that was accepted and has not ended in a group is there for it, unharmed; and what had ended when something
    /// else was accepted does not come again.
    fn check(&self, contents: &Contents) {
        for (group_id, sequence) in &self.saved {
            let open = contents.open.get(group_id);
            assert!(open.is_none_or(|open| !open.contains(sequence)), "{sequence} comes again to {group_id}");
        }
        for (group_id, open) in &contents.open {
            for sequence in &self.accepted {
                let ended = self.ended.contains(&(group_id.clone(), *sequence));
                assert!(ended || open.contains(sequence), "{sequence} is lost for {group_id}");
            }
            for sequence in open {
                assert_eq!(contents.numbers.get(sequence), Some(sequence), "{sequence} of {group_id}");
            }
        }
        assert!(self.accepted.is_empty() || contents.open.len() == 2, "a group is lost");
    }
}
