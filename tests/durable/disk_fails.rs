//! Disks that fail and come back: nothing is pretended, and nothing has to be started again.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Program, Scratch};
use crate::{ca_file, contents, strace, writer};

/// Has a call fail for a while. Returns the numbers accepted, by sequence number, and those refused.
fn run(name: &str, fault: &str, word: &str) {
    let scratch = Scratch::new(name);
    let (file, ca) = (scratch.join("outbox.db"), ca_file(&scratch));
    let mut program = writer();
    program.arg("connector").arg(&file).arg(&ca).args(["2", "100"]);
    let trace = scratch.join("trace");
    let fault = format!("inject={fault}");
    let calls = format!("trace={}", fault["inject=".len()..].split(':').next().unwrap_or_default());
    let flags = ["-o", trace.to_str().expect("UTF-8"), "-e", &calls, "-e", &fault];
    let end = Program::start(name, &mut strace::command(&program, &flags)).finish();
    assert!(end.status.success(), "{}\n{}", end.stdout, end.stderr);

    let (mut accepted, mut refused) = (BTreeMap::new(), BTreeSet::new());
    let (mut failed, mut last) = (false, "");
    for line in end.stdout.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["OK", sequence, number] => {
                accepted.insert(sequence.parse::<u64>().expect("a number"), number.parse::<u64>().expect("a number"));
                last = "OK";
            }
            ["NO", number, ..] => {
                assert!(line.contains(word) && line.contains("outbox.db"), "{line} does not speak of {word}");
                refused.insert(number.parse::<u64>().expect("a number"));
                last = "NO";
            }
            ["FAILED", ..] => {
                assert!(line.contains(word), "{line}");
                failed = true;
            }
            ["RECOVERED"] => assert!(failed, "recovered from nothing"),
            ["DONE"] => {}
            _ => panic!("{line}"),
        }
    }
    assert!(end.stdout.contains("FAILED") && end.stdout.contains("RECOVERED"), "{}", end.stdout);
    assert!(!refused.is_empty() && !accepted.is_empty() && last == "OK", "{}", end.stdout);
    assert_eq!(accepted.len() + refused.len(), 200);
    // What was accepted is there, and nothing else.
    assert_eq!(contents(&file).numbers, accepted);
}

#[test]
fn a_sync_that_fails_is_never_taken_for_a_success() {
    run("sync-fails", "fdatasync:error=EIO:when=30..32", "Input/output error");
}

#[test]
fn a_write_that_fails_is_never_taken_for_a_success() {
    run("write-fails", "pwrite64:error=EIO:when=40..42", "Input/output error");
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    run("disk-full", "pwrite64:error=ENOSPC:when=60..62", "No space left");
}
