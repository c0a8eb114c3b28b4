//! The README is held true: its C host compiles and runs, and its tables are the code's.

mod support;

use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use nbwss::settings::{self, Field, Setting};
use nbwss::supervisor::Aftermath;
use nbwss::supervisor::aftermath::{self, Ending, Row};
use support::{Cloud, Scratch, compile_c, root};

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

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

/// `make generate` sets NBWSS_UPDATE to write the table between its marks; otherwise a difference is a failure.
fn is_generated(name: &str, table: &str) {
    // Another test may be writing the other table.
    static README: Mutex<()> = Mutex::new(());
    let _alone = README.lock();
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let before = readme();
    let from = before.find(&start).expect("the table's start") + start.len();
    let to = before.find(&end).expect("the table's end");
    if std::env::var_os("NBWSS_UPDATE").is_some() {
        fs::write(root().join("README.md"), format!("{}{table}{}", &before[..from], &before[to..])).unwrap();
        return;
    }
    assert!(before[from..to] == *table, "the {name} in README.md are not those of the code: run `make generate`");
}

#[test]
fn the_settings_table_is_the_generated_one() {
    let rows: String = settings::TABLE.iter().map(setting_row).collect();
    is_generated("settings", &format!("| key | unit | default | bounds | meaning |\n|---|---|---|---|---|\n{rows}"));
}

#[test]
fn the_table_of_endings_is_the_generated_one() {
    let rows: String = aftermath::TABLE.iter().map(ending_row).collect();
    is_generated("endings", &format!("| ended by | leads to | meaning |\n|---|---|---|\n{rows}"));
}

#[test]
fn the_c_host_is_at_most_40_lines_and_runs() {
    let readme = readme();
    let code = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a C host");
    assert!(code.lines().count() <= 40, "{} lines", code.lines().count());
    let scratch = Scratch::new("readme");
    let source = scratch.join("host.c");
    fs::write(&source, code).unwrap();
    let program = compile_c(&scratch, "host", &[source]);

    let mut cloud = Cloud::start(&scratch, &[]);
    let mut host = Command::new(program)
        .args([cloud.endpoint_file(), cloud.ca_file()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let response = cloud.ask("GET", "/netbackup/admin/jobs", "");
    assert_eq!((response["statusCode"].as_i64(), response["body"].as_str()), (Some(200), Some("{\"data\":[]}")));
    let notification = cloud.wait_for("notification", 1);
    assert_eq!(notification["payload"][0]["data"][0]["jobId"], 144);
    host.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = host.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "GET /netbackup/admin/jobs\n");
    cloud.finish();
}
