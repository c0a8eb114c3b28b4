//! The main path against a second endpoint that shares nothing with this project but the protocol: Python's
//! `websockets` (tests/peer/endpoint.py), which checks every message strictly and says so in its exit code.

#[path = "../examples/cloud_app/certs.rs"]
mod certs;
#[path = "support/recorder.rs"]
mod recorder;
mod support;

use std::process::Command;

use certs::Certificates;
use nbwss::EventKind;
use nbwss::protocol::notification::Image;
use recorder::{Backup, job, respond};
use serde_json::json;
use support::{Cloud, Scratch, root};

const PYTHON: &str = "/usr/bin/python3";

fn start_peer(scratch: &Scratch) -> Cloud {
    let there = Command::new(PYTHON).args(["-c", "import websockets"]).output();
    let there = there.is_ok_and(|output| output.status.success());
    assert!(there, "python3-websockets is missing: `make deps` installs it");
    let certificates = Certificates::generate(&[]).expect("certificates");
    let save = |name: &str, text: &str| {
        let path = scratch.join(name);
        std::fs::write(&path, text).expect("a file in the scratch directory");
        path
    };
    save("ca.pem", &certificates.ca_pem);
    let mut command = Command::new(PYTHON);
    command
        .arg(root().join("tests/peer/endpoint.py"))
        .arg("--cert")
        .arg(save("server.pem", &certificates.chain_pem))
        .arg("--key")
        .arg(save("server.key", &certificates.key_pem))
        .arg("--dir")
        .arg(scratch.path());
    Cloud::launch(command, scratch.path().to_owned())
}

/// Session, calls, notifications, a close by the endpoint with the session back after it, and the orderly end: another
/// implementation of the protocol finds nothing wrong with any of it.
#[test]
fn another_implementation_finds_nothing_wrong() {
    let scratch = Scratch::new("independent");
    let mut cloud = start_peer(&scratch);
    let settings = [("keepAlive.scheduledRate", "1"), ("notification.batchCount", "4")];
    let backup = Backup::connected(&cloud, &settings, |request| {
        let echo = json!({ "method": request.method(), "uri": request.uri(), "body": request.body() });
        let body = if request.uri() == "/binary" { vec![0xff, 0xfe] } else { echo.to_string().into_bytes() };
        let status = if request.method() == "POST" { 201 } else { 200 };
        respond(&request, status, &[("Content-Type", "application/json")], Some(body));
    });
    assert_eq!(cloud.wait_for("connect", 1)["valid"], true);

    let read = cloud.type_and_await("GET /netbackup/jobs?page=1", "/netbackup/jobs?page=1");
    assert_eq!((&read["statusCode"], &read["headers"]), (&json!(200), &json!({ "content-type": "application/json" })));
    let made = cloud.type_and_await(r#"POST /netbackup/x {"a":"\"ä\""}"#, "/netbackup/x");
    assert_eq!(made["statusCode"], 201);
    let echo: serde_json::Value = serde_json::from_str(made["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(echo, json!({ "method": "POST", "uri": "/netbackup/x", "body": r#"{"a":"\"ä\""}"# }));
    let binary = cloud.type_and_await("GET /binary", "/binary");
    assert_eq!(binary["body"], "//4=");

    for id in 1..=9 {
        backup.connector.notify_job(&job(id)).expect("accepted");
    }
    let image = Image {
        client_name: "client1.example.com",
        operation_id: "CREATE",
        backup_id: "client1.example.com_1459829674",
        backup_time: 1_459_829_674,
        created_time: 1_459_829_700,
        ..Image::default()
    };
    backup.connector.notify_image(&image).expect("accepted");
    backup.all_delivered(10);

    cloud.type_line("close 1012");
    let end = backup.host.event(EventKind::Disconnected, 1).event;
    assert!(end.reason.contains("1012"), "{end:?}");
    backup.host.event(EventKind::Established, 2);
    cloud.wait_for("connect", 2);
    assert_eq!(cloud.type_and_await("GET /back", "/back")["connection"], 2);
    backup.connector.notify_job(&job(11)).expect("accepted");
    backup.all_delivered(11);

    backup.stop();
    let closed = cloud.wait_for("closed", 2);
    assert_eq!((&closed["code"], &closed["by"]), (&json!(1000), &json!("connector")), "{closed}");
    cloud.finish();
}
