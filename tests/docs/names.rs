//! What the documents name is there, and what a user may meet is named.

use std::collections::BTreeSet;
use std::fs;

use nbwss::settings;

use crate::support::root;
use crate::{Document, constants, documents, header, identifiers};

/// Names of ours that are not the header's: what tests take from the environment.
const OTHERS: [&str; 1] = ["NBWSS_SEED"];

fn is_file_of_ours(span: &str) -> bool {
    let roots =
        ["src/", "tests/", "docs/", "examples/", "scripts/", "include/", "fuzz/", "benches/", "bindings/", ".ci/"];
    roots.iter().any(|start| span.starts_with(start)) && !span.contains([' ', '*'])
}

/// `path` or `path::name of a test`.
fn check_place(document: &Document, span: &str) {
    let (path, test) = span.split_once("::").map_or((span, None), |(path, test)| (path, Some(test)));
    let place = root().join(path);
    assert!(place.exists(), "{}: there is no {path}", document.name());
    if let Some(test) = test {
        let text = fs::read_to_string(&place).unwrap();
        assert!(text.contains(&format!("fn {test}()")), "{}: there is no test {span}", document.name());
    }
}

#[test]
fn what_is_named_is_there() {
    let header = header().text;
    let mut known: BTreeSet<&str> = identifiers(&header, "nbwss_").chain(identifiers(&header, "NBWSS_")).collect();
    known.extend(OTHERS);
    let groups: BTreeSet<&str> = settings::TABLE.iter().filter_map(|setting| setting.key.split('.').next()).collect();
    for document in documents() {
        let names = identifiers(&document.text, "nbwss_").chain(identifiers(&document.text, "NBWSS_"));
        // A name that ends in _ is the beginning of several.
        for name in names.filter(|name| !name.ends_with('_')) {
            assert!(known.contains(name), "{}: the header has no {name}", document.name());
        }
        for span in document.code_spans() {
            let is_key = span.split_once('.').is_some_and(|(group, _)| groups.contains(group));
            if is_key && !span.contains([' ', '*']) && !span.ends_with(".json") {
                let there = settings::TABLE.iter().any(|setting| setting.key == span);
                assert!(there, "{}: there is no setting {span}", document.name());
            }
            if is_file_of_ours(&span) {
                check_place(&document, &span);
            }
        }
    }
}

#[test]
fn everything_that_a_user_may_meet_is_in_troubleshooting() {
    let text = Document::read(root().join("docs/troubleshooting.md")).text;
    for enumeration in ["nbwss_status", "nbwss_cause", "nbwss_event_kind"] {
        for constant in constants(enumeration) {
            let row = format!("| `{}` |", constant.name);
            assert!(text.contains(&row), "docs/troubleshooting.md has no row for {}", constant.name);
        }
    }
}
