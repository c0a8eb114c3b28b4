//! The whole programs in the documents compile and run: the README's C host, and that of docs/event-loop.md. What else the
//! documents say, `tests/docs` holds true.

mod support;

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use support::{Cloud, Scratch, compile_c, root};

/// The first C program in the document.
fn code(document: &str) -> String {
    let text = fs::read_to_string(root().join(document)).expect("the document");
    text.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a C program").to_owned()
}

fn start(scratch: &Scratch, code: &str, cloud: &Cloud) -> Child {
    let source = scratch.join("host.c");
    fs::write(&source, code).unwrap();
    Command::new(compile_c(scratch, "host", &[source]))
        .args([cloud.endpoint_file(), cloud.ca_file()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn serves(cloud: &mut Cloud) {
    let response = cloud.ask("GET", "/netbackup/admin/jobs", "");
    assert_eq!((response["statusCode"].as_i64(), response["body"].as_str()), (Some(200), Some("{\"data\":[]}")));
}

/// Presses Enter.
fn end(mut host: Child) -> Output {
    host.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = host.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    output
}

#[test]
fn the_c_host_is_at_most_40_lines_and_runs() {
    let code = code("README.md");
    assert!(code.lines().count() <= 40, "{} lines", code.lines().count());
    let scratch = Scratch::new("readme");
    let mut cloud = Cloud::start(&scratch, &[]);
    let host = start(&scratch, &code, &cloud);
    serves(&mut cloud);
    let notification = cloud.wait_for("notification", 1);
    assert_eq!(notification["payload"][0]["data"][0]["jobId"], 144);
    let output = end(host);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "GET /netbackup/admin/jobs\n");
    cloud.finish();
}

#[test]
fn the_host_in_one_thread_runs() {
    let scratch = Scratch::new("event-loop");
    let mut cloud = Cloud::start(&scratch, &[]);
    let host = start(&scratch, &code("docs/event-loop.md"), &cloud);
    serves(&mut cloud);
    let output = end(host);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("connected to ") && said.ends_with("\n1 calls\n"), "{said}");
    cloud.finish();
}
