//! A million notifications that wait, in little memory.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::server::{Server, Work};
use crate::support::Scratch;
use crate::writer;

const COUNT: u64 = 1_000_000;
const MAX_MIB: u64 = 100;

/// The most memory that a process ever had, in MiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") / 1024
}

#[test]
fn a_backlog_of_a_million_takes_less_than_100_mib_while_it_is_written_waits_and_drains() {
    let scratch = Scratch::new("backlog");
    let server = Server::start(Work::Notifications);
    let mut command = writer();
    command.arg("backlog").arg(scratch.join("outbox.db")).arg(server.ca_file()).arg(COUNT.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the writer starts");
    let (mut input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let mut lines = BufReader::new(output).lines();
    let mut next = || lines.next().and_then(Result::ok).unwrap_or_default();
    assert_eq!(next(), "WRITTEN");
    let written = peak(child.id());
    assert!(written < MAX_MIB, "{written} MiB while it was written");
    writeln!(input, "{}", server.endpoint_json()).expect("it reads");
    assert_eq!(next(), "DRAINED");
    let drained = peak(child.id());
    assert!(drained < MAX_MIB, "{drained} MiB while it drained");
    assert!(server.operations() >= COUNT);
    println!("peak {written} MiB written, {drained} MiB drained");
    drop(input);
    assert!(child.wait().expect("its end").success());
}
