//! Connectors that come and go leave nothing behind. Alone in its process, for it counts what the process has.

#[path = "support/recorder.rs"]
mod recorder;
mod support;

use std::time::{Duration, Instant};

use nbwss::EventKind;
use recorder::{Backup, ok};
use serde_json::Value;
use support::{Cloud, Scratch};

const ROUNDS: usize = 100;

fn list(dir: &str, describe: impl Fn(std::path::PathBuf) -> Option<String>) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a list of this process's own");
    let mut all: Vec<String> = entries.filter_map(|entry| describe(entry.ok()?.path())).collect();
    all.sort();
    all
}

/// What every open file descriptor is.
fn files() -> Vec<String> {
    list("/proc/self/fd", |path| Some(std::fs::read_link(path).ok()?.display().to_string()))
}

/// The names of all threads.
fn threads() -> Vec<String> {
    list("/proc/self/task", |path| Some(std::fs::read_to_string(path.join("comm")).ok()?.trim().to_owned()))
}

/// Where a connector stands when it is destroyed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    JustStarted,
    /// At this phase, in which the cloud application stalls.
    Connecting(&'static str),
    /// An attempt has failed, and the next one is far away.
    Waiting,
    Connected,
}

const STAGES: [Stage; 7] = [
    Stage::JustStarted,
    Stage::Connecting("tcp"),
    Stage::Connecting("tls"),
    Stage::Connecting("upgrade"),
    Stage::Connecting("connect"),
    Stage::Waiting,
    Stage::Connected,
];

fn start_cloud(scratch: &Scratch, stage: Stage) -> Cloud {
    match stage {
        Stage::Connecting(phase) => Cloud::start(scratch, &["--stall", phase]),
        Stage::Waiting => Cloud::start(scratch, &["--http-status", "503"]),
        Stage::JustStarted | Stage::Connected => Cloud::start(scratch, &[]),
    }
}

fn count(events: &[Value], name: &str) -> usize {
    events.iter().filter(|event| event["event"] == name).count()
}

fn come_and_go(cloud: &Cloud, stage: Stage) {
    let before = count(&cloud.events(), "connected");
    let backup = Backup::beside(cloud, &[("connect.backoffBase", "3600000")], ok);
    backup.connector.start().expect("it starts");
    match stage {
        Stage::JustStarted => {}
        Stage::Connecting(_) => drop(cloud.wait_for("connected", before + 1)),
        Stage::Waiting => drop(backup.host.event(EventKind::ConnectFailed, 1)),
        Stage::Connected => drop(backup.host.event(EventKind::Established, 1)),
    }
    let begun = Instant::now();
    backup.connector.destroy().expect("the end");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{stage:?}: destroyed after {took:?}");
}

/// A hundred times made, started and destroyed, at every stage of a connection: each thread and file is given back.
#[test]
fn a_hundred_connectors_leave_no_thread_and_no_file_behind() {
    let scratches = STAGES.map(|_| Scratch::new("resources"));
    let clouds: Vec<Cloud> = STAGES.iter().zip(&scratches).map(|(stage, dir)| start_cloud(dir, *stage)).collect();
    // What is made once for a process is made here.
    for (stage, cloud) in STAGES.iter().zip(&clouds) {
        come_and_go(cloud, *stage);
    }
    let before = (files(), threads());
    for round in 0..ROUNDS {
        come_and_go(&clouds[round % STAGES.len()], STAGES[round % STAGES.len()]);
    }
    let until = Instant::now() + Duration::from_secs(10);
    while (files().len(), threads().len()) != (before.0.len(), before.1.len()) {
        // The kernel lists a joined thread for a moment longer.
        assert!(Instant::now() < until, "before: {before:#?}, after: {:#?}", (files(), threads()));
        std::thread::yield_now();
    }
    for (stage, cloud) in STAGES.iter().zip(clouds) {
        let connections = cloud.wait_until("the end of every connection", |events| {
            let begun = count(events, "connected");
            (begun == count(events, "closed")).then_some(begun)
        });
        assert!(*stage == Stage::JustStarted || connections >= ROUNDS / STAGES.len(), "{stage:?}: {connections}");
        cloud.finish();
    }
}
