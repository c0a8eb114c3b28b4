//! Sessions that end badly: after each the session comes back, and nothing that was accepted is lost or doubled.

use std::collections::BTreeSet;
use std::time::Duration;

use nbwss::EventKind;
use serde_json::json;

use crate::recorder::{Backup, job, ok};
use crate::support::{Cloud, Scratch};
use crate::{command, count, jobs, named};

/// Six notifications wait when the session begins, each for a message of its own; the fault strikes on the first
/// connection only. Returns that connection's last event.
fn comes_back(name: &str, fault: &[&str], settings: &[(&str, &str)], reason: &str) -> serde_json::Value {
    let scratch = Scratch::new(name);
    let flags: Vec<&str> = ["--once"].iter().chain(fault).copied().collect();
    let mut cloud = Cloud::start(&scratch, &flags);
    // So late that only the new session can be why a notification is sent again.
    let own = [("notification.batchCount", "1"), ("notification.scheduledRate", "3600")];
    let settings: Vec<(&str, &str)> = own.iter().chain(settings).copied().collect();
    let backup = Backup::beside(&cloud, &settings, ok);
    for id in 1..=6 {
        backup.connector.notify_job(&job(id)).expect("accepted");
    }
    backup.connector.start().expect("it starts");
    let end = backup.host.event(EventKind::Disconnected, 1).event;
    assert!(end.reason.contains(reason), "{:?} should speak of {reason:?}", end.reason);
    assert!(end.retry_in.is_some(), "{end:?}");
    backup.host.event(EventKind::Established, 2);
    backup.all_delivered(6);
    assert_eq!(cloud.ask("GET", "/back", "")["connection"], 2);
    let acknowledged = named(&mut cloud, "notification").into_iter().filter(|event| event["acknowledged"] == true);
    let arrived: BTreeSet<i64> = acknowledged.flat_map(|event| jobs(&event)).collect();
    assert_eq!(arrived, (1..=6).collect());
    let first_end = cloud.wait_for("closed", 1);
    assert_eq!(first_end["connection"], 1);
    backup.stop();
    assert_eq!(count(&mut cloud, "connected"), 2);
    cloud.finish();
    first_end
}

/// The cloud application goes away (1001): its close frame is answered, and the session comes back.
#[test]
fn a_close_with_1001_is_answered_and_the_session_comes_back() {
    let end = comes_back("close1001", &["--close-after", "3:1001"], &[], "closed by the peer with code 1001");
    assert_eq!((&end["code"], &end["by"]), (&json!(1001), &json!("cloud")), "{end}");
}

/// The cloud application restarts (1012): the same.
#[test]
fn a_close_with_1012_is_answered_and_the_session_comes_back() {
    let end = comes_back("close1012", &["--close-after", "3:1012"], &[], "closed by the peer with code 1012");
    assert_eq!((&end["code"], &end["by"]), (&json!(1012), &json!("cloud")), "{end}");
}

/// A TCP reset in the middle of everything, with whatever was under way.
#[test]
fn a_reset_costs_nothing_but_the_connection() {
    comes_back("reset", &["--reset-after", "3"], &[], "connection lost");
}

/// A message that is no JSON ends the session with code 1007.
#[test]
fn garbage_ends_the_session_and_it_comes_back() {
    let end = comes_back("garbage", &["--garbage-after", "3"], &[], "undecodable message");
    assert_eq!((&end["code"], &end["by"]), (&json!(1007), &json!("connector")), "{end}");
}

/// With `exception.ignoreDecoder` the same message costs a warning and nothing else.
#[test]
fn garbage_is_ignored_where_the_setting_says_so() {
    let scratch = Scratch::new("ignore");
    let mut cloud = Cloud::start(&scratch, &["--garbage-after", "1"]);
    let backup = Backup::connected(&cloud, &[("exception.ignoreDecoder", "true")], ok);
    cloud.type_line("garbage");
    cloud.type_line("garbage []");
    assert_eq!(cloud.ask("GET", "/after", "")["statusCode"], 200);
    backup.connector.notify_job(&job(1)).expect("accepted");
    backup.all_delivered(1);
    let warnings = backup.host.wait_until("three warnings", |seen| {
        let ignored = seen.log.iter().filter(|line| line.text.starts_with("message ignored"));
        let texts: Vec<String> = ignored.map(|line| line.text.clone()).collect();
        (texts.len() == 3).then_some(texts)
    });
    assert!(
        warnings.iter().all(|text| text.contains("cloud.example.com") && !text.contains("garbage")),
        "{warnings:?}"
    );
    assert_eq!((count(&mut cloud, "connected"), count(&mut cloud, "closed")), (1, 0));
    backup.stop();
    cloud.finish();
}

/// A peer that reads nothing any more and answers no ping is given up after the one missed pong that is allowed:
/// two seconds, and some for a busy machine.
#[test]
fn a_frozen_peer_is_noticed_in_time() {
    let scratch = Scratch::new("frozen");
    let mut cloud = Cloud::start(&scratch, &["--once", "--freeze-after", "1"]);
    let settings = [
        ("keepAlive.scheduledRate", "1"),
        ("keepAlive.maxPongMissAllowed", "1"),
        ("notification.scheduledRate", "3600"),
    ];
    let backup = Backup::beside(&cloud, &settings, ok);
    for id in 1..=3 {
        backup.connector.notify_job(&job(id)).expect("accepted");
    }
    backup.connector.start().expect("it starts");
    let established = backup.host.event(EventKind::Established, 1).at;
    let given_up = backup.host.event(EventKind::Disconnected, 1);
    assert_eq!(given_up.event.reason, "too many pings without a pong");
    let took = given_up.at - established;
    assert!((Duration::from_millis(1500)..Duration::from_secs(5)).contains(&took), "given up after {took:?}");
    backup.all_delivered(3);
    // The second session answers its pings, and so outlives what ended the first.
    cloud.wait_until("three pings on one connection", |events| {
        (events.iter().filter(|event| event["event"] == "ping" && event["connection"] == 2).count() >= 3).then_some(())
    });
    assert_eq!(cloud.ask("GET", "/alive", "")["connection"], 2);
    backup.stop();
    cloud.finish();
}

/// A message over the limit closes with code 1009, and the session comes back for smaller ones.
#[test]
fn a_message_over_the_limit_closes_with_1009() {
    let scratch = Scratch::new("large");
    let mut cloud = Cloud::start(&scratch, &[]);
    let backup = Backup::connected(&cloud, &[("message.maxBytes", "2048")], ok);
    let fits = command("FITS", "POST", "/fits", &"x".repeat(1800));
    assert!(fits.len() <= 2048, "{}", fits.len());
    assert_eq!(cloud.type_and_await(&format!("raw {fits}"), "/fits")["statusCode"], 200);
    cloud.type_line(&format!("raw {}", command("LARGE", "POST", "/large", &"x".repeat(2048))));
    let end = backup.host.event(EventKind::Disconnected, 1).event;
    assert!(end.reason.contains("message.maxBytes"), "{end:?}");
    let closed = cloud.wait_for("closed", 1);
    assert_eq!((&closed["code"], &closed["by"]), (&json!(1009), &json!("connector")), "{closed}");
    backup.host.event(EventKind::Established, 2);
    cloud.wait_for("connect", 2);
    assert_eq!(cloud.ask("GET", "/back", "")["statusCode"], 200);
    assert_eq!(backup.host.calls_for("/large"), 0);
    backup.stop();
    cloud.finish();
}
