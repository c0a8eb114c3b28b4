//! What goes well, from the first connection to the orderly end.

use nbwss::connector::ConnectionState;
use nbwss::outbox::Outcome;
use nbwss::protocol::notification::Image;
use nbwss::{EventKind, Request};
use serde_json::json;

use crate::jobs;
use crate::recorder::{Backup, job, ok, respond};
use crate::support::{Cloud, Scratch};

const VM_SERVERS: &str = "/netbackup/config/servers/vmservers";
const BINARY: [u8; 4] = [0xff, 0x00, 0x01, 0x80];

fn answer(request: Request) {
    let json = ("Content-Type", "application/json");
    match (request.method(), request.uri()) {
        ("POST", "/netbackup/login") => respond(&request, 201, &[json], Some(br#"{"token":"JWT"}"#.to_vec())),
        ("POST", VM_SERVERS) => {
            respond(&request, 201, &[json, ("X-Trace-ID", "Seven")], Some(b"{\"a\":\"\xc3\xa4\"}".into()))
        }
        ("DELETE", _) => respond(&request, 204, &[], None),
        ("GET", "/binary") => respond(&request, 200, &[], Some(BINARY.to_vec())),
        _ => ok(request),
    }
}

/// A cloud application's calls reach the host and the host's answers reach the cloud application as they were given.
#[test]
fn calls_are_answered_with_status_headers_and_body() {
    let scratch = Scratch::new("calls");
    let mut cloud = Cloud::start(&scratch, &["--group", "eu", "--host-name", "cloud.eu.example.com"]);
    let backup = Backup::connected(&cloud, &[], answer);
    assert_eq!(cloud.wait_for("connect", 1)["valid"], true);
    let endpoints = backup.connector.endpoints().expect("a list");
    assert_eq!(endpoints.len(), 1);
    assert_eq!(endpoints[0].state, ConnectionState::Connected);

    let body = r#"{"serverName":"vcenter1","password":"a \"quoted\" one"}"#;
    let created = cloud.ask("POST", VM_SERVERS, body);
    assert_eq!(created["statusCode"], 201);
    assert_eq!(created["headers"], json!({ "content-type": "application/json", "x-trace-id": "Seven" }));
    assert_eq!(created["body"], "{\"a\":\"ä\"}");
    let call = backup.host.call(1);
    assert_eq!((call.method.as_str(), call.uri.as_str()), ("POST", VM_SERVERS));
    assert_eq!(call.body.as_deref(), Some(body));
    assert_eq!((call.host_name.as_str(), call.group_id.as_str()), ("cloud.eu.example.com", "eu"));
    let media_type = "application/vnd.netbackup+json;version=1.0";
    assert_eq!(call.headers, [("Content-Type".to_owned(), media_type.to_owned())]);

    let binary = cloud.ask("GET", "/binary", "");
    assert_eq!((&binary["body"], &binary["bytes"]), (&json!("/wABgA=="), &json!(BINARY.len())));
    assert_eq!(binary["headers"], json!({ "content-transfer-encoding": "base64" }));
    assert_eq!(backup.host.call(2).body, None);

    let gone = cloud.ask("DELETE", &format!("{VM_SERVERS}/vcenter1"), "");
    assert_eq!((&gone["statusCode"], &gone["body"], &gone["headers"]), (&json!(204), &json!(null), &json!({})));

    // A login is a call like any other, and its token comes back to the host untouched.
    assert_eq!(cloud.type_and_await("login cloudapp demo", "/netbackup/login")["statusCode"], 201);
    assert_eq!(cloud.ask("GET", "/after", "")["statusCode"], 200);
    let authorized = backup.host.call(5).headers;
    assert!(authorized.contains(&("Authorization".to_owned(), "JWT".to_owned())), "{authorized:?}");
    backup.stop();
    cloud.finish();
}

/// Notifications arrive in order and as given, each has one delivery report in order, and the end is a close frame
/// with code 1000.
#[test]
fn notifications_are_acknowledged_and_reported_and_the_stop_is_orderly() {
    let scratch = Scratch::new("notifications");
    let mut cloud = Cloud::start(&scratch, &[]);
    let backup = Backup::connected(&cloud, &[], ok);
    for number in 1..=20 {
        assert_eq!(backup.connector.notify_job(&job(100 + number)).expect("accepted"), number.unsigned_abs());
    }
    let image = Image {
        client_type: "VMWARE",
        client_name: "client \"ä\"",
        backup_time: 1_458_601_200,
        created_time: 1_459_832_492,
        operation_id: "CREATE",
        backup_id: "client_1458601200",
    };
    assert_eq!(backup.connector.notify_image(&image).expect("accepted"), 21);
    let element = r#"{"notificationType":"INFO","object":"JOB","data":[{"jobId":500},{"jobId":501}]}"#;
    assert_eq!(backup.connector.notify_json(element).expect("accepted"), 22);
    backup.all_delivered(22);
    let deliveries = backup.host.deliveries(22);
    assert!(deliveries.iter().all(|delivery| delivery.outcome == Outcome::Delivered && &*delivery.group_id == "cloud"));

    let notifications = crate::named(&mut cloud, "notification");
    let order: Vec<i64> = notifications.iter().flat_map(jobs).collect();
    let expected: Vec<i64> = (101..=120).chain([500, 501]).collect();
    assert_eq!(order, expected);
    let elements = notifications.iter().flat_map(|event| event["payload"].as_array().expect("an array"));
    let images: Vec<_> = elements.filter(|element| element["object"] == "IMAGE").collect();
    let data = json!({
        "clientType": "VMWARE", "clientName": "client \"ä\"", "backupTime": 1_458_601_200,
        "createdTime": 1_459_832_492, "operationId": "CREATE", "backupId": "client_1458601200",
    });
    assert_eq!(images, [&json!({ "notificationType": "INFO", "object": "IMAGE", "data": [data] })]);

    backup.stop();
    let closed = cloud.wait_for("closed", 1);
    assert_eq!((&closed["code"], &closed["by"]), (&json!(1000), &json!("connector")), "{closed}");
    assert_eq!(backup.host.event(EventKind::Disconnected, 1).event.reason, "stopped");
    let kinds: Vec<EventKind> = backup.host.look(|seen| seen.events.iter().map(|told| told.event.kind).collect());
    assert_eq!(kinds, [EventKind::Connecting, EventKind::Established, EventKind::Disconnected]);
    backup.connector.destroy().expect("the end");
    assert_eq!(backup.host.look(|seen| seen.deliveries.len()), 22);
    cloud.finish();
}

/// What is not acknowledged when the connector goes is reported as such, once, and its running calls get 503.
#[test]
fn destroy_reports_what_is_left_and_answers_what_runs() {
    let scratch = Scratch::new("destroy");
    let mut cloud = Cloud::start(&scratch, &["--no-acks"]);
    let (kept, held) = std::sync::mpsc::channel();
    let backup = Backup::connected(&cloud, &[], move |request| kept.send(request).expect("the test waits"));
    cloud.type_line("send GET /held");
    let request = held.recv_timeout(crate::support::DEADLINE).expect("a request");
    for id in 1..=3 {
        backup.connector.notify_job(&job(id)).expect("accepted");
    }
    cloud.wait_until("job 3", |events| events.iter().flat_map(jobs).find(|id| *id == 3));
    backup.connector.destroy().expect("the end");
    let deliveries = backup.host.look(|seen| seen.deliveries.clone());
    assert_eq!(crate::recorder::sequences(&deliveries, Outcome::Shutdown), [1, 2, 3]);
    assert_eq!(deliveries.len(), 3);
    assert!(matches!(request.fail(500, "too late"), Err(nbwss::Error::Expired)));
    let answer = cloud.wait_for("response", 1);
    assert_eq!((&answer["uri"], &answer["statusCode"]), (&json!("/held"), &json!(503)));
    assert_eq!(cloud.wait_for("closed", 1)["code"], 1000);
    assert!(matches!(backup.connector.notify_job(&job(4)), Err(nbwss::Error::IllegalState(_))));
    cloud.finish();
}
