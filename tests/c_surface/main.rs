//! The C surface, driven by the C programs in `tests/c`: each tells its story at its top, is silent and exits 0.
//! Where a program needs a cloud application, this file plays its part. Some run again under valgrind.

#[path = "../support/mod.rs"]
mod support;

mod administration;
mod calls;
mod policy;
mod trail;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::{CPP_FLAGS, Cloud, Program, Scratch, compile, compile_c, root};

/// How a program is run: as it is, or watched.
#[derive(Clone, Copy)]
enum Run {
    Bare,
    Valgrind,
}

fn command(run: Run, program: &Path) -> Command {
    match run {
        Run::Bare => Command::new(program),
        Run::Valgrind => support::valgrind(program),
    }
}

fn test_program(scratch: &Scratch, name: &str) -> PathBuf {
    compile_c(scratch, name, &[root().join("tests/c").join(name).with_extension("c")])
}

/// Runs a program that needs no cloud application.
fn offline(name: &str, run: Run) {
    let scratch = Scratch::new(name);
    let program = test_program(&scratch, name);
    Program::start(name, command(run, &program).arg(scratch.path())).finish_silently();
}

/// Runs a program against a cloud application, and `play` beside it.
fn online(name: &str, run: Run, further: &[&str], play: impl FnOnce(&mut Cloud)) {
    let scratch = Scratch::new(name);
    let program = test_program(&scratch, name);
    against_a_cloud(&scratch, command(run, &program), further, play).finish();
}

/// Runs a command that names a program against a cloud application, which is left to be finished.
fn against_a_cloud(scratch: &Scratch, mut command: Command, further: &[&str], play: impl FnOnce(&mut Cloud)) -> Cloud {
    let mut cloud = Cloud::start(scratch, &[]);
    command.arg(cloud.endpoint_file()).arg(cloud.ca_file()).args(further);
    let program = Program::start("the program", &mut command);
    play(&mut cloud);
    program.finish_silently();
    cloud
}

#[test]
fn misuse() {
    offline("misuse", Run::Bare);
}

#[test]
fn misuse_under_valgrind() {
    offline("misuse", Run::Valgrind);
}

#[test]
fn values() {
    offline("values", Run::Bare);
}

#[test]
fn values_under_valgrind() {
    offline("values", Run::Valgrind);
}

#[test]
fn endpoints() {
    offline("endpoints", Run::Bare);
}

#[test]
fn endpoints_under_valgrind() {
    offline("endpoints", Run::Valgrind);
}

#[test]
fn durable() {
    offline("durable", Run::Bare);
}

#[test]
fn durable_under_valgrind() {
    offline("durable", Run::Valgrind);
}

#[test]
fn details() {
    offline("details", Run::Bare);
}

#[test]
fn details_under_valgrind() {
    offline("details", Run::Valgrind);
}

#[test]
fn files() {
    offline("files", Run::Bare);
}

#[test]
fn files_under_valgrind() {
    offline("files", Run::Valgrind);
}

#[test]
fn lifecycle() {
    online("lifecycle", Run::Bare, &["200"], |_| {});
}

#[test]
fn lifecycle_under_valgrind() {
    online("lifecycle", Run::Valgrind, &["8"], |_| {});
}

#[test]
fn groups() {
    online("groups", Run::Bare, &[], |cloud| {
        // A host without a request callback.
        assert_eq!(status(&cloud.ask("GET", "/anything", "")), 501);
        cloud.type_line("close 1012");
    });
}

#[test]
fn fork() {
    online("fork", Run::Bare, &[], |_| {});
}

fn status(response: &Value) -> u64 {
    response["statusCode"].as_u64().expect("a status code")
}

/// The cloud application's side of `requests.c`.
fn ask_for_everything(cloud: &mut Cloud) {
    let threaded = cloud.ask("GET", "/another-thread", "");
    assert_eq!((status(&threaded), &threaded["body"]), (200, &Value::from("from another thread")));
    for _ in 0..50 {
        let raced = cloud.ask("GET", "/two-at-once", "");
        assert_eq!((status(&raced), &raced["body"]), (200, &Value::from("by one of two")));
    }
    let twice = cloud.ask("GET", "/twice", "");
    assert_eq!((status(&twice), &twice["body"]), (200, &Value::from("once")));

    // Not answered in time: the cloud application has its 504 before the host comes with its answer.
    let kept = cloud.ask("GET", "/keep-until-late", "");
    assert_eq!(status(&kept), 504);
    assert!(kept["milliseconds"].as_f64().expect("a time") >= 1400.0, "{kept}");
    let late = cloud.ask("GET", "/answer-late", "");
    assert_eq!(late["body"], "the late one was refused");

    for uri in [
        "/bad-header-name",
        "/bad-header-value",
        "/same-header-twice",
        "/null-headers",
        "/bad-status-code",
        "/small-struct",
        "/no-response",
        "/refused-badly",
    ] {
        let response = cloud.ask("GET", uri, "");
        assert_eq!(status(&response), 500, "{response}");
        let body = error_body(&response);
        assert_eq!(body["errorCode"], 500, "{response}");
        assert_ne!(body["errorMessage"], "", "{response}");
    }
    let refused = cloud.ask("GET", "/refused", "");
    assert_eq!(status(&refused), 418);
    assert_eq!(error_body(&refused)["errorCode"], 418);
    assert_eq!(error_body(&refused)["errorMessage"], "I'm a \"teapot\"");

    let bytes = cloud.ask("GET", "/bytes", "");
    assert_eq!((status(&bytes), &bytes["body"]), (200, &Value::from("/wD+gA==")));
    assert_eq!(bytes["bytes"], 4);
    assert_eq!(bytes["headers"]["content-transfer-encoding"], "base64");
    assert_eq!(bytes["headers"]["content-type"], "application/octet-stream");
    let nothing = cloud.ask("DELETE", "/without-body", "");
    assert_eq!((status(&nothing), &nothing["body"]), (204, &Value::Null));
    let body = r#"{"a":"é"}"#;
    assert_eq!(status(&cloud.ask("POST", "/accessors?first=1&second=2", body)), 200);
    assert_eq!(status(&cloud.ask("GET", "/absent-body", "")), 200);
    assert_eq!(status(&cloud.ask("GET", "/reenter", "")), 200);
    cloud.wait_for("notification", 1);

    cloud.type_line("send GET /never");
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 202);
    // The end of the connector answers what the host has left unanswered.
    assert_eq!(status(&cloud.wait_for_response("/never", 1)), 503);
}

fn error_body(response: &Value) -> Value {
    let text = response["body"].as_str().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON body: {response}"))
}

#[test]
fn requests() {
    online("requests", Run::Bare, &[], ask_for_everything);
}

#[test]
fn requests_under_valgrind() {
    online("requests", Run::Valgrind, &[], ask_for_everything);
}

/// The cloud application's side of `callback_blocks.c`: others are served while a callback is stuck.
fn served_all_the_same(cloud: &mut Cloud) {
    for number in 0..20 {
        assert_eq!(status(&cloud.ask("GET", &format!("/other/{number}"), "")), 200);
    }
    assert_eq!(status(&cloud.ask("GET", "/finish", "")), 200);
}

fn block_one(cloud: &mut Cloud) {
    cloud.type_line("send GET /block");
    served_all_the_same(cloud);
    assert_eq!(status(&cloud.wait_for_response("/block", 1)), 503);
}

/// Two cloud applications, in groups of their own, while every thread that runs callbacks is stuck: what needs none of them
/// goes on, in both sessions.
#[test]
fn request_callbacks_that_block_all_threads() {
    let (scratch, beside) = (Scratch::new("all-stuck"), Scratch::new("all-stuck-beside"));
    let program = test_program(&scratch, "callback_blocks");
    let mut cloud = Cloud::start(&scratch, &[]);
    let ca = cloud.ca_file();
    let certificates = ca.parent().and_then(Path::to_str).expect("the cloud application's directory");
    let flags = ["--group", "other", "--host-name", "other.example.com", "--cert-from", certificates];
    let mut other = Cloud::start(&beside, &flags);
    let mut command = Command::new(program);
    command.arg(cloud.endpoint_file()).arg(&ca).args(["all", "released"]).arg(other.endpoint_file());
    let program = Program::start("callback_blocks", &mut command);
    other.wait_for("connect", 1);
    for _ in 0..2 {
        cloud.type_line("send GET /block");
    }
    for cloud in [&mut cloud, &mut other] {
        cloud.await_job(1, "ACTIVE");
        assert_eq!(status(&cloud.ask("GET", "/denied", "")), 403);
    }
    for number in 1..=2 {
        assert_eq!(status(&cloud.wait_for_response("/block", number)), 503);
    }
    program.finish_silently();
    cloud.finish();
    other.finish();
}

#[test]
fn a_request_callback_that_blocks_for_a_while() {
    online("callback_blocks", Run::Bare, &["request", "released"], block_one);
}

#[test]
fn a_request_callback_that_blocks_for_ever() {
    online("callback_blocks", Run::Bare, &["request", "stuck"], block_one);
}

#[test]
fn an_event_callback_that_blocks_for_a_while() {
    online("callback_blocks", Run::Bare, &["event", "released"], served_all_the_same);
}

#[test]
fn an_event_callback_that_blocks_for_ever() {
    online("callback_blocks", Run::Bare, &["event", "stuck"], served_all_the_same);
}

#[test]
fn sigpipe() {
    online("sigpipe", Run::Bare, &[], |cloud| {
        for round in 1..=6 {
            cloud.wait_for("connect", round);
            // In mid-stream: some have come on the connection of this round.
            cloud.wait_until("notifications", |events| {
                let newest = events.iter().rfind(|event| event["event"] == "connect")?;
                let connection = &newest["connection"];
                let on_it = |event: &&Value| event["event"] == "notification" && event["connection"] == *connection;
                (events.iter().filter(on_it).count() >= 3).then_some(())
            });
            if round < 6 {
                cloud.type_line("reset");
            }
        }
        assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 404);
    });
}
