//! Tables that are generated from the code: settings, endings, statuses.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;

use nbwss::settings::{self, Field, Setting};
use nbwss::supervisor::Aftermath;
use nbwss::supervisor::aftermath::{self, Ending, Row};

use crate::support::root;
use crate::{Constant, constants};

fn setting_row(setting: &Setting) -> String {
    let (kind, bounds) = match setting.field {
        Field::Flag(_) => ("boolean", String::new()),
        Field::Seconds(min, max, _) => ("s", format!("{min} to {max}")),
        Field::Milliseconds(min, max, _) | Field::Unused(min, max) => ("ms", format!("{min} to {max}")),
        Field::Count(min, max, _) => ("number", format!("{min} to {max}")),
        Field::Bytes(min, max, _) => ("bytes", format!("{min} to {max}")),
        Field::Path(_) => ("path", String::new()),
        Field::Level(_) => ("level", String::new()),
        Field::Key(_) => ("key", String::new()),
        Field::Text(_) => ("text", String::new()),
        Field::Secret(_) => ("secret", String::new()),
        Field::HeaderNames(_) => ("names", String::new()),
        Field::Policy(_) => ("rules", String::new()),
    };
    format!("| `{}` | {kind} | {} | {bounds} | {} |\n", setting.key, setting.default, setting.meaning)
}

fn ending_row(row: &Row) -> String {
    let codes = |codes: &RangeInclusive<u16>| match (*codes.start(), *codes.end()) {
        (0, u16::MAX) => "other".to_owned(),
        (from, to) if from == to => from.to_string(),
        (from, to) => format!("{from} to {to}"),
    };
    let ending = match &row.ending {
        Ending::Upgrade(range) => format!("HTTP {}", codes(range)),
        Ending::Close(range) => format!("close {}", codes(range)),
        Ending::CloseBeforeAnswer(range) => format!("close {} before the answer to CONNECT", codes(range)),
    };
    let leads_to = match row.aftermath {
        Aftermath::Retry => "retry",
        Aftermath::Busy { .. } => "busy",
        Aftermath::Refused => "refused",
    };
    format!("| {ending} | {leads_to} | {} |\n", row.meaning)
}

fn status_row(Constant { name, number, meaning }: &Constant) -> String {
    format!("| {number} | `{name}` | {meaning} |\n")
}

/// The first part of a key, by which settings are grouped.
fn group(setting: &Setting) -> &'static str {
    setting.key.split('.').next().unwrap_or_default()
}

/// `make generate` sets NBWSS_UPDATE to write the table between its marks; otherwise a difference is a failure.
fn is_generated(file: &str, name: &str, head: &str, rows: impl Iterator<Item = String>) {
    let columns = head.matches(" | ").count() + 1;
    let table = format!("| {head} |\n{}|\n{}", "|---".repeat(columns), rows.collect::<String>());
    let path = root().join("docs").join(file);
    let before = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let place = |mark: &str| before.find(mark).unwrap_or_else(|| panic!("docs/{file} has no {mark:?}"));
    let start = format!("<!-- {name} -->\n");
    let (from, to) = (place(&start) + start.len(), place(&format!("<!-- /{name} -->")));
    if std::env::var_os("NBWSS_UPDATE").is_some() {
        fs::write(&path, format!("{}{table}{}", &before[..from], &before[to..])).unwrap();
        return;
    }
    assert!(before[from..to] == table, "the {name} in docs/{file} are not those of the code: run `make generate`");
}

#[test]
fn the_settings_are_the_generated_ones() {
    let groups: BTreeSet<&str> = settings::TABLE.iter().map(group).collect();
    for name in groups {
        let rows = settings::TABLE.iter().filter(|setting| group(setting) == name).map(setting_row);
        is_generated("settings.md", &format!("settings {name}"), "key | unit | default | bounds | meaning", rows);
    }
}

#[test]
fn the_endings_are_the_generated_ones() {
    let rows = aftermath::TABLE.iter().map(ending_row);
    is_generated("connections.md", "endings", "ended by | leads to | meaning", rows);
}

#[test]
fn the_errors_are_the_generated_ones() {
    let statuses = constants("nbwss_status");
    is_generated("errors.md", "errors", "code | name | meaning", statuses.iter().map(status_row));
}
