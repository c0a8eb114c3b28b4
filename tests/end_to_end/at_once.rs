//! What several threads do at the same time, and what is done at the worst moment.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nbwss::connector::ConnectionState;
use nbwss::endpoint::{Details, EndpointTls};
use nbwss::{Connector, Error, EventKind, Host, Request, Secret, Settings, Wants};
use serde_json::json;
use socket2::SockRef;

use crate::count;
use crate::recorder::{Backup, job, ok};
use crate::support::{Cloud, DEADLINE, Scratch};

const NAME: &str = "cloud.example.com";
/// Nobody listens there.
const NOWHERE: &str = "wss://127.0.0.1:1/";

fn details(host_name: &str, group_id: &str, url: &str) -> Details {
    Details::new(host_name, url, group_id, 1, Secret::new("a-token-of-the-test".into())).expect("good details")
}

/// Takes connections and never says a word.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let authority = listener.local_addr().expect("an address").to_string();
    (listener, authority)
}

/// Only changes are told, so activations and deactivations take turns, whoever made them and at whatever moment.
#[test]
fn the_last_event_is_what_holds() {
    let backup = Backup::new(None, &[("log.level", "off")], ok);
    let connector = &backup.connector;
    connector.add_endpoint(details("a", "g", NOWHERE)).expect("added");
    for _ in 0..2000 {
        let both = Barrier::new(2);
        thread::scope(|scope| {
            for active in [true, false] {
                let both = &both;
                scope.spawn(move || {
                    both.wait();
                    connector.set_endpoint_active("a", active).expect("it is there");
                });
            }
        });
    }
    // One more change than there were, so that the end of the events can be told.
    let active = !connector.endpoint("a").expect("it is there").active;
    connector.set_endpoint_active("a", active).expect("it is there");
    let kind = |active| if active { EventKind::Activated } else { EventKind::Deactivated };
    // The endpoint was added active, so the first event is the other one.
    let events = backup.host.wait_until("the last change", |seen| {
        let ended = seen.events.len() % 2 == usize::from(!active);
        let last = seen.events.last().map(|told| told.event.kind);
        (ended && last == Some(kind(active)))
            .then(|| seen.events.iter().map(|told| told.event.kind).collect::<Vec<_>>())
    });
    for (index, told) in events.iter().enumerate() {
        assert_eq!(*told, kind(index % 2 == 1), "event {index}");
    }
    assert!(events.len() > 100, "{}", events.len());
}

/// Whoever has the same group afterwards is another: what is accepted for it is not the removed endpoint's to see.
#[test]
fn a_removed_endpoint_gets_nothing_more() {
    let scratch = Scratch::new("removed");
    let mut cloud = Cloud::start(&scratch, &[]);
    let ((called, calls), (go_on, done)) = (channel(), channel::<()>());
    let (called, done) = (Mutex::new(called), Mutex::new(done));
    let backup = Backup::connected(&cloud, &[("dispatch.inline", "true")], move |request| {
        called.lock().unwrap().send(()).expect("the test waits");
        done.lock().unwrap().recv().expect("the test goes on");
        ok(request);
    });
    let connector = &backup.connector;
    cloud.type_line("send GET /while-it-is-removed");
    calls.recv_timeout(DEADLINE).expect("a call");
    // The thread with the sockets stands still, so all of this happens between two looks of the session.
    let group_id = connector.endpoint(NAME).expect("it is there").details.group_id.to_string();
    connector.remove_endpoint(NAME).expect("it is there");
    connector.add_endpoint(details("another", &group_id, NOWHERE)).expect("added");
    connector.notify_job(&job(1)).expect("accepted");
    go_on.send(()).expect("the callback waits");
    backup.host.event_of(NAME, EventKind::Disconnected, 0);
    cloud.wait_for("closed", 1);
    assert_eq!(count(&mut cloud, "notification"), 0);
    assert_eq!(connector.stats().expect("stats").notifications.pending, 1);
}

/// What was told to end serves nobody any more.
#[test]
fn a_session_that_was_told_to_end_is_not_healthy() {
    let scratch = Scratch::new("closing");
    let cloud = Cloud::start(&scratch, &["--freeze-after", "1"]);
    let backup = Backup::connected(&cloud, &[], ok);
    backup.connector.reconnect(NAME).expect("it is there");
    assert_eq!(backup.connector.endpoint(NAME).expect("it is there").state, ConnectionState::Closing);
    let health = backup.connector.health().expect("health");
    assert_eq!((health.groups, health.groups_connected), (1, 0));
}

#[test]
fn waiting_for_ever_is_long_and_no_panic() {
    let backup = Backup::new(None, &[], ok);
    assert!(backup.connector.drain(Duration::MAX).expect("nothing to wait for").complete);
    backup.connector.wait(Duration::MAX).expect("nothing to wait for");
}

#[test]
fn what_is_destroyed_leaves_its_database_to_the_next() {
    let scratch = Scratch::new("database");
    let path = scratch.join("endpoints.db");
    let settings = [("endpoint.store.path", path.to_str().expect("UTF-8"))];
    let first = Backup::new(None, &settings, ok);
    first.connector.add_endpoint(details("a", "g", NOWHERE)).expect("added");
    first.connector.destroy().expect("the end");
    // The value is still there, as it is for a moment where another thread is just coming back from a call.
    let second = Backup::new(None, &settings, ok);
    assert_eq!(second.connector.endpoints().expect("a list").len(), 1);
    let late = first.connector.add_endpoint(details("b", "g", NOWHERE)).unwrap_err();
    assert!(matches!(late, Error::IllegalState(_)), "{late}");
}

/// Whoever waits for the network is sent home, whatever the peer does.
#[test]
fn destroy_does_not_wait_for_who_looks_at_a_silent_endpoint() {
    let (listener, authority) = silent();
    SockRef::from(&listener).set_read_timeout(Some(DEADLINE)).expect("a deadline for accepting");
    let backup = Backup::new(None, &[("shutdown.timeout", "20000")], ok);
    let connector = &backup.connector;
    connector.add_endpoint(details("silent", "g", &format!("wss://{authority}/"))).expect("added");
    thread::scope(|scope| {
        let look = |look: Box<dyn Fn() -> Option<Error> + Send>| {
            scope.spawn(move || {
                let error = look().expect("it cannot come to its end");
                assert!(matches!(error, Error::IllegalState(_)), "{error}");
            });
        };
        look(Box::new(|| connector.validate(&format!("wss://{authority}/"), EndpointTls::default()).err()));
        look(Box::new(|| connector.diagnose("silent", true).err()));
        look(Box::new(|| connector.fetch_endpoints(&format!("https://{authority}/")).err()));
        look(Box::new(|| connector.add_endpoints_url(&format!("https://{authority}/")).err()));
        // All of them wait for its first word now.
        let _peers: Vec<_> = (0..4).map(|_| listener.accept().expect("a connection")).collect();
        let began = Instant::now();
        connector.destroy().expect("the end");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    });
}

/// A dial callback that does not come back until it may.
struct Stubborn {
    called: Mutex<std::sync::mpsc::Sender<()>>,
    released: Mutex<std::sync::mpsc::Receiver<()>>,
    gone: Arc<AtomicBool>,
}

impl Host for Stubborn {
    fn on_request(&self, _request: Request) {}

    fn wants(&self) -> Wants {
        Wants { dial: true, ..Wants::default() }
    }

    fn dial(&self, _host: &str, _port: u16, _timeout: Duration) -> Result<socket2::Socket, String> {
        self.called.lock().unwrap().send(()).expect("the test waits");
        let _ = self.released.lock().unwrap().recv();
        Err("not today".to_owned())
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Release);
    }
}

#[test]
fn destroy_waits_for_a_dial_callback_as_long_as_it_may_and_can_be_called_again() {
    let ((called, calls), (release, released)) = (channel(), channel());
    let gone = Arc::new(AtomicBool::new(false));
    let host = Stubborn { called: Mutex::new(called), released: Mutex::new(released), gone: gone.clone() };
    let mut settings = Settings::default();
    settings.set("shutdown.timeout", "300").expect("a good value");
    let connector = Connector::new(settings, Arc::new(host)).expect("a connector");
    connector.add_endpoint(details("a", "g", NOWHERE)).expect("added");
    connector.start().expect("it starts");
    calls.recv_timeout(DEADLINE).expect("a call");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert!(matches!(connector.destroy(), Err(Error::Timeout(_)))));
        }
    });
    assert!(!gone.load(Ordering::Acquire));
    drop(release);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| connector.destroy().expect("the end"));
        }
    });
    assert!(gone.load(Ordering::Acquire), "the host is let go");
}

/// A file that cannot be read to its end, as on a network file system whose server is gone, holds up its own endpoint
/// and nobody else.
#[test]
fn a_file_that_hangs_does_not_hang_the_sessions() {
    let scratch = Scratch::new("hangs");
    let mut cloud = Cloud::start(&scratch, &[]);
    let ca_file = scratch.join("ca.pem");
    std::fs::copy(cloud.ca_file(), &ca_file).expect("a copy");
    let backup = Backup::connected(&cloud, &[("connect.timeout", "500")], ok);
    let tls = EndpointTls { ca_file: Some(ca_file.clone()), ..EndpointTls::default() };
    let other = details("other", "other", NOWHERE).with_tls(tls).expect("a choice");
    backup.connector.add_endpoint(other).expect("added");
    backup.host.event_of("other", EventKind::ConnectFailed, 0);
    std::fs::remove_file(&ca_file).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&ca_file).status().expect("mkfifo");
    assert!(made.success());
    backup.host.wait_until("a file that was not read", |seen| {
        let late =
            |told: &&crate::recorder::Told| told.event.reason.contains("could not be read within connect.timeout");
        seen.events.iter().find(late).map(drop)
    });
    assert_eq!(cloud.ask("GET", "/meanwhile", "")["statusCode"], 200);
    backup.connector.destroy().expect("the end");
    // Whoever still reads comes to an end.
    drop(std::fs::OpenOptions::new().read(true).write(true).open(&ca_file).expect("the other side"));
}

/// Administrators in each other's way, sessions that the cloud application closes meanwhile, and at the end three
/// witnesses that agree: the list, the supervisor's part of it, and the database after a restart.
#[test]
fn administrators_in_each_others_way_leave_one_truth() {
    let scratch = Scratch::new("stress");
    let mut cloud = Cloud::start(&scratch, &[]);
    let path = scratch.join("endpoints.db");
    let path = path.to_str().expect("UTF-8");
    // Sessions that are closed so often would wait for a minute in the end.
    let settings = [("endpoint.store.path", path), ("log.level", "off"), ("connectionInfo.period", "1")];
    let given: serde_json::Value =
        serde_json::from_slice(&std::fs::read(cloud.endpoint_file()).expect("a file")).expect("JSON");
    let backup = Backup::new(Some(&cloud.ca_file()), &settings, ok);
    let connector = &backup.connector;
    connector.start().expect("it starts");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..8_u64 {
            let (over, given) = (&over, &given);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(worker);
                while !over.load(Ordering::Relaxed) {
                    let name = format!("e{}", random.u32(0..4));
                    let mut one = given.clone();
                    one["hostName"] = json!(name);
                    one["groupId"] = json!(format!("g{}", random.u32(0..2)));
                    one["priority"] = json!(random.u32(0..3));
                    let token = Secret::new(given["token"].as_str().expect("a token").to_owned());
                    let result = match random.u32(0..13) {
                        0..=2 => connector.add_endpoints_json(one.to_string()),
                        3 => connector.remove_endpoint(&name),
                        4 | 5 => connector.set_endpoint_active(&name, random.bool()),
                        6 => connector.set_endpoint_token(&name, token),
                        7 => connector.set_endpoint_priority(&name, random.i32(0..9)),
                        8 => connector.set_endpoint_tls(&name, EndpointTls::default()),
                        9 => connector.reconnect(&name),
                        10 => connector.endpoints().and(connector.endpoint(&name)).map(drop),
                        11 => connector.health().map(|health| {
                            assert!(health.groups_connected <= health.groups && health.groups <= 2, "{health:?}");
                        }),
                        _ => connector.diagnose(&name, random.bool()).map(drop),
                    };
                    let fine = matches!(result, Ok(()) | Err(Error::NotFound { .. } | Error::DuplicateEndpoint(_)));
                    assert!(fine, "{result:?}");
                    let _ = connector.notify_job(&job(1));
                }
            });
        }
        for _ in 0..40 {
            thread::sleep(Duration::from_millis(100));
            cloud.type_line("close 1012");
        }
        over.store(true, Ordering::Relaxed);
    });
    let list = || connector.endpoints().expect("a list");
    let rows = |all: Vec<nbwss::EndpointInfo>| -> Vec<_> {
        let row = |info: nbwss::EndpointInfo| {
            let details = info.details;
            (details.host_name, details.group_id, details.priority, info.active, details.token.expose().to_owned())
        };
        all.into_iter().map(row).collect()
    };
    let before = rows(list());
    assert!(list().iter().all(|info| info.since.is_some()), "the supervisor knows each");
    let active: std::collections::BTreeSet<_> = before.iter().filter(|row| row.3).map(|row| &row.1).collect();
    backup.host.wait_until("a session for each group", |_| {
        let health = connector.health().expect("health");
        (health.groups == active.len() && health.groups_connected == health.groups).then_some(())
    });
    assert_eq!(connector.stats().expect("stats").sessions, active.len());
    backup.stop();
    assert!(list().iter().all(|info| info.state == ConnectionState::Disconnected && info.next_attempt_in.is_none()));
    backup.connector.destroy().expect("the end");
    let again = Backup::new(Some(&cloud.ca_file()), &settings, ok);
    assert_eq!(rows(again.connector.endpoints().expect("a list")), before);
}

/// A thousand endpoints, in a group each or all in one, are not more than a list that a person scrolls through.
#[test]
fn a_thousand_endpoints_are_no_trouble() {
    for one_group in [false, true] {
        let backup = Backup::new(None, &[("log.level", "off"), ("connect.backoffBase", "3600000")], ok);
        let connector = &backup.connector;
        connector.start().expect("it starts");
        let endpoint = |n: usize| {
            let group = if one_group { 0 } else { n };
            format!(r#"{{"hostName":"h{n}","groupId":"{group}","url":"{NOWHERE}","priority":1,"token":"t"}}"#)
        };
        let timed = |what: &str, work: &mut dyn FnMut()| {
            let began = Instant::now();
            work();
            let took = began.elapsed();
            println!("one group: {one_group}, {what}: {took:?}");
            assert!(took < Duration::from_secs(1), "{what} took {took:?}");
        };
        for half in [0..500, 500..1000] {
            let array = format!("[{}]", half.map(endpoint).collect::<Vec<_>>().join(","));
            assert!(array.len() <= nbwss::endpoint::MAX_JSON_BYTES);
            timed("add 500", &mut || connector.add_endpoints_json(&array).expect("added"));
        }
        timed("list", &mut || assert_eq!(connector.endpoints().expect("a list").len(), 1000));
        timed("health", &mut || assert_eq!(connector.health().expect("health").endpoints, 1000));
        timed("stop", &mut || connector.stop().expect("it stops"));
        timed("remove 1000", &mut || {
            for n in 0..1000 {
                connector.remove_endpoint(&format!("h{n}")).expect("it is there");
            }
        });
    }
}
