//! The C host in `examples/host` and the demonstration: compiled as a host programmer would, run, and held to
//! what they promise.

mod support;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::{Cloud, Finished, Program, Scratch, cloud_app, compile_c, library_dir, root};

fn compile_host(scratch: &Scratch) -> PathBuf {
    let dir = std::fs::read_dir(root().join("examples/host")).expect("the host's sources");
    let files = dir.map(|entry| entry.expect("a source").path());
    let sources: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "c")).collect();
    compile_c(scratch, "host", &sources)
}

fn start(mut command: Command, cloud: &Cloud) -> Program {
    Program::start("host", command.arg(cloud.endpoint_file()).arg(cloud.ca_file()))
}

/// It ended well, every line bears its mark, and no secret is in any.
fn check_end(end: &Finished, cloud: &Cloud) {
    assert!(end.status.success() && end.stderr.is_empty(), "{}\n{}{}", end.status, end.stdout, end.stderr);
    let unmarked = end.stdout.lines().find(|line| !line.starts_with("host  │ "));
    assert_eq!(unmarked, None);
    let details = std::fs::read_to_string(cloud.endpoint_file()).expect("the endpoint file");
    let details: Value = serde_json::from_str(&details).expect("JSON");
    let token = details["token"].as_str().expect("a token");
    assert!(!end.stdout.contains(token) && !end.stdout.contains("Bearer"), "{}", end.stdout);
}

fn status(cloud: &mut Cloud, method: &str, uri: &str, body: &str) -> u64 {
    cloud.ask(method, uri, body)["statusCode"].as_u64().expect("a status code")
}

/// Every kind of call, good and bad, then a backup, then the end that the cloud application asks for.
fn serve_and_notify(command: Command, cloud: &mut Cloud) {
    const VM_SERVERS: &str = "/netbackup/config/servers/vmservers";
    const ONE: &str = "/netbackup/config/servers/vmservers/VCenter1.example.com";
    const JOBS: &str = "/netbackup/admin/jobs";
    let server = r#"{"serverName":"vcenter1.example.com","vmType":"VMWARE_VIRTUAL_CENTER_SERVER"}"#;
    let host = start(command, cloud);
    cloud.type_line("await-session");
    assert_eq!(status(cloud, "GET", VM_SERVERS, ""), 401);
    for (password, wanted) in [("wrong", 401), ("demo", 201)] {
        let line = format!("login cloudapp {password}");
        let answer = cloud.type_and_await(&line, "/netbackup/login");
        assert_eq!(answer["statusCode"], wanted, "{answer}");
    }
    assert_eq!(status(cloud, "GET", VM_SERVERS, ""), 200);
    assert_eq!(status(cloud, "POST", VM_SERVERS, server), 201);
    assert_eq!(status(cloud, "POST", VM_SERVERS, server), 409);
    assert_eq!(status(cloud, "POST", VM_SERVERS, "[]"), 400);
    assert_eq!(status(cloud, "POST", VM_SERVERS, r#"{"serverName":"a\u0007","vmType":"b"}"#), 400);
    assert_eq!(status(cloud, "GET", ONE, ""), 200);
    assert_eq!(status(cloud, "DELETE", ONE, ""), 204);
    assert_eq!(status(cloud, "DELETE", ONE, ""), 404);
    assert_eq!(status(cloud, "PATCH", VM_SERVERS, "{}"), 405);
    assert_eq!(status(cloud, "GET", "/netbackup/nowhere", ""), 404);
    assert_eq!(status(cloud, "GET", "/netbackup/admin/secrets/keys", ""), 403);
    assert_eq!(status(cloud, "GET", "/netbackup/admin/slow", ""), 504);
    cloud.await_job(144, "DONE");
    assert_eq!(status(cloud, "POST", JOBS, r#"{"policyName":"p","clientName":"c.example.com"}"#), 202);
    for state in ["QUEUED", "ACTIVE", "DONE"] {
        cloud.await_job(146, state);
        cloud.await_job(147, state);
    }
    let images = cloud.ask("GET", "/netbackup/catalog/images", "");
    let images = images["body"].as_str().expect("a body");
    assert!(images.contains("client.example.com_") && images.contains("c.example.com_"), "{images}");
    assert_eq!(status(cloud, "DELETE", "/netbackup/host", ""), 202);
    let end = host.finish();
    check_end(&end, cloud);
    assert!(
        end.stdout.contains("14 notified, 0 refused, 14 reported delivered, 0 reported abandoned"),
        "{}",
        end.stdout
    );
}

#[test]
fn the_host_serves_and_notifies() {
    let scratch = Scratch::new("host");
    let host = compile_host(&scratch);
    let mut cloud = Cloud::start(&scratch, &[]);
    serve_and_notify(Command::new(host), &mut cloud);
    cloud.finish();
}

#[test]
fn the_host_is_clean_under_valgrind() {
    let scratch = Scratch::new("host");
    let host = compile_host(&scratch);
    let mut cloud = Cloud::start(&scratch, &[]);
    serve_and_notify(support::valgrind(&host), &mut cloud);
    cloud.finish();
}

#[test]
fn the_host_ends_on_sigterm_with_all_delivered() {
    let scratch = Scratch::new("host");
    let host = compile_host(&scratch);
    let cloud = Cloud::start(&scratch, &[]);
    let host = start(Command::new(host), &cloud);
    cloud.await_job(144, "QUEUED");
    let killed = Command::new("kill").args(["-TERM", &host.id().to_string()]).status();
    assert!(killed.expect("kill can be run").success());
    check_end(&host.finish(), &cloud);
    cloud.await_job(144, "DONE");
    cloud.finish();
}

#[test]
fn the_host_says_what_is_wrong_with_its_files() {
    let scratch = Scratch::new("host");
    let mut host = Command::new(compile_host(&scratch));
    let end = Program::start("host", host.args(["/nonexistent/endpoint.json", "/nonexistent/ca.pem"])).finish();
    assert_eq!(end.status.code(), Some(1));
    assert!(end.stdout.contains("/nonexistent/ca.pem"), "{}", end.stdout);
}

#[test]
fn the_demonstration_succeeds() {
    let scratch = Scratch::new("demo");
    let mut demo = Command::new(root().join("examples/demo.sh"));
    let outage = support::compile_c(&scratch, "outage", &[root().join("examples/outage/outage.c")]);
    demo.arg(library_dir(&scratch)).arg(cloud_app()).arg(compile_host(&scratch)).arg(outage);
    let end = Program::start("demo.sh", &mut demo).finish();
    assert!(end.status.success() && end.stderr.is_empty(), "{}\n{}{}", end.status, end.stdout, end.stderr);
    for chapter in 1..=10 {
        assert!(end.stdout.contains(&format!("━━ {chapter}. ")), "chapter {chapter}:\n{}", end.stdout);
    }
    assert!(end.stdout.contains("all delivered"), "{}", end.stdout);
    assert!(end.stdout.contains(" arrived, 0 lost"), "{}", end.stdout);
    // What is to be seen in the chapters on calls: how often a line is there.
    for (line, times) in [
        ("host  │ audit     refused GET /netbackup/admin/secrets/keys → 403", 2),
        ("host  │ audit     malformed call → 400", 1),
        ("host  │ request   GET    /netbackup/admin/secrets", 0),
        ("host  │ request   GET    /netbackup/admin/slow → too late, nobody waits any more", 1),
        ("host  │ audit     allowed GET /netbackup/admin/slow → 504", 1),
        // Two backups are asked for, one of them twice.
        ("host  │ request   POST   /netbackup/admin/jobs → 202", 2),
        ("host  │ audit     allowed POST /netbackup/admin/jobs → 202", 2),
        ("host  │ audit     repeated POST /netbackup/admin/jobs", 1),
    ] {
        assert_eq!(end.stdout.matches(line).count(), times, "{line}\n{}", end.stdout);
    }
}
