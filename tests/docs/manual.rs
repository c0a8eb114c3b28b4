//! The headers are the manual: Doxygen finds everything described, and each function and type has a manual page.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{Scratch, root};
use crate::{header, identifiers};

fn run(command: &mut Command) -> Output {
    command.current_dir(root()).output().unwrap_or_else(|error| panic!("{command:?}: {error} (make deps installs it)"))
}

fn is_silent(what: &str, output: &Output) {
    let words = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success() && words.is_empty(), "{what}:\n{}", String::from_utf8_lossy(&words));
}

#[test]
fn doxygen_has_nothing_to_warn_of() {
    let scratch = Scratch::new("doxygen");
    let settings = fs::read_to_string(root().join("docs/Doxyfile")).expect("docs/Doxyfile");
    let settings = format!("{settings}\nOUTPUT_DIRECTORY = {}\n", scratch.path().display());
    let mut doxygen = Command::new("doxygen")
        .arg("-")
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("doxygen: {error} (make deps installs it)"));
    doxygen.stdin.take().expect("piped").write_all(settings.as_bytes()).unwrap();
    is_silent("doxygen", &doxygen.wait_with_output().unwrap());
    for page in ["html/nbwss_8h.html", "html/nbwss_8hpp.html"] {
        assert!(scratch.join(page).exists(), "doxygen did not read the headers");
    }
}

/// Functions, with their twins, and types: whatever the header's code calls `nbwss_`, but for a template of C++.
fn declared() -> BTreeSet<String> {
    let is_code = |line: &&str| !["//", "/*", "*"].iter().any(|mark| line.trim_start().starts_with(mark));
    let code: String = header().text.lines().filter(is_code).map(|line| format!("{line}\n")).collect();
    identifiers(&code, "nbwss_").filter(|name| *name != "nbwss_guard").map(str::to_owned).collect()
}

fn pages(dir: &Path) -> Vec<PathBuf> {
    let output = run(Command::new("awk").arg("-v").arg(format!("dir={}", dir.join("man3").display())).args([
        "-f",
        "scripts/man.awk",
        "docs/man/nbwss.7",
        "include/nbwss.h",
    ]));
    is_silent("scripts/man.awk", &output);
    fs::read_dir(dir.join("man3")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn each_function_and_type_has_a_manual_page_without_a_fault() {
    let scratch = Scratch::new("man");
    fs::create_dir(scratch.join("man3")).unwrap();
    let pages = pages(scratch.path());
    let named: BTreeSet<_> =
        pages.iter().map(|page| page.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let different: Vec<_> = named.symmetric_difference(&declared()).cloned().collect();
    assert!(different.is_empty(), "declared or with a page, but not both: {different:?}");
    let mut lint = Command::new("mandoc");
    lint.args(["-T", "lint", "-W", "warning"]).arg(root().join("docs/man/nbwss.7"));
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        match text.strip_prefix(".so ") {
            Some(target) => assert!(scratch.join(target.trim()).exists(), "{}: {text}", page.display()),
            None => drop(lint.arg(page)),
        }
    }
    is_silent("mandoc", &run(&mut lint));
    for (name, words) in [
        ("nbwss_status", ".B NBWSS_TIMEOUT = 12\nWhat was waited for did not happen in time.\n"),
        ("nbwss_job", ".B int64_t status\n\\fBstatus\\fR: 0 for success.\n"),
        ("nbwss_delivery_callback", "\ntypedef void (*nbwss_delivery_callback)(const struct nbwss_delivery *delivery"),
        (
            "nbwss_notify_json_n",
            "\nnbwss_status nbwss_notify_json(nbwss_connector *connector, const char *notification,",
        ),
    ] {
        let text = fs::read_to_string(scratch.join(&format!("man3/{name}.3"))).unwrap();
        assert!(text.contains(words), "{text}");
    }
}
