//! Calls that are cancelled, run inline, come again, are over a limit, or throw.

use std::os::unix::process::ExitStatusExt;

use serde_json::json;

use super::trail::*;
use super::*;

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

/// What the header says of an exception that leaves a callback: the process ends with SIGABRT, and with nothing worse.
#[test]
fn a_callback_that_throws_unguarded() {
    for compiler in ["g++", "clang++"] {
        let scratch = Scratch::new("unguarded");
        let program = test_program_in_cpp(&scratch, compiler, &[]);
        let mut cloud = Cloud::start(&scratch, &[]);
        let mut command = Command::new(program);
        command.arg(cloud.endpoint_file()).arg(cloud.ca_file()).arg("unguarded");
        let program = Program::start("throws", &mut command);
        cloud.type_line("send GET /before");
        let end = program.finish();
        assert_eq!(end.status.signal(), Some(libc::SIGABRT), "{compiler}: {}\n{}", end.status, end.stderr);
        assert!(end.stdout.is_empty(), "{}", end.stdout);
    }
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

/// The cloud application's side of `polling.c`.
fn ask_an_event_loop(cloud: &mut Cloud) {
    assert_eq!(cloud.flood(100, "GET", "/now"), [(200, 100)].into());
    cloud.type_line("send GET /later");
    cloud.await_job(1, "ACTIVE");
    assert_eq!(status(&cloud.wait_for_response("/later", 1)), 200);
    assert_eq!(status(&cloud.ask("GET", "/finish", "")), 200);
}

#[test]
fn a_host_with_an_event_loop() {
    online("polling", Run::Bare, &[], ask_an_event_loop);
}

#[test]
fn a_host_with_an_event_loop_under_valgrind() {
    online("polling", Run::Valgrind, &[], ask_an_event_loop);
}
