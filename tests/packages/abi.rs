//! The ABI is that of the last release, or has grown as the header allows: packaging/nbwss.abi is the record.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Scratch, root};
use crate::{installed, run};

fn recorded() -> String {
    fs::read_to_string(root().join("packaging/nbwss.abi")).expect("packaging/nbwss.abi: make abi")
}

/// The ABI of the library as it was built, before `make install` stripped it.
fn built() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| {
        installed();
        run(Command::new(root().join("packaging/abi.sh")).arg(root().join("target/release/libnbwss.so")))
    })
}

/// The text of a struct in a record.
fn struct_of<'a>(record: &'a str, name: &str) -> &'a str {
    let from = record.find(&format!("<class-decl name='{name}'")).unwrap_or_else(|| panic!("no {name} in the record"));
    &record[from..from + record[from..].find("</class-decl>").expect("its end")]
}

fn size_of(text: &str) -> &str {
    text.split("size-in-bits='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a size")
}

fn size(bits: &str) -> String {
    format!("size-in-bits='{bits}'")
}

/// The members of a struct, and what comes before the first.
fn members(text: &str) -> Vec<&str> {
    let starts = text.match_indices("<data-member").map(|(at, _)| at);
    let mut bounds: Vec<usize> = std::iter::once(0).chain(starts).collect();
    bounds.push(text.len());
    bounds.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// What grew is cut back: structs that begin with `struct_size` may have more members at their end than they had.
fn as_it_was(new: &str, old: &str) -> String {
    let mut cut = new.to_owned();
    let names = old.match_indices("<class-decl name='nbwss_").filter_map(|(at, _)| old[at..].split('\'').nth(1));
    for name in names.filter(|name| new.contains(&format!("<class-decl name='{name}'"))) {
        let (before, now) = (struct_of(old, name), struct_of(new, name));
        let (had, has) = (members(before).len(), members(now));
        if before.contains("'struct_size'") && has.len() > had {
            let back = has[..had].concat().replacen(&size(size_of(now)), &size(size_of(before)), 1);
            cut = cut.replace(now, &back);
        }
    }
    cut
}

/// What abidiff says has changed between two records; nothing where a host of the old one can use the new one.
fn changes(old: &str, new: &str) -> String {
    let scratch = Scratch::new("abi");
    fs::write(scratch.join("old.abi"), old).unwrap();
    fs::write(scratch.join("new.abi"), as_it_was(new, old)).unwrap();
    let mut abidiff = Command::new("abidiff");
    let output = abidiff.arg("--no-added-syms").args(["old.abi", "new.abi"]).current_dir(scratch.path()).output();
    let output = output.expect("abidiff (make deps installs it)");
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.code() {
        Some(0) => String::new(),
        code => {
            let _ = write!(said, "{}(abidiff: {code:?})", String::from_utf8_lossy(&output.stderr));
            said
        }
    }
}

#[test]
fn a_host_of_the_last_release_can_use_this_library() {
    let changed = changes(&recorded(), built());
    assert!(changed.is_empty(), "the ABI is not the recorded one any more:\n{changed}");
}

/// The record as it would be, had this been otherwise when it was made.
fn had(change: impl FnOnce(&str) -> String) -> String {
    let record = built();
    let changed = change(record);
    assert_ne!(record, changed, "nothing was changed");
    changed
}

/// Of this struct a member is another.
fn without_member(record: &str, name: &str, index: usize) -> String {
    let text = struct_of(record, name);
    let mut members = members(text);
    members.remove(index);
    record.replace(text, &members.concat())
}

/// Without its last member, and ending where that began.
fn shorter(record: &str, name: &str) -> String {
    let text = struct_of(record, name);
    let members = members(text);
    let (last, rest) = members.split_last().expect("a member");
    let end = last.split("layout-offset-in-bits='").nth(1).and_then(|rest| rest.split('\'').next()).expect("an offset");
    record.replace(text, &rest.concat().replacen(&size(size_of(text)), &size(end), 1))
}

#[test]
fn what_a_host_would_trip_over_is_found() {
    let cases = [
        ("nbwss_stats", had(|record| without_member(record, "nbwss_stats", 3))),
        ("nbwss_event", had(|record| without_member(record, "nbwss_event", 3))),
        ("nbwss_str", had(|record| shorter(record, "nbwss_str"))),
        ("nbwss_header", had(|record| shorter(record, "nbwss_header"))),
        ("NBWSS_TIMEOUT", had(|record| record.replace("'NBWSS_TIMEOUT' value='12'", "'NBWSS_TIMEOUT' value='52'"))),
        ("nbwss_gone", had(|record| record.replace("nbwss_version", "nbwss_gone"))),
    ];
    for (name, record) in cases {
        let changed = changes(&record, built());
        assert!(changed.contains(name), "{name} has changed, but abidiff says {changed:?}");
    }
}

#[test]
fn growth_that_the_header_allows_is_none_of_it() {
    let function = |record: &str| {
        let lines = record.lines().filter(|line| !line.contains("<elf-symbol name='nbwss_version'"));
        let record: String = lines.map(|line| format!("{line}\n")).collect();
        let from = record.find("<function-decl name='nbwss_version'").expect("a function");
        let end = "</function-decl>";
        let to = from + record[from..].find(end).unwrap() + end.len();
        format!("{}{}", &record[..from], &record[to..])
    };
    let cases = [
        ("a member at the end", had(|record| shorter(record, "nbwss_stats"))),
        ("one that callbacks get", had(|record| shorter(record, "nbwss_log"))),
        ("a function", had(function)),
        (
            "a status",
            had(|record| {
                let lines = record.lines().filter(|line| !line.contains("name='NBWSS_ENDPOINT_HOST_NOT_ALLOWED'"));
                lines.map(|line| format!("{line}\n")).collect()
            }),
        ),
    ];
    for (what, record) in cases {
        assert_eq!(changes(&record, built()), "", "{what}");
    }
}
