//! The functions of the library, from each of the places that say which they are.
#![allow(dead_code)] // each test file uses its own part

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::root;

/// A line of packaging/exports.txt.
pub struct Export {
    pub name: String,
    /// The version that it came with.
    pub since: String,
    /// Not in a callback.
    pub host_only: bool,
    /// For what, and on which condition or how long.
    pub waits_for: String,
}

/// packaging/exports.txt.
pub fn listed() -> Vec<Export> {
    let text = fs::read_to_string(root().join("packaging/exports.txt")).unwrap();
    let export = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let [name, since, thread] = std::array::from_fn(|_| words.next().unwrap_or_default().to_owned());
        let waits_for = words.collect::<Vec<_>>().join(" ");
        let understood = matches!(&*thread, "any" | "host") && !waits_for.is_empty();
        assert!(understood, "packaging/exports.txt: {line}");
        let waits_for = if waits_for == "-" { "nothing".to_owned() } else { waits_for };
        Export { name, since, host_only: thread == "host", waits_for }
    };
    text.lines().filter(|line| !line.starts_with('#')).map(export).collect()
}

/// What include/nbwss.h declares.
pub fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(root().join("include/nbwss.h")).unwrap();
    let declarations = header.split("/* Initial values. */").next().unwrap();
    let name = |at: usize| {
        let name = &declarations[at..];
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        name[end..].starts_with('(').then(|| name[..end].to_owned())
    };
    let in_code = |at: &usize| {
        let line = declarations[..*at].rsplit('\n').next().unwrap_or_default();
        !line.contains("//") && !line.trim_start().starts_with('*')
    };
    declarations.match_indices("nbwss_").map(|(at, _)| at).filter(in_code).filter_map(name).collect()
}

/// The global names that a library defines: `nm` with these flags.
pub fn defined(library: &Path, flags: &[&str]) -> BTreeSet<String> {
    let output = Command::new("nm").args(["--defined-only", "--format=posix"]).args(flags).arg(library).output();
    let output = output.unwrap_or_else(|error| panic!("nm: {error} (make deps installs it)"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "nm {}: {}", library.display(), String::from_utf8_lossy(&output.stderr));
    text.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name.to_owned()).collect()
}
