//! No token and no `Authorization` value in anything that a host may print.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use nbwss::endpoint::{self, EndpointTls, StoreKey};
use nbwss::protocol::Response;
use nbwss::{EventKind, Secret, Settings};
use serde_json::json;

use crate::recorder::{Backup, Seen, job, ok, respond};
use crate::support::{Cloud, Scratch};

const ENDPOINT_TOKEN: &str = "CANARY-of-the-endpoint";
const JWT: &str = "CANARY-of-the-login";
const MARK: &str = "CANARY";

fn check(what: &str, text: &str) {
    assert!(!text.contains(MARK), "{what}: {text}");
}

fn check_error<T, E: Debug + std::error::Error>(what: &str, result: Result<T, E>) {
    let Err(error) = result else { panic!("{what} should be refused") };
    check(what, &format!("{error} {error:?}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        check(what, &format!("{error} {error:?}"));
        cause = error.source();
    }
}

fn check_seen(seen: &Seen) {
    for line in &seen.log {
        check("a log line", &format!("{line:?}"));
    }
    for told in &seen.events {
        check("an event", &format!("{told:?}"));
    }
}

/// A refused token is in no log line, event or list.
#[test]
fn a_refused_token_is_never_told() {
    let scratch = Scratch::new("secrets");
    let cloud = Cloud::start(&scratch, &["--token", ENDPOINT_TOKEN, "--reject-token"]);
    let backup = Backup::beside(&cloud, &[], ok);
    backup.connector.start().expect("it starts");
    backup.host.event(EventKind::Rejected, 1);
    backup.host.logged("refused: the endpoint refused the token");
    check("the list", &format!("{:?}", backup.connector.endpoints()));
    backup.stop();
    backup.connector.destroy().expect("the end");
    backup.host.logged("connector closed");
    backup.host.look(check_seen);
    cloud.finish();
}

/// Neither the endpoint's token nor a call's `Authorization` is told in a session in which everything goes wrong once.
#[test]
fn an_eventful_session_tells_no_secret() {
    let scratch = Scratch::new("secrets");
    let mut cloud = Cloud::start(&scratch, &["--token", ENDPOINT_TOKEN]);
    let settings = [("exception.ignoreDecoder", "true"), ("dispatch.timeout", "200"), ("message.maxBytes", "4096")];
    let backup = Backup::connected(&cloud, &settings, |request| match request.uri() {
        "/netbackup/login" => {
            let body = json!({ "token": JWT }).to_string().into_bytes();
            respond(&request, 201, &[("Set-Cookie", JWT)], Some(body));
        }
        "/breaks" => std::panic::resume_unwind(Box::new("the host broke")),
        "/late" => std::thread::sleep(std::time::Duration::from_millis(400)),
        _ => ok(request),
    });
    cloud.type_and_await("login cloudapp demo", "/netbackup/login");
    for (uri, status) in [("/fine", 200), ("/breaks", 500), ("/late", 504)] {
        assert_eq!(cloud.ask("GET", uri, "")["statusCode"], status);
    }
    let authorized = backup.host.look(|seen| {
        let call = seen.calls.iter().find(|call| call.uri == "/fine").cloned();
        call.expect("a call").headers.iter().any(|(name, value)| name == "Authorization" && value == JWT)
    });
    assert!(authorized, "there was nothing to hide");
    let unusable = json!({
        "version": "1.0", "id": "1", "type": "COMMAND", "subType": "REQUEST", "timeStamp": 1,
        "payload": { "uri": format!("/{MARK} "), "method": "GET", "headers": { "Authorization": format!("{JWT}\n") } },
    });
    let uri = format!("/{MARK} ");
    assert_eq!(cloud.type_and_await(&format!("raw {unusable}"), &uri)["statusCode"], 400);
    for garbage in [format!(r#"{{"token":"{ENDPOINT_TOKEN}""#), format!(r#"{{"version":"{JWT}"}}"#), JWT.to_owned()] {
        cloud.type_line(&format!("garbage {garbage}"));
    }
    backup.host.wait_until("three ignored messages", |seen| {
        (seen.log.iter().filter(|line| line.text.starts_with("message ignored")).count() == 3).then_some(())
    });
    backup.connector.notify_job(&job(1)).expect("accepted");
    backup.all_delivered(1);
    cloud.type_line(&format!("garbage {}", JWT.repeat(400)));
    backup.host.event(EventKind::Disconnected, 1);
    backup.host.event(EventKind::Established, 2);

    let connector = &backup.connector;
    check("the list", &format!("{:?}", connector.endpoints()));
    check_error("an endpoint twice", connector.add_endpoints_file(&cloud.endpoint_file()));
    check_error("a missing endpoint", connector.remove_endpoint("nobody.example.com"));
    for token in [json!(format!("{JWT}\n")), json!([JWT]), json!({ JWT: JWT }), json!(JWT.repeat(1000))] {
        let details =
            json!({ "token": token, "priority": 1, "groupId": "g", "hostName": "h", "url": "wss://h/" }).to_string();
        check_error("a bad token", connector.add_endpoints_json(&details));
        check_error("cut short", connector.add_endpoints_json(&details[..details.len() - 1]));
    }
    let url = format!("wss://user:{JWT}@h/");
    let details = json!({ "token": JWT, "priority": 1, "groupId": "g", "hostName": "h", "url": url }).to_string();
    check_error("a password in the URL", connector.add_endpoints_json(&details));
    let good = json!({ "token": JWT, "priority": 1, "groupId": "g", "hostName": "h", "url": "wss://h/" }).to_string();
    check("details", &format!("{:?}", endpoint::parse(good.as_bytes()).expect("good endpoint details")));
    let forged = vec![("Authorization".to_owned(), format!("{JWT}\r\n"))];
    check_error("a forged header", Response::new(200, forged, None));

    backup.stop();
    backup.connector.destroy().expect("the end");
    backup.host.logged("connector closed");
    backup.host.look(|seen| {
        check_seen(seen);
        assert!(seen.log.len() >= 8, "{:#?}", seen.log);
    });
    cloud.finish();
}

/// Whatever an administrator does, and however it fails.
#[test]
fn administration_tells_no_secret() {
    let scratch = Scratch::new("secrets");
    let cloud = Cloud::start(&scratch, &["--token", ENDPOINT_TOKEN]);
    let mut settings = Settings::default();
    settings.set("proxy.password", JWT).expect("a good value");
    check("settings", &format!("{settings:?}"));

    let proxy = [("proxy.url", "http://127.0.0.1:1"), ("proxy.user", "u"), ("proxy.password", JWT)];
    for settings in [&[][..], &proxy[..]] {
        let backup = Backup::beside(&cloud, settings, ok);
        let connector = &backup.connector;
        for connect in [false, true] {
            let seen = connector.diagnose("cloud.example.com", connect).expect("an inspection");
            check("a diagnosis", &format!("{seen} {seen:?}"));
        }
        let url = format!("wss://127.0.0.1:1/nbwss?ticket={JWT}");
        let seen = connector.validate(&url, EndpointTls::default()).expect("an inspection");
        check("a validation", &format!("{seen} {seen:?}"));
        for url in [
            format!("https://127.0.0.1:1/details?ticket={JWT}"),
            format!("https://user:{JWT}@127.0.0.1:1/details"),
            format!("https://user:a/{JWT}@127.0.0.1:1/details"),
            format!("https://user:a?{JWT}@127.0.0.1:1/details"),
            format!("http://127.0.0.1:1/details?ticket={JWT}"),
            format!("{JWT}@127.0.0.1"),
        ] {
            check_error("details from nowhere", connector.fetch_endpoints(&url));
            check_error("endpoints from nowhere", connector.add_endpoints_url(&url));
        }
        for token in [format!("{JWT}\n"), JWT.repeat(1000)] {
            let token = Secret::new(token);
            check_error("a bad token", connector.set_endpoint_token("cloud.example.com", token));
        }
        let token = || Secret::new(JWT.into());
        check_error("a token for nobody", connector.set_endpoint_token("nobody.example.com", token()));
        connector.set_endpoint_token("cloud.example.com", token()).expect("it is there");
        connector.start().expect("it starts");
        let failed = if settings.is_empty() { EventKind::Rejected } else { EventKind::ConnectFailed };
        backup.host.event(failed, 1);
        backup.host.wait_until("a last error", |_| connector.endpoint("cloud.example.com").ok()?.last_error);
        check("the list", &format!("{:?} {:?}", connector.endpoints(), connector.health()));
        connector.destroy().expect("the end");
        backup.host.look(check_seen);
    }

    let key = StoreKey::new(format!("{MARK:-<32}").as_bytes()).expect("a key");
    check("a key", &format!("{key:?}"));
    check_error("a short key", StoreKey::new(MARK.as_bytes()));
}

/// A database that cannot be used is told of without what is in it.
#[test]
fn a_database_tells_no_secret() {
    let scratch = Scratch::new("secrets");
    let path = scratch.join("endpoints.db");
    let settings = [("endpoint.store.path", path.to_str().expect("UTF-8"))];
    let details =
        json!({ "token": JWT, "priority": 1, "groupId": "g", "hostName": "h", "url": "wss://h/" }).to_string();
    let backup = Backup::new(None, &settings, ok);
    backup.connector.add_endpoints_json(&details).expect("added");
    check_error("a database in use", open(&path));
    check_error("an endpoint twice", backup.connector.add_endpoints_json(&details));
    backup.connector.destroy().expect("the end");
    let bytes = std::fs::read(&path).expect("the database");
    let at =
        bytes.windows(JWT.len()).position(|part| part == JWT.as_bytes()).expect("in the clear, as there is no key");
    let mut damaged = bytes.clone();
    damaged[at] ^= 0x80;
    std::fs::write(&path, damaged).expect("written");
    check_error("a damaged database", open(&path));
}

fn open(path: &Path) -> Result<(), nbwss::Error> {
    struct Deaf;
    impl nbwss::Host for Deaf {
        fn on_request(&self, _request: nbwss::Request) {}
    }
    let mut settings = Settings::default();
    settings.set("endpoint.store.path", path.to_str().expect("UTF-8")).expect("a good value");
    nbwss::Connector::new(settings, Arc::new(Deaf)).map(drop)
}
