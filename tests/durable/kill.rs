//! `kill -9` at any moment: what was accepted is there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::Scratch;
use crate::{Contents, Promises, ca_file, contents, writer};

/// Kills the program at a random moment, and returns all that it said. A quarter of them dies while it opens the store,
/// or before, the others after their first word.
fn run_and_kill(random: &mut fastrand::Rng, command: &mut Command) -> Vec<String> {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the writer starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let early = random.u8(0..4) == 0;
    let first = if early { None } else { lines.next() };
    let mut said: Vec<String> = first.into_iter().map(|line| line.expect("text")).collect();
    assert!(early || !said.is_empty(), "it ended before it said anything");
    let pause = Duration::from_micros(random.u64(0..if early { 10_000 } else { 30_000 }));
    let reader = std::thread::spawn(move || lines.map(|line| line.expect("text")).collect::<Vec<String>>());
    std::thread::sleep(pause);
    child.kill().expect("it lives");
    child.wait().expect("its end");
    said.extend(reader.join().expect("no panic"));
    said
}

/// What is in the file as it was left. The next to open that is the next to be killed.
fn left(scratch: &Scratch, file: &Path) -> Contents {
    let copy = scratch.join("copy.db");
    match std::fs::copy(file, &copy) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => drop(std::fs::remove_file(&copy)),
        copied => drop(copied.expect("a copy")),
    }
    contents(&copy)
}

#[test]
fn what_was_accepted_survives_160_kills_and_only_what_was_not_acknowledged_comes_again() {
    let mut random = fastrand::Rng::with_seed(160);
    for round in 0..8 {
        let scratch = Scratch::new("kill");
        let file = scratch.join("outbox.db");
        let mut promises = Promises::default();
        for life in 0..20 {
            let seed = (round * 20 + life).to_string();
            let said = run_and_kill(&mut random, writer().arg("rooms").arg(&file).arg(&seed));
            said.iter().for_each(|line| promises.hear(line));
            promises.ended_since.clear();
            promises.check(&left(&scratch, &file));
        }
        assert!(promises.accepted.len() > 100 && promises.saved.len() > 100, "{}", promises.accepted.len());
    }
}

#[test]
fn what_many_threads_were_promised_survives_40_kills() {
    let mut random = fastrand::Rng::with_seed(40);
    let scratch = Scratch::new("kill-threads");
    let ca = ca_file(&scratch);
    let mut promised = BTreeMap::new();
    let file = scratch.join("outbox.db");
    for _ in 0..40 {
        let mut command = writer();
        command.arg("connector").arg(&file).arg(&ca).args(["16", "1000000"]);
        for line in run_and_kill(&mut random, &mut command) {
            let words: Vec<&str> = line.split(' ').collect();
            let ["OK", sequence, number] = words[..] else { panic!("{line}") };
            let number = number.parse::<u64>().expect("a number");
            let before = promised.insert(sequence.parse::<u64>().expect("a number"), number);
            assert_eq!(before, None, "{sequence} was given twice");
        }
        let contents = left(&scratch, &file);
        for (sequence, number) in &promised {
            assert_eq!(contents.numbers.get(sequence), Some(number), "{sequence} is lost");
            assert!(contents.open["near"].contains(sequence));
        }
    }
    assert!(promised.len() > 400, "{}", promised.len());
}
