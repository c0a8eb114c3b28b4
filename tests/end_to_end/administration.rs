//! What an administrator does with endpoints, against a real cloud application: look before adding, accept, change,
//! watch, and find everything again after a restart.

use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nbwss::connector::{ConnectionState, LogLevel, Phase};
use nbwss::endpoint::{EndpointTls, Rule};
use nbwss::{Cause, Error, EventKind, Inspection, Secret};
use serde_json::{Value, json};

use crate::recorder::{Backup, job, ok};
use crate::support::{Cloud, DEADLINE, Scratch};
use crate::{count, nothing_more, same_ca};

const NAME: &str = "cloud.example.com";
/// Nobody listens there.
const NOWHERE: &str = "wss://127.0.0.1:1/";
/// So long that no test waits for it: what happens all the same was not waited for.
const NEVER: [(&str, &str); 2] = [("connect.backoffBase", "3600000"), ("connectionInfo.period", "86400")];

fn details(cloud: &Cloud) -> Value {
    let text = std::fs::read_to_string(cloud.endpoint_file()).expect("an endpoint file");
    serde_json::from_str(&text).expect("JSON")
}

fn phases(inspection: &Inspection) -> Vec<Phase> {
    inspection.steps.iter().map(|step| step.phase).collect()
}

/// The original product's way: the certificates are fetched without trust and shown, what the administrator accepts is
/// kept, and from then on the endpoint is verified against it.
#[test]
fn what_validation_shows_and_the_administrator_accepts_is_verified_from_then_on() {
    let scratch = Scratch::new("validate");
    let mut cloud = Cloud::start(&scratch, &[]);
    // The system's authorities do not know this cloud application.
    let backup = Backup::new(None, &[], ok);
    let details = details(&cloud);
    let url = details["url"].as_str().expect("a URL");
    let seen = backup.connector.validate(url, EndpointTls::default()).expect("an inspection");
    assert_eq!(phases(&seen), [Phase::Resolve, Phase::Tcp, Phase::Tls]);
    assert!(seen.failure.is_none() && seen.steps.iter().all(|step| step.failure.is_none()), "{seen}");
    assert!(matches!(&seen.trusted, Some(Err(why)) if why.contains("validate the endpoint")), "{seen}");
    let text = seen.to_string();
    let leaf = &seen.certificates[0];
    for part in [&leaf.subject, &leaf.issuer, &leaf.sha256, &leaf.spki_sha256, " valid    from 2", "not trusted"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // TLS came to an end, and not a byte after it.
    let closed = cloud.wait_for("closed", 1);
    assert!(closed["reason"].as_str().is_some_and(|reason| reason.contains("Handshake not finished")), "{closed}");
    assert_eq!(count(&mut cloud, "connected"), 1);

    let tls = EndpointTls { ca_pem: seen.ca_to_accept.clone(), ..EndpointTls::default() };
    let accepted = backup.connector.validate(url, tls.clone()).expect("an inspection");
    assert_eq!(accepted.trusted, Some(Ok(())), "{accepted}");
    let parsed = nbwss::endpoint::parse(details.to_string().as_bytes()).expect("good details").remove(0);
    backup.connector.add_endpoint(parsed.with_tls(tls).expect("a choice")).expect("added");
    backup.connector.start().expect("it starts");
    backup.host.event(EventKind::Established, 1);
    backup.stop();
    cloud.finish();
}

/// Diagnosis walks to the end and tells how far it got, and never the token.
#[test]
fn diagnosis_tells_each_phase_and_where_it_ends() {
    let scratch = Scratch::new("diagnose");
    let (cloud, elsewhere) = (Cloud::start(&scratch, &[]), Scratch::new("diagnose-refused"));
    let whole = [Phase::Resolve, Phase::Tcp, Phase::Tls, Phase::Upgrade, Phase::Connect];
    let unwell = Cloud::start(&elsewhere, &["--http-status", "503"]);
    let refused = Backup::beside(&unwell, &[], ok).connector.diagnose(NAME, true).expect("an inspection");
    assert_eq!(phases(&refused), whole[..4]);
    assert!(matches!(&refused.failure, Some((Cause::HttpStatus, why)) if why.contains("503")), "{refused}");

    let backup = Backup::beside(&cloud, &[], ok);
    let upgraded = backup.connector.diagnose(NAME, false).expect("an inspection");
    assert!(upgraded.failure.is_none(), "{upgraded}");
    assert_eq!(phases(&upgraded), whole[..4]);

    let proved = backup.connector.diagnose(NAME, true).expect("an inspection");
    assert!(proved.failure.is_none(), "{proved}");
    assert_eq!(phases(&proved), whole);
    assert_eq!(proved.trusted, Some(Ok(())));
    cloud.wait_until("a close frame", |events| events.iter().any(|event| event["code"] == 1000).then_some(()));

    backup.connector.set_endpoint_token(NAME, Secret::new("another-token-0815".into())).expect("it is there");
    let wrong = backup.connector.diagnose(NAME, true).expect("an inspection");
    assert!(matches!(&wrong.failure, Some((Cause::Token, _))), "{wrong}");
    let token = details(&cloud)["token"].as_str().expect("a token").to_owned();
    for inspection in [refused, upgraded, proved, wrong] {
        let text = format!("{inspection} {inspection:?}");
        assert!(!text.contains(&token) && !text.contains("another-token-0815"), "{text}");
    }
    // Added and diagnosed, but never started.
    assert_eq!(backup.host.look(|seen| seen.events.len()), 0);
}

#[test]
fn diagnosis_of_an_endpoint_that_is_not_there_ends_where_it_ends() {
    let backup = Backup::new(None, &[], ok);
    let url = "wss://cloud.invalid/nbwss?ticket=t1cket";
    let seen = backup.connector.validate(url, EndpointTls::default()).expect("an inspection");
    assert!(matches!(seen.failure, Some((Cause::Resolve, _))), "{seen}");
    assert_eq!(phases(&seen), [Phase::Resolve]);
    assert!(!seen.to_string().contains("t1cket") && seen.certificates.is_empty() && seen.trusted.is_none(), "{seen}");
    let error = backup.connector.validate("ws://cloud.invalid/", EndpointTls::default()).unwrap_err().to_string();
    assert!(error.starts_with("url: ws://"), "{error}");
    let error = backup.connector.diagnose("nobody", true).unwrap_err().to_string();
    assert!(error.contains("nobody"), "{error}");
}

/// Most of five at least: a busy machine may hold up the one or the other.
#[test]
fn a_new_endpoint_is_dialled_within_100_ms() {
    let backup = Backup::new(None, &NEVER, ok);
    backup.connector.start().expect("it starts");
    let mut delays: Vec<Duration> = (0..5)
        .map(|n| {
            let name = format!("h{n}");
            let one = json!({ "token": "t", "priority": 1, "groupId": name, "hostName": name, "url": NOWHERE });
            let added = Instant::now();
            backup.connector.add_endpoints_json(one.to_string()).expect("added");
            backup.host.event_of(&name, EventKind::Connecting, 0).at - added
        })
        .collect();
    delays.sort();
    assert!(delays[2] < Duration::from_millis(100), "{delays:?}");
}

/// No timer could have brought these about: every pause is an hour or a day.
#[test]
fn every_change_takes_effect_at_once() {
    let scratch = Scratch::new("changes");
    let mut cloud = Cloud::start(&scratch, &[]);
    let backup = Backup::new(Some(&cloud.ca_file()), &NEVER, ok);
    let (connector, host) = (&backup.connector, &backup.host);
    connector.start().expect("it starts");
    assert_eq!(connector.health().expect("health").groups, 0);
    connector.add_endpoints_file(&cloud.endpoint_file()).expect("good endpoint details");
    host.event(EventKind::Established, 1);
    let health = connector.health().expect("health");
    assert_eq!((health.groups, health.groups_connected, health.endpoints_active), (1, 1, 1));
    let info = connector.endpoint("CLOUD.example.com").expect("it is there");
    assert_eq!((info.state, info.attempts, info.sessions), (ConnectionState::Connected, 1, 1));
    assert!(info.last_heard.is_some() && info.since.is_some() && info.last_error.is_none(), "{info:?}");

    connector.set_endpoint_active(NAME, false).expect("it is there");
    assert_eq!(cloud.wait_for("closed", 1)["code"], 1000);
    assert_eq!(host.event(EventKind::Disconnected, 1).event.cause, Cause::Stopped);
    let health = connector.health().expect("health");
    assert_eq!((health.groups, health.groups_connected, health.endpoints), (0, 0, 1));
    connector.notify_job(&job(1)).expect("its group is still there");
    nothing_more(&mut cloud, "connected");
    connector.set_endpoint_active(NAME, true).expect("it is there");
    host.event(EventKind::Established, 2);
    backup.all_delivered(1);

    connector.reconnect(NAME).expect("it is there");
    host.event(EventKind::Established, 3);
    assert_eq!(cloud.wait_for("closed", 2)["code"], 1000);

    // A wrong token is refused at once, told as what it is, and left alone until it is replaced.
    connector.set_endpoint_token(NAME, Secret::new("a-wrong-token".into())).expect("it is there");
    let told = host.event(EventKind::Rejected, 1).event;
    assert_eq!(told.cause, Cause::Token);
    assert!(told.retry_in.is_some_and(|pause| pause >= Duration::from_secs(86_400)), "{told:?}");
    host.wait_until("the refusal in the list", |_| {
        let info = connector.endpoint(NAME).expect("it is there");
        let refused = info.last_error.as_ref().is_some_and(|trouble| trouble.cause == Cause::Token);
        (info.state == ConnectionState::Refused && refused).then_some(())
    });
    assert_eq!(connector.health().expect("health").endpoints_refused, 1);
    let token = details(&cloud)["token"].as_str().expect("a token").to_owned();
    connector.set_endpoint_token(NAME, Secret::new(token)).expect("it is there");
    host.event(EventKind::Established, 4);
    assert!(connector.endpoint(NAME).expect("it is there").last_error.is_some(), "it stays when it is over");

    connector.remove_endpoint(NAME).expect("it is there");
    host.event(EventKind::Disconnected, 4);
    assert!(connector.endpoints().expect("a list").is_empty());
    nothing_more(&mut cloud, "connected");
    backup.stop();
}

/// Endpoints outlive the connector, with their tokens, their choice for TLS, and whether they are active.
#[test]
fn endpoints_are_found_again_after_a_restart() {
    let scratch = Scratch::new("restart");
    let cloud = Cloud::start(&scratch, &[]);
    let path = scratch.join("endpoints.db");
    let settings = [("endpoint.store.path", path.to_str().expect("UTF-8"))];
    let ca_pem = std::fs::read_to_string(cloud.ca_file()).expect("a CA");
    {
        let backup = Backup::new(None, &settings, ok);
        let mut sleeping = details(&cloud);
        sleeping["hostName"] = json!("sleeping.example.com");
        let text = format!("[{}, {sleeping}]", details(&cloud));
        backup.connector.add_endpoints_json(&text).expect("good endpoint details");
        let tls = EndpointTls { ca_pem: Some(ca_pem), ..EndpointTls::default() };
        backup.connector.set_endpoint_tls(NAME, tls).expect("it is there");
        backup.connector.set_endpoint_active("sleeping.example.com", false).expect("it is there");
        backup.connector.set_endpoint_priority("sleeping.example.com", 0).expect("it is there");
        backup
            .connector
            .add_endpoints_json(
                json!({
                    "token": "t", "priority": 1, "groupId": "g", "hostName": "gone", "url": "wss://gone.invalid/"
                })
                .to_string(),
            )
            .expect("good endpoint details");
        backup.connector.remove_endpoint("gone").expect("it is there");
        let second = std::panic::catch_unwind(|| Backup::new(None, &settings, ok));
        let words = second.err().and_then(|words| words.downcast::<String>().ok()).expect("a refusal");
        assert!(words.contains("is in use by another process or connector"), "{words}");
    }
    let backup = Backup::new(None, &settings, ok);
    let all = backup.connector.endpoints().expect("a list");
    let seen: Vec<_> =
        all.iter().map(|info| (info.details.host_name.as_str(), info.active, info.details.priority)).collect();
    assert_eq!(seen, [(NAME, true, 1), ("sleeping.example.com", false, 0)]);
    backup.connector.start().expect("it starts");
    backup.host.event_of(NAME, EventKind::Established, 0);
    backup.connector.notify_job(&job(1)).expect("accepted");
    assert!(backup.connector.drain(DEADLINE).expect("a drain").complete);
    backup.stop();
    cloud.finish();
}

/// Connected means heard of: a session whose peer has fallen silent is not healthy, though nobody has closed it.
#[test]
fn health_is_truthful_about_a_peer_that_fell_silent() {
    let scratch = Scratch::new("silent");
    let cloud = Cloud::start(&scratch, &["--once", "--freeze-after", "1"]);
    let settings =
        [("keepAlive.scheduledRate", "1"), ("keepAlive.maxPongMissAllowed", "2"), ("connectionInfo.period", "1")];
    let backup = Backup::connected(&cloud, &settings, ok);
    assert_eq!(backup.connector.health().expect("health").groups_connected, 1);
    let told = backup.host.event(EventKind::Disconnected, 1).event;
    assert_eq!(told.cause, Cause::KeepAlive);
    backup.host.event(EventKind::Established, 2);
    assert_eq!(backup.connector.health().expect("health").groups_connected, 1);
    backup.stop();
}

/// Nor is one healthy whose pongs nobody hears: here the host's own callback keeps the thread with the sockets.
#[test]
fn health_is_truthful_about_a_session_that_stands_still() {
    let scratch = Scratch::new("still");
    let mut cloud = Cloud::start(&scratch, &[]);
    let ((called, calls), (go_on, done)) = (channel(), channel::<()>());
    let (called, done) = (Mutex::new(called), Mutex::new(done));
    let settings =
        [("dispatch.inline", "true"), ("keepAlive.scheduledRate", "1"), ("keepAlive.maxPongMissAllowed", "1")];
    let backup = Backup::connected(&cloud, &settings, move |request| {
        called.lock().unwrap().send(()).expect("the test waits");
        // Nobody sends: it ends when the test lets go.
        let _ = done.lock().unwrap().recv();
        ok(request);
    });
    let connector = &backup.connector;
    assert_eq!(connector.health().expect("health").groups_connected, 1);
    cloud.type_line("send GET /stand-still");
    calls.recv_timeout(DEADLINE).expect("a call");
    let until = Instant::now() + DEADLINE;
    while connector.health().expect("health").groups_connected > 0 {
        assert!(Instant::now() < until, "still said to be connected");
        thread::sleep(Duration::from_millis(10));
    }
    let info = connector.endpoint(NAME).expect("it is there");
    let silence = info.last_heard.expect("a session");
    assert!(info.state == ConnectionState::Connected && silence >= Duration::from_secs(2), "{info:?}");
    assert_eq!(connector.health().expect("health").groups, 1);
    drop(go_on);
}

/// No session came about, so none ended; and it is nobody's failure.
#[test]
fn an_attempt_that_is_called_off_is_told_as_that() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("wss://{}/", listener.local_addr().expect("an address"));
    let backup = Backup::new(None, &NEVER, ok);
    let (connector, host) = (&backup.connector, &backup.host);
    let one = json!({ "token": "t", "priority": 1, "groupId": "g", "hostName": "h", "url": url });
    connector.add_endpoints_json(one.to_string()).expect("added");
    connector.start().expect("it starts");
    host.event(EventKind::Connecting, 1);
    connector.set_endpoint_active("h", false).expect("it is there");
    let told = host.event(EventKind::ConnectFailed, 1).event;
    assert_eq!((told.cause, told.retry_in), (Cause::Stopped, None), "{told:?}");
    let line = host.logged("attempt called off");
    assert_eq!(line.level, LogLevel::Info, "{line:?}");
    backup.stop();
    assert!(connector.endpoint("h").expect("it is there").last_error.is_none());
    assert_eq!(
        host.look(|seen| seen.events.iter().filter(|told| told.event.kind == EventKind::Disconnected).count()),
        0
    );
}

/// Stored before the setting was made: in the list with the reason, and never dialled.
#[test]
fn a_stored_endpoint_that_is_no_longer_allowed_is_not_dialled() {
    let scratch = Scratch::new("allowed");
    let mut cloud = Cloud::start(&scratch, &[]);
    let path = scratch.join("endpoints.db");
    let store = ("endpoint.store.path", path.to_str().expect("UTF-8"));
    Backup::beside(&cloud, &[store], ok).connector.destroy().expect("the end");
    let backup = Backup::new(Some(&cloud.ca_file()), &[store, ("endpoint.allowedHosts", ".example.org")], ok);
    let (connector, host) = (&backup.connector, &backup.host);
    connector.start().expect("it starts");
    let told = host.event(EventKind::ConnectFailed, 1).event;
    assert!(told.reason.contains("endpoint.allowedHosts"), "{told:?}");
    host.wait_until("the reason in the list", |_| connector.endpoint(NAME).expect("it is there").last_error);
    let health = connector.health().expect("health");
    assert_eq!((health.groups, health.groups_connected), (1, 0));
    let not_allowed = |result: Result<(), Error>| {
        let error = result.expect_err("it is not allowed");
        let rule = matches!(&error, Error::InvalidEndpoint(invalid) if invalid.rule == Rule::HostNotAllowed);
        assert!(rule && error.to_string().contains("endpoint.allowedHosts"), "{error:?}");
    };
    not_allowed(connector.diagnose(NAME, true).map(drop));
    not_allowed(connector.set_endpoint_token(NAME, Secret::new("another".into())));
    not_allowed(connector.set_endpoint_tls(NAME, EndpointTls::default()));
    connector.set_endpoint_active(NAME, false).expect("it is there");
    not_allowed(connector.set_endpoint_active(NAME, true));
    let mut elsewhere = details(&cloud);
    elsewhere["hostName"] = json!("elsewhere");
    let good = json!({ "token": "t", "priority": 1, "groupId": "g", "hostName": "h", "url": "wss://a.example.org/" });
    let error = connector.add_endpoints_json(format!("[{good}, {elsewhere}]")).expect_err("it is not allowed");
    assert!(error.to_string().starts_with("endpoint 1: url: "), "{error}");
    not_allowed(connector.add_endpoints_json(elsewhere.to_string()));
    not_allowed(connector.validate(elsewhere["url"].as_str().expect("a URL"), EndpointTls::default()).map(drop));
    connector.remove_endpoint(NAME).expect("it is there");
    assert_eq!(count(&mut cloud, "connected"), 0);
    assert!(connector.endpoints().expect("a list").is_empty());
}

/// Where each endpoint stands, since when, and when it will be tried.
#[test]
fn the_list_tells_where_each_endpoint_stands() {
    let [first, second] = [Scratch::new("states-refused"), Scratch::new("states-busy")];
    let refusing = Cloud::start(&first, &["--reject-token", "--host-name", "refused", "--group", "refused"]);
    let busy =
        Cloud::start(&second, &[&same_ca(&refusing), "--http-status", "503", "--host-name", "busy", "--group", "busy"]);
    let backup = Backup::new(Some(&refusing.ca_file()), &NEVER, ok);
    let (connector, host) = (&backup.connector, &backup.host);
    for cloud in [&refusing, &busy] {
        connector.add_endpoints_file(&cloud.endpoint_file()).expect("added");
    }
    for name in ["waiting", "sleeping", "stopped"] {
        let one = json!({ "token": "t", "priority": 1, "groupId": name, "hostName": name, "url": NOWHERE });
        connector.add_endpoints_json(one.to_string()).expect("added");
    }
    connector.set_endpoint_active("sleeping", false).expect("it is there");
    connector.set_group_running("stopped", false).expect("it is there");
    let now = SystemTime::now();
    connector.start().expect("it starts");
    host.event_of("refused", EventKind::Rejected, 0);
    host.event_of("busy", EventKind::ConnectFailed, 0);
    host.event_of("waiting", EventKind::ConnectFailed, 0);
    let look = |name: &str| connector.endpoint(name).expect("it is there");
    let day = Duration::from_secs(86_400);
    let stands = |name: &str, state, attempts, planned: Option<std::ops::Range<Duration>>| {
        let info = look(name);
        assert_eq!((info.state, info.attempts, info.sessions), (state, attempts, 0), "{info:?}");
        match (planned, info.next_attempt_in) {
            (Some(range), Some(next)) => assert!(range.contains(&next), "{info:?}"),
            (None, None) => {}
            _ => panic!("{info:?}"),
        }
        assert!(info.since.is_some_and(|since| since <= SystemTime::now()) && info.last_heard.is_none(), "{info:?}");
    };
    stands("refused", ConnectionState::Refused, 1, Some(day - Duration::from_secs(60)..day * 2));
    stands("busy", ConnectionState::Disconnected, 1, Some(Duration::ZERO..day));
    stands("waiting", ConnectionState::Disconnected, 1, Some(Duration::ZERO..day));
    assert!(["refused", "busy", "waiting"].iter().all(|name| look(name).since >= Some(now)));
    stands("sleeping", ConnectionState::Disconnected, 0, None);
    stands("stopped", ConnectionState::Disconnected, 0, None);
    let health = connector.health().expect("health");
    let counts = (health.groups, health.groups_connected, health.endpoints, health.endpoints_active);
    assert_eq!((counts, health.endpoints_refused), ((3, 0, 5, 4), 1));

    connector.set_group_running("waiting", false).expect("it is there");
    stands("waiting", ConnectionState::Disconnected, 1, None);
    backup.stop();
    stands("refused", ConnectionState::Refused, 1, None);
    stands("busy", ConnectionState::Disconnected, 1, None);
    assert_eq!(connector.health().expect("health").groups, 0);
}
