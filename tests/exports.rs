//! packaging/exports.txt, the header and the library have the same functions, and say the same of them.

#[path = "support/exports.rs"]
mod exports;
mod support;

use std::collections::BTreeSet;
use std::fs;

use exports::{Export, declared, defined, listed};
use support::{root, shared_library};

#[test]
fn what_is_declared_is_listed_and_exported_and_nothing_else_is() {
    let declared = declared();
    assert!(declared.contains("nbwss_connector_destroy"), "the header was not understood: {declared:?}");
    assert_eq!(defined(&shared_library(), &["-D"]), declared);
    let names: Vec<String> = listed().into_iter().map(|export| export.name).collect();
    assert_eq!(names.iter().cloned().collect::<BTreeSet<_>>(), declared);
    assert_eq!(names.len(), declared.len(), "a name is listed twice");
}

#[test]
fn no_function_is_of_a_version_that_is_still_to_come() {
    let number = |version: &str| -> Vec<u32> { version.split('.').map(|part| part.parse().unwrap()).collect() };
    for export in listed() {
        assert!(number(&export.since) <= number(env!("CARGO_PKG_VERSION")), "{} {}", export.name, export.since);
    }
}

/// The header's introduction names them without `_n`, and after the first of a family only by their ends.
#[test]
fn the_functions_that_callbacks_may_not_call_are_those_that_the_header_names() {
    let header = fs::read_to_string(root().join("include/nbwss.h")).unwrap();
    let after = header.split("may not be called in a\n *   callback:").nth(1).expect("their list in the header");
    let words = after.split('.').next().unwrap_or_default().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut family = "";
    let mut named = BTreeSet::new();
    for word in words {
        if word.starts_with("nbwss_") {
            family = &word[..word.rfind('_').unwrap()];
            named.insert(word.to_owned());
        } else if word.starts_with('_') {
            named.insert(format!("{family}{word}"));
        }
    }
    let host_only = listed().into_iter().filter(|export| export.host_only);
    let host_only: BTreeSet<String> = host_only.map(|export| export.name.trim_end_matches("_n").to_owned()).collect();
    assert_eq!(named, host_only);
}

fn row(export: &Export) -> String {
    let Export { name, since, waits_for, .. } = export;
    let twin = name.strip_suffix("_n").map_or_else(String::new, |twin| format!("`{twin}`, "));
    let thread = if export.host_only { "not in a callback" } else { "any" };
    format!("| {twin}`{name}` | {since} | {thread} | {waits_for} |\n")
}

/// `make generate` sets NBWSS_UPDATE to write the table between its marks; otherwise a difference is a failure.
#[test]
fn the_table_of_functions_is_the_generated_one() {
    let rows: String = listed().iter().map(row).collect();
    let table = format!("| function | since | thread | may wait for |\n|---|---|---|---|\n{rows}");
    let path = root().join("docs/threads.md");
    let before = fs::read_to_string(&path).unwrap();
    let start = "<!-- exports -->\n";
    let from = before.find(start).expect("the table's start") + start.len();
    let to = before.find("<!-- /exports -->").expect("the table's end");
    if std::env::var_os("NBWSS_UPDATE").is_some() {
        fs::write(&path, format!("{}{table}{}", &before[..from], &before[to..])).unwrap();
        return;
    }
    assert!(
        before[from..to] == table,
        "docs/threads.md has not the functions of packaging/exports.txt: run `make generate`"
    );
}
