//! A host with a REST server of its own and no callback: the calls of a cloud application reach that server.
//! (The forwarder's rules are tested in its module, against nginx and odd servers.)

#[path = "support/recorder.rs"]
mod recorder;
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use recorder::Backup;
use support::{Cloud, Scratch};

/// Python's own web server over a directory; ended when dropped.
struct WebServer(Child, String);

impl WebServer {
    fn start(scratch: &Scratch) -> WebServer {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .args([scratch.path().to_str().expect("UTF-8"), "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's python3 (make deps installs it)");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let port = line.split_whitespace().skip_while(|word| *word != "port").nth(1).expect("a port").to_owned();
        WebServer(child, port)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_call_reaches_the_hosts_own_server_and_the_policy_still_comes_first() {
    let scratch = Scratch::new("forwarder");
    let files = Scratch::new("files");
    fs::write(files.join("jobs.json"), "{\"data\":[]}").unwrap();
    let server = WebServer::start(&files);
    let mut cloud = Cloud::start(&scratch, &[]);
    let url = format!("http://127.0.0.1:{}", server.1);
    let settings = [("dispatch.forward.url", url.as_str()), ("dispatch.policy", "allow GET,POST /**; deny * /**")];
    let backup = Backup::new(Some(&cloud.ca_file()), &settings, |_| panic!("the callback is not called"));
    backup.connector.add_endpoints_file(&cloud.endpoint_file()).unwrap();
    backup.connector.start().unwrap();

    let found = cloud.ask("GET", "/jobs.json", "");
    assert_eq!((found["statusCode"].as_i64(), found["body"].as_str()), (Some(200), Some("{\"data\":[]}")));
    assert_eq!(found["headers"]["content-type"], "application/json");
    assert_eq!(cloud.ask("GET", "/missing", "")["statusCode"], 404);
    assert_eq!(cloud.ask("POST", "/jobs.json", "{}")["statusCode"], 501, "Python's server takes no POST");
    assert_eq!(cloud.ask("DELETE", "/jobs.json", "")["statusCode"], 403, "the policy");
    drop(server);
    let failed = cloud.ask("GET", "/jobs.json", "");
    assert_eq!(failed["statusCode"], 502);
    let body = failed["body"].as_str().expect("a body");
    assert!(!body.contains("127.0.0.1"), "{body}: the server's address is not the peer's business");
    assert!(backup.host.logged("was not forwarded").text.contains("127.0.0.1"));
    backup.connector.destroy().unwrap();
    cloud.finish();
}

/// The server is slow, and has more time than the peer: its place is free again when the peer has its 504.
#[test]
fn a_forwarded_call_ends_with_its_deadline() {
    let scratch = Scratch::new("forwarder-late");
    let mut cloud = Cloud::start(&scratch, &[]);
    // Connections are made, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = [
        ("dispatch.forward.url", url.as_str()),
        ("dispatch.forward.timeout", "60000"),
        ("dispatch.forward.maxConnections", "1"),
        ("dispatch.timeout", "300"),
        ("dispatch.maxOutstanding", "1"),
    ];
    let backup = Backup::connected(&cloud, &settings, |_| panic!("the callback is not called"));
    for uri in ["/first", "/second", "/third"] {
        assert_eq!(cloud.ask("GET", uri, "")["statusCode"], 504);
    }
    let calls = backup.connector.stats().expect("numbers").calls;
    assert_eq!((calls.allowed, calls.expired, calls.late, calls.missing), (3, 3, 0, 0));
    backup.connector.destroy().unwrap();
    cloud.finish();
}
