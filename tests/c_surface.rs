//! The C surface, driven by the C programs in `tests/c`: each tells its story at its top, is silent and exits 0.
//! Where a program needs a cloud application, this file plays its part. Some run again under valgrind.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
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

/// A COMMAND's payload. Query, header and body bear a mark that must not come up in any audit record.
fn marked(method: &str, uri: &str) -> String {
    let payload = json!({
        "uri": uri, "method": method, "headers": { "x-header": "SECRET" }, "parameters": r#"{"body":"SECRET"}"#,
    });
    payload.to_string()
}

fn error_message(response: &Value) -> String {
    error_body(response)["errorMessage"].as_str().expect("an errorMessage").to_owned()
}

/// What an audit trail (`audit_trail.h`) holds: the audit's records, and a line for each call of the host.
struct Trail(Vec<Value>);

impl Trail {
    /// Asks for it, with this id.
    fn read(cloud: &mut Cloud, id: &str) -> Trail {
        let answer = cloud.ask_as(id, r#"{"uri":"/records","method":"GET"}"#);
        let text = answer["body"].as_str().expect("records");
        assert!(!text.contains("SECRET"), "{text}");
        Trail(text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect())
    }

    fn of(&self, id: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |record| record["id"] == id)
    }

    /// How often the host was called with this id.
    fn calls(&self, id: &str) -> usize {
        self.of(id).filter(|record| record["step"] == "called").count()
    }

    /// The audit's records of this id, in order.
    fn records(&self, id: &str) -> Vec<&Value> {
        self.of(id).filter(|record| record["step"] != "called").collect()
    }

    /// Their steps, an end with its status.
    fn steps(&self, id: &str) -> Vec<String> {
        let step = |record: &&Value| match record["step"].as_str().expect("a step") {
            "ended" => format!("ended {}", record["statusCode"]),
            step => step.to_owned(),
        };
        self.records(id).iter().map(step).collect()
    }
}

/// The calls of `policy.c`'s story, each with an id of its own, to be held against the audit at the end.
#[derive(Default)]
struct Audited(Vec<Expected>);

struct Expected {
    id: String,
    host_name: &'static str,
    step: &'static str,
    status: u64,
    /// In its normal form; empty where the call is malformed.
    method: String,
    path: String,
    request_bytes: usize,
    response_bytes: usize,
}

impl Audited {
    /// Sends a payload, which must be answered with this status.
    fn send(&mut self, cloud: &mut Cloud, payload: &str, step: &'static str, status_code: u64) -> Value {
        let id = format!("call-{}", self.0.len());
        let answer = cloud.ask_as(&id, payload);
        assert_eq!(status(&answer), status_code, "{payload}: {answer}");
        let body = |value: &Value| value.as_str().map_or(0, str::len);
        self.0.push(Expected {
            id,
            host_name: "cloud.example.com",
            step,
            status: status_code,
            method: String::new(),
            path: String::new(),
            request_bytes: 0,
            response_bytes: body(&answer["body"]),
        });
        answer
    }

    /// A call that is malformed, and the words that say why.
    fn malformed(&mut self, cloud: &mut Cloud, payload: &str, status_code: u64, why: &str) {
        let answer = self.send(cloud, payload, "malformed", status_code);
        let message = error_message(&answer);
        assert!(message.contains(why) && !message.contains("SECRET"), "{payload}: {message}");
    }

    /// A well-formed call. The last one sent: its method, path and body are known.
    fn well_formed(&mut self, method: &str, path: &str, body: &str) {
        let last = self.0.last_mut().expect("a call");
        (last.method, last.path, last.request_bytes) = (method.to_owned(), path.to_owned(), body.len());
    }

    fn refused(&mut self, cloud: &mut Cloud, method: &str, uri: &str, path: &str) {
        let answer = self.send(cloud, &marked(method, uri), "refused", 403);
        self.well_formed(method, path, r#"{"body":"SECRET"}"#);
        assert!(error_message(&answer).contains("policy"), "{answer}");
    }

    /// A call that the host gets, in this form, which it echoes.
    fn allowed(&mut self, cloud: &mut Cloud, method: &str, uri: &str, normal: &str) {
        let answer = self.send(cloud, &marked(method, uri), "allowed", 200);
        let path = normal.split('?').next().expect("a path");
        self.well_formed(method, path, r#"{"body":"SECRET"}"#);
        assert_eq!(answer["body"], format!("{method} {normal}"));
    }

    /// Has the host replace its rules.
    fn replace(&mut self, cloud: &mut Cloud, rules: &str, status_code: u64) -> Value {
        let payload = json!({ "uri": "/policy", "method": "POST", "parameters": rules });
        let answer = self.send(cloud, &payload.to_string(), "allowed", status_code);
        self.well_formed("POST", "/policy", rules);
        answer
    }

    fn check(&self, trail: &Trail) {
        for expected in &self.0 {
            let Expected { id, host_name, step, status, method, path, request_bytes, response_bytes } = expected;
            assert_eq!(trail.steps(id), [(*step).to_owned(), format!("ended {status}")], "{id}");
            assert_eq!(trail.calls(id), usize::from(*step == "allowed"), "{id}");
            let records = trail.records(id);
            for (record, bytes) in records.iter().zip([request_bytes, response_bytes]) {
                assert_eq!(record["hostName"], *host_name, "{record}");
                let group = host_name.split('.').next().expect("a first label");
                assert_eq!(record["groupId"], group, "{record}");
                assert_eq!((&record["method"], &record["path"]), (&json!(method), &json!(path)), "{record}");
                assert_eq!(record["bodyBytes"], *bytes, "{record}");
            }
        }
    }
}

/// Path tricks, and a word of the reason that each is refused for.
const TRICKS: [(&str, &str); 27] = [
    ("/read/../a?SECRET", ". or .. segment"),
    ("/read/..", ". or .. segment"),
    ("/./read/a", ". or .. segment"),
    ("/read/%2e%2e/a?SECRET", ". or .. segment"),
    ("/read/.%2E/a", ". or .. segment"),
    ("/read%2fa?SECRET", "encoded /"),
    ("/read/a%5Cb", "encoded /"),
    ("/read//a?SECRET", "empty path segment"),
    ("//read/a", "empty path segment"),
    ("/read;v=SECRET/a", "path parameter"),
    ("/read/a;SECRET", "path parameter"),
    ("/read\\a?SECRET", "backslash"),
    ("/read/%252e%252e/a", "encoded %"),
    ("/read/a%00", "encoded control character"),
    ("/read/a%0d%0ax-forged:SECRET", "encoded control character"),
    ("https://cloud.example.com/read/a?SECRET", "must be a path"),
    ("SECRET@cloud.example.com/read/a", "must be a path"),
    ("cloud.example.com:443", "must be a path"),
    ("read/a", "must be a path"),
    ("*", "must be a path"),
    ("", "must be a path"),
    ("/read/a\r\nx-forged: SECRET", "percent-encoded"),
    ("/read/a b", "percent-encoded"),
    ("/read/\u{e4}", "percent-encoded"),
    ("/read/a#SECRET", "fragment"),
    ("/read/a?SECRET#b", "fragment"),
    ("/read/a?SECRET=%zz", "malformed percent-encoding"),
];

/// Headers as JSON texts, and a word of the reason that each is refused for.
const FORGED: [(&str, &str); 16] = [
    (r#"{"Host":"SECRET"}"#, "host is not for"),
    (r#"{"transfer-encoding":"SECRET"}"#, "transfer-encoding is not for"),
    (r#"{"Content-Length":"7"}"#, "content-length is not for"),
    (r#"{"connection":"SECRET"}"#, "connection is not for"),
    (r#"{"Upgrade":"SECRET"}"#, "upgrade is not for"),
    (r#"{"X-Forwarded-For":"SECRET"}"#, "x-forwarded-"),
    (r#"{"x-forwarded-host":"SECRET"}"#, "x-forwarded-"),
    (r#"{"Forwarded":"for=SECRET"}"#, "forwarded is not for"),
    (r#"{"X-Real-IP":"SECRET"}"#, "x-real-ip is not for"),
    (r#"{"Proxy-Authorization":"SECRET"}"#, "proxy-"),
    (r#"{"via":"SECRET"}"#, "via is not for"),
    (r#"{"x-a":"SECRET","x-a":"SECRET"}"#, "same name twice"),
    (r#"{"X-A":"SECRET","x-b":"","x-a":"SECRET"}"#, "same name twice"),
    (r#"{"x a":"SECRET"}"#, "HTTP does not allow"),
    (r#"{"x-a":"1\r\nx-forged: SECRET"}"#, "HTTP does not allow"),
    (r#"{"x-a":1}"#, "headers an object of strings"),
];

/// The cloud application's side of `policy.c`, and that of another in a server group of its own.
fn try_everything(cloud: &mut Cloud, trusted: &mut Cloud) {
    let mut audited = Audited::default();
    for (method, uri) in
        [("GET", "/read/a"), ("POST", "/policy"), ("GET", "/records"), ("DELETE", "/finish"), ("GET", "/")]
    {
        audited.refused(cloud, method, uri, uri);
    }
    audited.malformed(cloud, &marked("GET", "/read/../a"), 400, ". or .. segment");
    assert_eq!(status(&cloud.ask_as("no-rule-last", &marked("GET", "/read/a"))), 403);
    cloud.wait_for("connect", 2);
    trusted.wait_for("connect", 1);

    for (method, uri) in
        [("GET", "/read"), ("GET", "/read/a/b"), ("POST", "/write/a"), ("PUT", "/write/a"), ("GET", "/read/")]
    {
        audited.allowed(cloud, method, uri, uri);
    }
    for (uri, normal) in [
        ("/%61", "/a"),
        ("/%7b%7d", "/%7B%7D"),
        ("/read/%7E%2d%c3%a9", "/read/~-%C3%A9"),
        ("/read/a?SECRET=/../%2e%2e//;y\\", "/read/a?SECRET=/../%2e%2e//;y\\"),
        ("/rea%64/not%61?%61", "/read/nota?%61"),
    ] {
        audited.allowed(cloud, "GET", uri, normal);
    }
    for (method, uri) in [
        ("get", "/read/a"),
        ("Get", "/read/a"),
        ("HEAD", "/read/a"),
        ("DELETE", "/read/a"),
        ("X-FORGED", "/read/a"),
        ("GET", "/Read/a"),
        ("GET", "/reader"),
        ("GET", "/read/not"),
        ("GET", "/read/not/a"),
        ("GET", "/write/a"),
        ("POST", "/write"),
        ("POST", "/write/"),
        ("POST", "/write/a/b"),
        ("POST", "/Policy"),
        ("GET", "/a/"),
        ("GET", "/"),
        ("GET", "/trusted"),
    ] {
        audited.refused(cloud, method, uri, uri);
    }
    audited.refused(cloud, "GET", "/rea%64/no%74?SECRET", "/read/not");

    // The one rule that is for the other server group only.
    audited.allowed(trusted, "GET", "/trusted", "/trusted");
    audited.0.last_mut().expect("a call").host_name = "trusted.example.com";

    for (uri, why) in TRICKS {
        audited.malformed(cloud, &marked("GET", uri), 400, why);
    }
    for (headers, why) in FORGED {
        let payload = format!(r#"{{"uri":"/read/a?SECRET","method":"GET","headers":{headers},"parameters":"SECRET"}}"#);
        audited.malformed(cloud, &payload, 400, why);
    }
    for method in ["", "G T", "GET\r\n", "GET /read/a HTTP/1.1", &"A".repeat(33)] {
        audited.malformed(cloud, &marked(method, "/read/a"), 400, "method");
    }
    for payload in ["{}", r#"{"uri":"/read/a"}"#, r#"{"uri":"/read/not","uri":"/read/a","method":"GET"}"#] {
        audited.malformed(cloud, payload, 400, "payload");
    }
    audited.malformed(cloud, &marked("GET", &format!("/read/{}", "a".repeat(8187))), 414, "longer than 8192");
    let headers = |count: usize, bytes: usize| {
        let headers = (0..count).map(|number| (format!("x-{number}"), "S".repeat(bytes))).collect::<Vec<_>>();
        json!({ "uri": "/read/a", "method": "GET", "headers": Value::from_iter(headers) }).to_string()
    };
    audited.malformed(cloud, &headers(101, 1), 431, "more than 100");
    audited.malformed(cloud, &headers(1, 16385), 431, "too long");

    // Replaced: the next call is under the new rules. Not replaced: it is under the old ones.
    const STILL: &str = "allow POST /policy; allow GET /records; allow DELETE /finish";
    audited.replace(cloud, &format!("deny GET /read/a; allow GET /read/*\nallow GET /new\n{STILL}"), 200);
    audited.refused(cloud, "GET", "/read/a", "/read/a");
    audited.allowed(cloud, "GET", "/read/b", "/read/b");
    audited.allowed(cloud, "GET", "/new", "/new");
    audited.refused(cloud, "PUT", "/write/a", "/write/a");
    for bad in ["allow * /**; permit GET /a", "allow * /**\nallow GET /a/../b", "allow * /**; allow GET /a group"] {
        let answer = audited.replace(cloud, bad, 422);
        assert!(answer["body"].as_str().expect("the last error").contains("rule 2"), "{answer}");
        audited.refused(cloud, "GET", "/read/a", "/read/a");
        audited.allowed(cloud, "GET", "/read/b", "/read/b");
    }
    audited.replace(cloud, STILL, 200);
    audited.refused(cloud, "GET", "/read/b", "/read/b");
    audited.refused(cloud, "GET", "/new", "/new");

    let trail = Trail::read(cloud, "records");
    audited.check(&trail);
    assert_eq!(trail.steps("no-rule-last"), ["refused", "ended 403"]);
    let known = |record: &Value| {
        let id = record["id"].as_str().expect("an id");
        id.starts_with("call-") || id == "records" || id == "no-rule-last"
    };
    assert!(trail.0.iter().all(known), "{:#?}", trail.0);
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
}

fn policy(run: Run) {
    let scratch = Scratch::new("policy");
    let program = test_program(&scratch, "policy");
    let mut cloud = Cloud::start(&scratch, &[]);
    let beside = Scratch::new("policy-trusted");
    let ca = cloud.ca_file();
    let certificates = ca.parent().and_then(Path::to_str).expect("the cloud application's directory");
    let flags = ["--group", "trusted", "--host-name", "trusted.example.com", "--cert-from", certificates];
    let mut trusted = Cloud::start(&beside, &flags);
    let mut command = command(run, &program);
    command.arg(cloud.endpoint_file()).arg(ca).arg(trusted.endpoint_file());
    let program = Program::start("policy", &mut command);
    try_everything(&mut cloud, &mut trusted);
    program.finish_silently();
    cloud.finish();
    trusted.finish();
}

#[test]
fn the_policy_and_the_audit() {
    policy(Run::Bare);
}

#[test]
fn the_policy_and_the_audit_under_valgrind() {
    policy(Run::Valgrind);
}

/// The cloud application's side of `cancel.c`.
fn stop_waiting(cloud: &mut Cloud) {
    let uris = ["/consumed-in-cancel", "/consumed-later"];
    for uri in uris {
        cloud.type_line(&format!("send GET {uri}"));
    }
    assert_eq!(status(&cloud.ask("GET", "/quick", "")), 200);
    for uri in uris {
        let late = cloud.wait_for_response(uri, 1);
        assert_eq!(status(&late), 504);
        assert!(late["milliseconds"].as_f64().expect("a time") >= 1400.0, "{late}");
    }
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
    cloud.wait_for("connect", 2);

    // Lost with three requests in the host's hands, and one answered: whoever comes back gets the answers of these.
    let held = ["consumed-in-cancel", "consumed-later", "rejoined"];
    let get = |id: &str| json!({ "uri": format!("/{id}"), "method": "GET" }).to_string();
    for id in held {
        cloud.command(id, &get(id));
    }
    assert_eq!(status(&cloud.ask_as("quick", &get("quick"))), 200);
    for job in 20..23 {
        cloud.await_job(job, "ACTIVE");
    }
    cloud.type_line("reset");
    cloud.wait_for("connect", 3);
    for id in held.into_iter().chain(["quick"]) {
        let answer = cloud.ask_as(id, &get(id));
        assert_eq!((status(&answer), &answer["body"]), (200, &json!("answered once")));
        assert_eq!(answer["connection"], 3);
    }
    cloud.command("left", &get("left"));
    cloud.await_job(23, "ACTIVE");
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
    assert_eq!(status(&cloud.wait_for_answer("left", 1)), 503);
    for id in held {
        assert_eq!(cloud.answers_to(id).len(), 1, "{id}");
    }
}

#[test]
fn requests_that_are_not_wanted_any_more() {
    online("cancel", Run::Bare, &[], stop_waiting);
}

#[test]
fn requests_that_are_not_wanted_any_more_under_valgrind() {
    online("cancel", Run::Valgrind, &[], stop_waiting);
}

/// The cloud application's side of `inline.c`.
fn keep_the_sessions_thread_busy(cloud: &mut Cloud) {
    assert_eq!(cloud.flood(200, "GET", "/inside"), [(200, 200)].into());
    assert_eq!(cloud.flood(240, "GET", "/later"), [(200, 240)].into());
    assert_eq!(status(&cloud.ask("GET", "/wait", "")), 200);
    cloud.await_job(1, "ACTIVE");
    for number in 1..=2 {
        // What comes meanwhile is answered afterwards.
        cloud.type_line("send GET /block");
        assert_eq!(cloud.flood(20, "GET", "/inside"), [(200, 20)].into());
        assert_eq!(status(&cloud.wait_for_response("/block", number)), 200);
    }
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
}

#[test]
fn inline_callbacks() {
    online("inline", Run::Bare, &["300"], keep_the_sessions_thread_busy);
}

#[test]
fn inline_callbacks_under_valgrind() {
    // Threads take turns there, so that a callback may seem to take longer than it does.
    online("inline", Run::Valgrind, &["1000"], keep_the_sessions_thread_busy);
}

/// The cloud application's side of `conflict.c`.
fn come_again(cloud: &mut Cloud) {
    over_the_rate(cloud);
    cloud.wait_for("connect", 2);
    under_known_ids(cloud);
    over_other_limits(cloud);
    check_audit_of_all(cloud);
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 204);

    // The cloud application takes no other keys than the usual ones. What it says of those shows what was sent.
    cloud.wait_for("connect", 3);
    cloud.type_line("send GET /json");
    cloud.wait_for("protocol-error", 1);
    cloud.type_line("send DELETE /finish");
    cloud.wait_for("connect", 4);
    cloud.type_line("send GET /json");
    cloud.wait_for("protocol-error", 3);
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 204, "without a body there is no key for one");
    cloud.wait_for("connect", 5);
    cloud.type_line("send GET /json");
    cloud.wait_for("protocol-error", 4);
    let text = cloud.ask("GET", "/no-json", "");
    assert_eq!((status(&text), &text["body"]), (200, &json!("plain words")));
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 204);
}

const COMPLAINTS: [&str; 4] = [
    "unknown key code", // statusKey: a body
    "unknown key code", // and none
    "unknown key body",
    "response is not text",
];

/// As many as the rate at once, the others later: and later they may.
fn over_the_rate(cloud: &mut Cloud) {
    let statuses = cloud.flood(200, "GET", "/flooded");
    let (taken, refused) = (statuses[&200], statuses[&429]);
    assert!(taken >= 5 && refused > 0 && taken + refused == 200, "{statuses:?}");
    let refusal = cloud.events().into_iter().find(|event| event["statusCode"] == 429).expect("a refusal");
    assert_eq!(refusal["headers"]["retry-after"], "1");
    assert!(error_message(&refusal).contains("dispatch.maxRate"), "{refusal}");
    thread::sleep(Duration::from_secs(1)); // as it says
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 204);
}

fn request(method: &str, uri: &str, body: &str) -> String {
    json!({ "uri": uri, "method": method, "parameters": body }).to_string()
}

/// An id stands for one request: answered, or still running.
fn under_known_ids(cloud: &mut Cloud) {
    let first = cloud.ask_as("same", &request("POST", "/echo", "1"));
    assert_eq!((status(&first), &first["body"]), (200, &json!("plain words")));
    let again = cloud.ask_as("same", &request("POST", "/echo", "1"));
    assert_eq!((&again["statusCode"], &again["body"]), (&first["statusCode"], &first["body"]));
    for (method, uri, body) in [
        ("POST", "/echo", "2"),
        ("POST", "/echo", ""),
        ("PUT", "/echo", "1"),
        ("POST", "/echo?1", "1"),
        ("POST", "/ech", "1"),
    ] {
        let conflict = cloud.ask_as("same", &request(method, uri, body));
        assert_eq!(status(&conflict), 409);
        assert!(error_message(&conflict).contains("id: another request"), "{conflict}");
    }

    // One that comes again while it runs shares the one answer.
    let hold = request("GET", "/hold", "1");
    for id in ["first", "second", "first"] {
        cloud.command(id, &hold);
    }
    assert_eq!(status(&cloud.ask_as("second", &request("GET", "/hold", "2"))), 409);
    let third = cloud.ask_as("third", &hold);
    assert_eq!((status(&third), &third["headers"]["retry-after"]), (503, &json!("1")));
    for (id, number) in [("first", 1), ("second", 2)] {
        let held = cloud.wait_for_answer(id, number);
        assert_eq!((status(&held), &held["body"]), (200, &json!("held")));
    }
    // What was turned away was not answered by the host: it may come again as it likes.
    assert_eq!(status(&cloud.ask_as("third", &request("GET", "/echo", ""))), 200);
    assert_eq!(cloud.answers_to("first").len(), 1);
}

fn over_other_limits(cloud: &mut Cloud) {
    for (id, body, status_code) in [
        ("body-of-64", "x".repeat(64), 200),
        ("body-of-65", "x".repeat(65), 413),
        ("depth-of-4", "[[[{}]]]".to_owned(), 200),
        ("depth-of-5", "[[[{\"SECRET\":[]}]]]".to_owned(), 400),
    ] {
        let answer = cloud.ask_as(id, &request("POST", "/echo", &body));
        assert_eq!(status(&answer), status_code, "{id}: {answer}");
        assert!(status_code == 200 || error_message(&answer).contains("parameters"), "{answer}");
    }
}

fn check_audit_of_all(cloud: &mut Cloud) {
    let trail = Trail::read(cloud, "records");
    let conflict = ["conflict", "ended 409"];
    for (id, calls, steps) in [
        ("same", 1, [&["allowed", "ended 200", "repeated"][..], &conflict.repeat(5)].concat()),
        ("first", 1, vec!["allowed", "repeated", "ended 200"]),
        ("second", 1, vec!["allowed", "conflict", "ended 409", "ended 200"]),
        ("third", 1, vec!["limited", "ended 503", "allowed", "ended 200"]),
        ("body-of-64", 1, vec!["allowed", "ended 200"]),
        ("body-of-65", 0, vec!["malformed", "ended 413"]),
        ("depth-of-4", 1, vec!["allowed", "ended 200"]),
        ("depth-of-5", 0, vec!["malformed", "ended 400"]),
    ] {
        assert_eq!((trail.calls(id), trail.steps(id)), (calls, steps.iter().map(|step| (*step).to_owned()).collect()));
    }
    // Those over the rate, whose ids are the cloud application's own.
    for response in
        cloud.events().into_iter().filter(|event| event["event"] == "response" && event["uri"] == "/flooded")
    {
        let id = response["id"].as_str().expect("an id");
        let step = if response["statusCode"] == 200 { "allowed" } else { "limited" };
        assert_eq!(trail.steps(id), [step.to_owned(), format!("ended {}", response["statusCode"])]);
        assert_eq!(trail.calls(id), usize::from(step == "allowed"));
    }
}

fn conflict(run: Run) {
    let scratch = Scratch::new("conflict");
    let program = test_program(&scratch, "conflict");
    against_a_cloud(&scratch, command(run, &program), &[], come_again).finish_with(&COMPLAINTS);
}

#[test]
fn repetitions_conflicts_and_limits() {
    conflict(Run::Bare);
}

#[test]
fn repetitions_conflicts_and_limits_under_valgrind() {
    conflict(Run::Valgrind);
}

fn test_program_in_cpp(scratch: &Scratch, compiler: &str, further: &[&str]) -> PathBuf {
    let flags = [&CPP_FLAGS[..], further].concat();
    compile(scratch, "throws", compiler, &flags, &[root().join("tests/c/throws.cpp")])
}

/// The cloud application's side of `throws.cpp`.
fn make_it_throw(cloud: &mut Cloud) {
    for _ in 0..20 {
        let failed = cloud.ask("GET", "/before", "");
        assert_eq!((status(&failed), error_message(&failed)), (500, "the host failed".to_owned()));
        assert_eq!(status(&cloud.ask("GET", "/after", "")), 201);
    }
    assert_eq!(status(&cloud.ask("GET", "/put-by", "")), 500);
    assert_eq!(status(&cloud.ask("GET", "/was-put-by", "")), 200);
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
}

fn throws(compiler: &str, run: Run) {
    let scratch = Scratch::new("throws");
    let program = test_program_in_cpp(&scratch, compiler, &[]);
    against_a_cloud(&scratch, command(run, &program), &[], make_it_throw).finish();
}

#[test]
fn callbacks_that_throw() {
    throws("g++", Run::Bare);
    throws("clang++", Run::Bare);
}

#[test]
fn callbacks_that_throw_under_valgrind() {
    throws("g++", Run::Valgrind);
}

/// No guard without exceptions, and no need for one.
#[test]
fn a_host_in_cpp_without_exceptions() {
    for compiler in ["g++", "clang++"] {
        let scratch = Scratch::new("throws");
        let program = test_program_in_cpp(&scratch, compiler, &["-fno-exceptions"]);
        let finish = |cloud: &mut Cloud| assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
        against_a_cloud(&scratch, Command::new(program), &[], finish).finish();
    }
}
