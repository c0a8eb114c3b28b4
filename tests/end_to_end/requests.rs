//! Calls that go wrong on the host's side, or come twice, or come in hordes: each is answered all the same.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nbwss::connector::LogLevel;
use nbwss::protocol::Response;
use nbwss::{Error, Request};
use serde_json::{Value, json};

use crate::recorder::{Backup, ok, respond};
use crate::support::{Cloud, DEADLINE, Scratch};
use crate::{command, count, named};

/// Requests for `/held` go to the test; all others are answered.
fn holding() -> (impl Fn(Request) + Send + Sync + 'static, Receiver<Request>) {
    let (keep, held) = mpsc::channel();
    let answer = move |request: Request| {
        if request.uri() == "/held" {
            keep.send(request).expect("the test is waiting");
        } else {
            ok(request);
        }
    };
    (answer, held)
}

fn error_code(answer: &Value) -> Value {
    let body: Value = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("JSON");
    assert!(body["errorMessage"].is_string(), "{body}");
    body["errorCode"].clone()
}

/// A COMMAND that comes again with the same id, while it runs or later, does not reach the host again: the first
/// answer serves both while it runs, and is repeated afterwards.
#[test]
fn a_command_sent_twice_reaches_the_host_once() {
    let scratch = Scratch::new("twice");
    let mut cloud = Cloud::start(&scratch, &["--duplicate-commands"]);
    let (answer, held) = holding();
    let backup = Backup::connected(&cloud, &[], answer);
    cloud.type_line(r#"send POST /held {"n":1}"#);
    let request = held.recv_timeout(DEADLINE).expect("a request");
    // Both copies came before this.
    cloud.ask("GET", "/marker", "");
    respond(&request, 201, &[], Some(b"made".to_vec()));
    let first = cloud.wait_until("the answer", |events| events.iter().find(|e| is_answer(e, "/held")).cloned());
    assert_eq!((&first["statusCode"], &first["body"]), (&json!(201), &json!("made")));

    let again = command(first["id"].as_str().expect("an id"), "POST", "/held", r#"{"n":1}"#);
    let again = cloud.type_and_await(&format!("raw {again}"), "/held");
    assert_eq!(again["repeated"], true);
    for key in ["id", "statusCode", "headers", "body"] {
        assert_eq!(again[key], first[key], "{key}");
    }
    cloud.ask("GET", "/after", "");
    assert_eq!(backup.host.calls_for("/held"), 1);
    assert_eq!(backup.host.calls_for("/marker"), 1);
    assert!(held.try_recv().is_err());
    backup.stop();
    cloud.finish();
}

fn is_answer(event: &Value, uri: &str) -> bool {
    event["event"] == "response" && event["uri"] == uri
}

/// An answer that was finished when its session had ended is there for the COMMAND that comes again on the next.
#[test]
fn a_command_repeated_on_the_next_session_gets_the_answer_there() {
    let scratch = Scratch::new("next");
    let mut cloud = Cloud::start(&scratch, &[]);
    let (answer, held) = holding();
    let backup = Backup::connected(&cloud, &[], answer);
    cloud.type_line("send POST /held {}");
    let request = held.recv_timeout(DEADLINE).expect("a request");
    let id = cloud.wait_for("command", 1)["id"].as_str().expect("an id").to_owned();
    cloud.type_line("reset");
    backup.host.event(nbwss::EventKind::Established, 2);
    cloud.wait_for("connect", 2);
    respond(&request, 200, &[], Some(b"kept".to_vec()));
    let answer = cloud.type_and_await(&format!("raw {}", command(&id, "POST", "/held", "{}")), "/held");
    assert_eq!((&answer["body"], &answer["connection"]), (&json!("kept"), &json!(2)));
    assert_eq!(backup.host.calls_for("/held"), 1);
    backup.stop();
    cloud.finish();
}

/// A host that says nothing in time costs 504, its late answer is refused, and the session goes on.
#[test]
fn a_late_answer_is_expired_and_the_peer_has_504() {
    let scratch = Scratch::new("late");
    let mut cloud = Cloud::start(&scratch, &[]);
    let (answer, held) = holding();
    let backup = Backup::connected(&cloud, &[("dispatch.timeout", "300")], answer);
    let late = cloud.ask("GET", "/held", "");
    assert_eq!((&late["statusCode"], error_code(&late)), (&json!(504), json!(504)));
    assert!(late["milliseconds"].as_f64().is_some_and(|ms| (290.0..5000.0).contains(&ms)), "{late}");
    let request = held.recv_timeout(DEADLINE).expect("a request");
    let response = Response::new(200, vec![], None).expect("a good response");
    assert!(matches!(request.respond(&response), Err(Error::Expired)));
    drop(request);
    assert_eq!(cloud.ask("GET", "/after", "")["statusCode"], 200);
    assert_eq!(count(&mut cloud, "response"), 2);
    backup.stop();
    cloud.finish();
}

/// A COMMAND that comes again on the next session keeps the deadline that it began with, whatever was asked there first.
#[test]
fn a_command_repeated_on_the_next_session_keeps_its_deadline() {
    let scratch = Scratch::new("deadline");
    let mut cloud = Cloud::start(&scratch, &[]);
    let (answer, held) = holding();
    let backup = Backup::connected(&cloud, &[("dispatch.timeout", "3000")], answer);
    cloud.type_line("send POST /held {}");
    let _first = held.recv_timeout(DEADLINE).expect("a request");
    let first = cloud.wait_for("command", 1)["id"].clone();
    cloud.type_line("reset");
    backup.host.event(nbwss::EventKind::Established, 2);
    cloud.wait_for("connect", 2);
    cloud.type_line("send GET /held");
    let _second = held.recv_timeout(DEADLINE).expect("a request");
    let second = cloud.wait_for("command", 2)["id"].clone();
    let again = command(first.as_str().expect("an id"), "POST", "/held", "{}");
    cloud.type_line(&format!("raw {again}"));
    let answers = [cloud.wait_for("response", 1), cloud.wait_for("response", 2)];
    assert!(answers.iter().all(|answer| answer["statusCode"] == 504), "{answers:#?}");
    assert_eq!(answers.map(|answer| answer["id"].clone()), [first, second], "the first that was asked ends first");
    backup.stop();
    cloud.finish();
}

/// Quick calls stay on one thread; when they come to take long, every thread has one.
#[test]
fn slow_calls_after_quick_ones_soon_have_every_thread() {
    const THREADS: usize = 4;
    let scratch = Scratch::new("slow");
    let mut cloud = Cloud::start(&scratch, &[]);
    let all = Barrier::new(THREADS);
    let answer = move |request: Request| {
        if request.uri() == "/slow" {
            all.wait();
        }
        ok(request);
    };
    let backup = Backup::connected(&cloud, &[("dispatch.threads", "4"), ("dispatch.timeout", "5000")], answer);
    for _ in 0..3 {
        cloud.ask("GET", "/quick", "");
    }
    assert_eq!(cloud.flood(THREADS, "GET", "/slow"), BTreeMap::from([(200, THREADS)]));
    backup.stop();
    cloud.finish();
}

/// Of a flood, as many reach the host as it may hold; the rest get 503 at once with a hint when to come again.
#[test]
fn a_flood_is_answered_to_the_last_call() {
    const FLOOD: usize = 300;
    const HELD: usize = 4;
    let scratch = Scratch::new("flood");
    let mut cloud = Cloud::start(&scratch, &[]);
    let (answer, held) = holding();
    let backup = Backup::connected(&cloud, &[("dispatch.maxOutstanding", "4")], answer);
    cloud.type_line(&format!("flood {FLOOD} GET /held"));
    let requests: Vec<Request> = (0..HELD).map(|_| held.recv_timeout(DEADLINE).expect("a request")).collect();
    cloud.wait_for("response", FLOOD - HELD);
    assert!(held.try_recv().is_err(), "the host was given more than it may hold");
    for request in requests {
        respond(&request, 200, &[], None);
    }
    cloud.wait_for("response", FLOOD);
    let mut statuses = BTreeMap::new();
    for response in named(&mut cloud, "response") {
        let status = response["statusCode"].as_u64().expect("a status");
        *statuses.entry(status).or_insert(0) += 1;
        if status == 503 {
            assert_eq!(error_code(&response), 503);
            assert_eq!(response["headers"]["retry-after"], "1");
        }
    }
    assert_eq!(statuses, BTreeMap::from([(200, HELD), (503, FLOOD - HELD)]));
    assert_eq!(backup.host.calls_for("/held"), HELD);
    assert_eq!(cloud.ask("GET", "/after", "")["statusCode"], 200);
    backup.stop();
    cloud.finish();
}

/// A callback that panics, or lets the request go without a word, costs 500 and a line in the log, and nothing else.
#[test]
fn a_host_that_breaks_or_forgets_costs_500() {
    let scratch = Scratch::new("breaks");
    let mut cloud = Cloud::start(&scratch, &[]);
    let backup = Backup::connected(&cloud, &[("dispatch.threads", "1")], |request| match request.uri() {
        // Without the panic hook, which would write to standard error.
        "/breaks" => resume_unwind(Box::new("the host broke")),
        "/forgets" => drop(request),
        _ => ok(request),
    });
    for uri in ["/breaks", "/forgets", "/breaks"] {
        let failed = cloud.ask("GET", uri, "");
        assert_eq!((&failed["statusCode"], error_code(&failed)), (&json!(500), json!(500)), "{uri}");
    }
    let line = backup.host.logged("the host broke");
    assert_eq!(line.level, LogLevel::Error);
    // The only thread that runs the callback has survived.
    assert_eq!(cloud.ask("GET", "/after", "")["statusCode"], 200);
    assert_eq!(count(&mut cloud, "connected"), 1);
    backup.stop();
    cloud.finish();
}

/// A COMMAND that HTTP does not allow is answered with 400, and the host never hears of it.
#[test]
fn an_unusable_command_costs_400() {
    let scratch = Scratch::new("unusable");
    let mut cloud = Cloud::start(&scratch, &[]);
    let backup = Backup::connected(&cloud, &[], ok);
    for (id, method, uri) in
        [("1", "GET", "http://elsewhere.example.com/"), ("2", "GET", "//elsewhere/"), ("3", "G T", "/method")]
    {
        let refused = cloud.type_and_await(&format!("raw {}", command(id, method, uri, "")), uri);
        assert_eq!((&refused["statusCode"], error_code(&refused)), (&json!(400), json!(400)), "{uri}");
    }
    assert_eq!(cloud.ask("GET", "/after", "")["statusCode"], 200);
    assert_eq!(backup.host.look(|seen| seen.calls.len()), 1);
    backup.stop();
    cloud.finish();
}

/// One request, for `/stuck`, holds its thread until it is released; all others are answered.
fn stuck() -> (impl Fn(Request) + Send + Sync + 'static, Sender<()>) {
    let (release, released) = mpsc::channel();
    let released = Mutex::new(released);
    let answer = move |request: Request| {
        if request.uri() == "/stuck" {
            released.lock().unwrap().recv_timeout(DEADLINE).expect("released");
        }
        ok(request);
    };
    (answer, release)
}

/// The host is stuck with one call, and more wait behind it.
fn ask_behind_a_stuck_call(cloud: &mut Cloud, backup: &Backup) {
    cloud.type_line("send GET /stuck");
    assert_eq!(backup.host.call(1).uri, "/stuck");
    for number in 1..=3 {
        cloud.type_line(&format!("send GET /queued/{number}"));
    }
}

fn all_queued_get(cloud: &Cloud, status: u64) {
    for number in 1..=3 {
        assert_eq!(cloud.wait_for_response(&format!("/queued/{number}"), 1)["statusCode"], status);
    }
}

fn uris_called(backup: &Backup) -> Vec<String> {
    backup.host.look(|seen| seen.calls.iter().map(|call| call.uri.clone()).collect())
}

/// The peer has its 504 and may have asked again under another id: what waited for a thread is not done any more.
#[test]
fn calls_whose_deadline_passes_while_they_wait_do_not_reach_the_host() {
    let scratch = Scratch::new("waited");
    let mut cloud = Cloud::start(&scratch, &[]);
    let (answer, release) = stuck();
    let settings = [("dispatch.threads", "1"), ("dispatch.timeout", "300")];
    let backup = Backup::connected(&cloud, &settings, answer);
    ask_behind_a_stuck_call(&mut cloud, &backup);
    all_queued_get(&cloud, 504);
    release.send(()).unwrap();
    assert_eq!(cloud.ask("GET", "/after", "")["statusCode"], 200);
    assert_eq!(uris_called(&backup), ["/stuck", "/after"]);
    let calls = backup.connector.stats().expect("numbers").calls;
    assert_eq!((calls.expired, calls.late, calls.missing), (4, 1, 0));
    backup.stop();
    cloud.finish();
}

/// The end of the connector has answered them with 503.
#[test]
fn calls_that_wait_when_destroy_begins_do_not_reach_the_host() {
    let scratch = Scratch::new("destroyed");
    let mut cloud = Cloud::start(&scratch, &[]);
    let (answer, release) = stuck();
    let backup = Backup::connected(&cloud, &[("dispatch.threads", "1")], answer);
    ask_behind_a_stuck_call(&mut cloud, &backup);
    // As the fourth is allowed, all are.
    until("four calls", || backup.connector.stats().expect("numbers").calls.allowed == 4);
    thread::scope(|scope| {
        let destroyed = scope.spawn(|| backup.connector.destroy());
        all_queued_get(&cloud, 503);
        release.send(()).unwrap();
        destroyed.join().unwrap().expect("in time");
    });
    assert_eq!(uris_called(&backup), ["/stuck"]);
    cloud.finish();
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Where nobody polls, nobody is called; and who polls at last is called for what somebody still waits for.
#[test]
fn calls_that_waited_too_long_to_be_polled_do_not_reach_the_host() {
    let scratch = Scratch::new("unpolled");
    let mut cloud = Cloud::start(&scratch, &[]);
    let backup = Backup::beside(&cloud, &[("callbacks.poll", "true"), ("dispatch.timeout", "300")], ok);
    let poll_until = |what: &str, found: &dyn Fn() -> bool| {
        until(what, || {
            backup.connector.poll(Duration::from_millis(100)).expect("it polls");
            found()
        });
    };
    backup.connector.start().expect("it starts");
    cloud.wait_for("connect", 1);
    for number in 1..=3 {
        cloud.type_line(&format!("send GET /queued/{number}"));
    }
    all_queued_get(&cloud, 504);
    cloud.type_line("send GET /after");
    poll_until("a call", &|| !uris_called(&backup).is_empty());
    assert_eq!(cloud.wait_for_response("/after", 1)["statusCode"], 200);
    assert_eq!(uris_called(&backup), ["/after"]);
    cloud.type_line("send GET /last");
    until("the last call", || backup.connector.stats().expect("numbers").calls.allowed == 5);
    backup.connector.destroy().expect("in time");
    let last = cloud.wait_for_response("/last", 1)["statusCode"].clone();
    assert!(last == 503 || last == 504, "{last}");
    assert_eq!(uris_called(&backup), ["/after"], "destroy runs callbacks, and this one is not wanted");
    cloud.finish();
}

/// The log says what becomes of calls, with neither query nor body, and with no line or token of the peer's making.
#[test]
fn the_log_has_each_call_and_no_secret() {
    let scratch = Scratch::new("logged");
    let mut cloud = Cloud::start(&scratch, &[]);
    let details: Value = serde_json::from_slice(&std::fs::read(cloud.endpoint_file()).unwrap()).unwrap();
    let token = details["token"].as_str().expect("a token");
    let backup = Backup::connected(&cloud, &[("dispatch.policy", "allow POST /open")], ok);
    let call = |method: &str, uri: &str| {
        json!({ "method": method, "uri": uri, "headers": { "x-a": "SECRET" }, "parameters": "SECRET" }).to_string()
    };
    cloud.command("odd\\nid", &call("GET", "/closed?SECRET"));
    cloud.wait_for_answer("odd\nid", 1);
    cloud.command(token, &call("POST", "/open?SECRET"));
    cloud.ask_as("bad", &call("GET", "/../SECRET"));
    let refused = backup.host.logged("refused by the policy");
    assert!(refused.text.starts_with("call odd\u{fffd}id refused") && refused.text.ends_with(": GET /closed"));
    assert_eq!(refused.level, LogLevel::Info);
    assert_eq!(backup.host.logged("call bad malformed").level, LogLevel::Info);
    let answered = backup.host.logged("call [token] answered with 200");
    assert!(answered.level == LogLevel::Debug && answered.text.ends_with(": POST /open"), "{answered:?}");
    backup.host.look(|seen| {
        assert!(seen.log.iter().all(|line| !line.text.contains("SECRET") && !line.text.contains(token)));
    });
    backup.stop();
    cloud.finish();
}
