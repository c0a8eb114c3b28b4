//! Processes that are killed while they change the database.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::*;
use crate::store::tests::{again, given_file, tell, told};

/// Tokens by host name.
type Model = BTreeMap<String, String>;

/// One change, as the child announces it: `put a=1 b=2` or `remove a`.
fn apply(model: &mut Model, change: &str) {
    let (what, rest) = change.split_once(' ').expect("a change");
    for word in rest.split(' ') {
        match word.split_once('=') {
            Some((host_name, token)) if what == "put" => drop(model.insert(host_name.into(), token.into())),
            _ => drop(model.remove(word)),
        }
    }
}

/// Tells each change before it is made, and `done` after.
fn change_until_killed(path: &Path, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (store, _) = open(path, Some(&key(1))).unwrap();
    for number in 0.. {
        let mut host_name = || format!("host{}", random.u8(0..20));
        if number % 3 == 2 {
            let host_name = host_name();
            tell(&format!("remove {host_name}"));
            store.remove(&host_name).unwrap();
        } else {
            let all: Vec<Details> =
                (0..1 + number % 4).map(|at| details(&host_name(), &format!("{seed}-{number}-{at}"))).collect();
            let words: Vec<String> =
                all.iter().map(|details| format!("{}={}", details.host_name, details.token.expose())).collect();
            tell(&format!("put {}", words.join(" ")));
            store.put(&all.iter().map(|details| (details, true)).collect::<Vec<_>>()).unwrap();
        }
        tell("done");
    }
}

/// A child of this test, killed at the latest when it is let go.
struct Victim {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Victim {
    fn start(test: &str, path: &Path, seed: u64) -> Victim {
        let mut child = again(test, path).env("NBWSS_TEST_SEED", seed.to_string()).spawn().expect("a child");
        let output = BufReader::new(child.stdout.take().expect("its output")).lines();
        Victim { child, output }
    }

    /// What it tells next; nothing after its end.
    fn next(&mut self) -> Option<String> {
        self.output.find_map(|line| told(&line.expect("a line")).map(str::to_owned))
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.kill();
    }
}

fn given_seed() -> u64 {
    std::env::var("NBWSS_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).expect("a seed")
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Some(path) = given_file() {
        return change_until_killed(&path, given_seed());
    }
    let scratch = Scratch::new();
    let (path, copy) = (scratch.file("db"), scratch.file("copy"));
    let first_seed = fastrand::u64(..1 << 40);
    let mut model = Model::new();
    let (mut acknowledged, mut undecided) = (0, 0);
    for seed in first_seed..first_seed + 100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut victim =
            Victim::start("endpoint::store::tests::killed::what_was_acknowledged_survives_kill_9", &path, seed);
        let mut begun: Option<String> = None;
        let mut hear = |line: String| match (line.as_str(), begun.take()) {
            ("done", Some(change)) => {
                apply(&mut model, &change);
                acknowledged += 1;
            }
            (_, None) => begun = Some(line),
            (_, Some(change)) => panic!("seed {seed}: {line} within {change}"),
        };
        // Some die while they open what the one before them left, the others between their first changes.
        if random.u8(0..4) > 0 {
            for _ in 0..random.u8(1..12) {
                hear(victim.next().expect("a change"));
            }
            sleep(Duration::from_micros(random.u64(0..3000)));
        } else {
            sleep(Duration::from_micros(random.u64(0..30_000)));
        }
        victim.kill();
        while let Some(line) = victim.next() {
            hear(line);
        }

        // A copy is looked at, so that the next child finds the file just as this one left it.
        if !path.exists() {
            continue;
        }
        fs::copy(&path, &copy).unwrap();
        let found: Model = tokens(&copy, Some(&key(1))).into_iter().collect();
        if let Some(change) = begun
            && found != model
        {
            apply(&mut model, &change);
            undecided += 1;
        }
        assert_eq!(found, model, "seed {seed}, of those from {first_seed}");
    }
    assert!(acknowledged > 100, "{acknowledged} changes acknowledged, {undecided} more made");
}

#[test]
fn a_first_key_survives_kill_9() {
    if let Some(path) = given_file() {
        tell("ready");
        open(&path, Some(&key(1))).unwrap();
        return tell("done");
    }
    let scratch = Scratch::new();
    let (clear, path) = (scratch.file("clear"), scratch.file("db"));
    let all: Vec<Details> = (0..5).map(|number| details(&format!("host{number}"), "canary")).collect();
    let (store, _) = open(&clear, None).unwrap();
    store.put(&all.iter().map(|details| (details, true)).collect::<Vec<_>>()).unwrap();
    drop(store);
    let expected = tokens(&clear, None);

    let start = |seed| {
        fs::copy(&clear, &path).unwrap();
        let mut victim = Victim::start("endpoint::store::tests::killed::a_first_key_survives_kill_9", &path, seed);
        assert_eq!(victim.next().as_deref(), Some("ready"));
        (victim, Instant::now())
    };
    // One is let go on, for how long it takes.
    let (mut unharmed, since) = start(0);
    assert_eq!(unharmed.next().as_deref(), Some("done"));
    let whole = since.elapsed();

    let first_seed = fastrand::u64(..1 << 40);
    for seed in first_seed..first_seed + 40 {
        let (mut victim, _) = start(seed);
        sleep(whole.mul_f64(fastrand::Rng::with_seed(seed).f64()));
        victim.kill();
        assert_eq!(tokens(&path, Some(&key(1))), expected, "seed {seed}");
        assert!(!holds(&path, "canary") && !scratch.file("db.new").exists(), "seed {seed}");
    }
}
