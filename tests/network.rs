//! A network that fails: each test has one of its own (a namespace of its thread, and so of all that it starts), in
//! which packets are dropped, names lead nowhere and addresses change. Making one needs root; without it these tests
//! fail.

#[path = "support/recorder.rs"]
mod recorder;
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nbwss::endpoint::{EndpointTls, parse};
use nbwss::{Cause, EventKind};
use recorder::{Backup, job, ok};
use support::{Cloud, Scratch};

/// Runs a test in a network and with mounts of its own. They end with its last thread and process.
fn in_own_network(test: impl FnOnce() + Send + 'static) {
    let isolated = move || {
        // SAFETY: changes which namespaces this thread is in, and no memory.
        let made = unsafe { libc::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS) };
        let error = std::io::Error::last_os_error();
        assert!(made == 0, "no namespace for this test's network ({error}): run it as root");
        run("mount --make-rprivate /");
        run("ip link set lo up");
        test();
    };
    if let Err(panic) = std::thread::spawn(isolated).join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs a command, which must succeed, and returns what it said.
fn run(line: &str) -> String {
    let mut words = line.split(' ');
    let output = Command::new(words.next().expect("a program")).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{line}: {error} (`make deps` installs it)"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Puts this text in the place of a file of the system's, for this test.
fn replace(file: &str, text: &str, scratch: &Scratch) -> std::path::PathBuf {
    let own = scratch.join(Path::new(file).file_name().and_then(|name| name.to_str()).expect("a file name"));
    fs::write(&own, text).expect("a file in the scratch directory");
    run(&format!("mount --bind {} {file}", own.display()));
    own
}

fn port_of(cloud: &Cloud) -> String {
    let details = fs::read_to_string(cloud.endpoint_file()).expect("endpoint details");
    let details: serde_json::Value = serde_json::from_str(&details).expect("JSON");
    let url = details["url"].as_str().expect("a URL");
    url.trim_start_matches("wss://localhost:").split('/').next().expect("a port").to_owned()
}

/// A firewall that drops what would begin a connection: the deadline of the TCP phase ends each attempt, and the
/// session comes about when the firewall is gone.
#[test]
fn a_black_hole_is_given_up_at_the_deadline_with_its_phase() {
    in_own_network(|| {
        let scratch = Scratch::new("black-hole");
        let mut cloud = Cloud::start(&scratch, &[]);
        let port = port_of(&cloud);
        let rule = format!("INPUT -p tcp --dport {port} --syn -j DROP");
        run(&format!("iptables -A {rule}"));
        let backup = Backup::beside(&cloud, &[("connect.timeout", "400"), ("connectionInfo.period", "1")], ok);
        let start = Instant::now();
        backup.connector.start().expect("it starts");
        let failed = backup.host.event(EventKind::ConnectFailed, 1);
        let expected = format!("TCP connection to 127.0.0.1:{port} failed: no answer within connect.timeout");
        assert!(failed.event.reason.contains(&expected), "{:?}", failed.event);
        let took = failed.at - start;
        assert!((Duration::from_millis(400)..Duration::from_secs(2)).contains(&took), "given up after {took:?}");
        run(&format!("iptables -D {rule}"));
        backup.host.event(EventKind::Established, 1);
        assert_eq!(cloud.ask("GET", "/healed", "")["statusCode"], 200);
        backup.stop();
        cloud.finish();
    });
}

/// After the session was established nothing passes any more, either way, and nobody says so: the missing pongs do,
/// two of them at one a second. What was accepted meanwhile arrives when the network heals.
#[test]
fn a_half_open_connection_is_noticed_by_missing_pongs() {
    in_own_network(|| {
        let scratch = Scratch::new("half-open");
        let cloud = Cloud::start(&scratch, &[]);
        let settings = [
            ("keepAlive.scheduledRate", "1"),
            ("keepAlive.maxPongMissAllowed", "2"),
            ("connect.timeout", "400"),
            ("connectionInfo.period", "1"),
        ];
        let backup = Backup::connected(&cloud, &settings, ok);
        let port = port_of(&cloud);
        let cut = Instant::now();
        run(&format!("iptables -A INPUT -p tcp --dport {port} -j DROP"));
        run(&format!("iptables -A INPUT -p tcp --sport {port} -j DROP"));
        backup.connector.notify_job(&job(1)).expect("accepted");
        let end = backup.host.event(EventKind::Disconnected, 1);
        assert_eq!(end.event.reason, "too many pings without a pong");
        let took = end.at - cut;
        assert!((Duration::from_secs(1)..Duration::from_secs(6)).contains(&took), "noticed after {took:?}");
        backup.host.event(EventKind::ConnectFailed, 1);
        run("iptables -F INPUT");
        backup.host.event(EventKind::Established, 2);
        backup.all_delivered(1);
        backup.stop();
    });
}

/// A name server that never answers: the deadline of the name resolution ends the attempt, whatever the system's
/// resolver does, and shutting down does not wait for it.
#[test]
fn a_silent_name_server_is_given_up_at_the_deadline_with_its_phase() {
    in_own_network(|| {
        let scratch = Scratch::new("name-server");
        let cloud = Cloud::start(&scratch, &[]);
        replace("/etc/resolv.conf", "nameserver 127.0.0.9\noptions timeout:30\n", &scratch);
        run("iptables -A INPUT -d 127.0.0.9 -j DROP");
        let backup = Backup::new(Some(&cloud.ca_file()), &[("connect.timeout", "400")], ok);
        let details = fs::read_to_string(cloud.endpoint_file()).expect("endpoint details");
        let details = details.replace("//localhost", "//cloud.example.com");
        backup.connector.add_endpoints_json(&details).expect("good endpoint details");
        let start = Instant::now();
        backup.connector.start().expect("it starts");
        let failed = backup.host.event(EventKind::ConnectFailed, 1);
        assert_eq!(failed.event.reason, "name resolution took longer than connect.timeout");
        assert!(failed.at - start < Duration::from_secs(2), "given up after {:?}", failed.at - start);
        let stopping = Instant::now();
        backup.connector.destroy().expect("it ends");
        assert!(stopping.elapsed() < Duration::from_secs(2), "ended after {:?}", stopping.elapsed());
        cloud.finish();
    });
}

/// Names whose resolution hangs, for more groups than are likely to have such a name at the same time: another group is
/// not held up by them.
#[test]
fn forty_names_that_hang_do_not_hold_up_another() {
    in_own_network(|| {
        let scratch = Scratch::new("hanging-names");
        let mut cloud = Cloud::start(&scratch, &[]);
        replace("/etc/resolv.conf", "nameserver 127.0.0.9\noptions timeout:30\n", &scratch);
        run("iptables -A INPUT -d 127.0.0.9 -j DROP");
        let backup = Backup::new(Some(&cloud.ca_file()), &[("connect.timeout", "5000")], ok);
        backup.connector.start().expect("it starts");
        let names: Vec<String> = (0..40).map(|n| format!("h{n}.example.com")).collect();
        for name in &names {
            let details = format!(
                r#"{{"hostName":"{name}","groupId":"{name}","url":"wss://{name}/","priority":1,"token":"t0ken-t0ken"}}"#
            );
            backup.connector.add_endpoints_json(details).expect("good endpoint details");
            backup.host.event_of(name, EventKind::Connecting, 0);
        }
        backup.connector.add_endpoints_file(&cloud.endpoint_file()).expect("good endpoint details");
        let told = backup.host.wait_until("a session or a failure", |seen| {
            let ours = seen.events.iter().filter(|told| told.event.host_name == "cloud.example.com");
            ours.map(|told| told.event.clone()).find(|event| event.kind != EventKind::Connecting)
        });
        assert_eq!(told.kind, EventKind::Established, "{told:?}");
        assert_eq!(cloud.ask("GET", "/meanwhile", "")["statusCode"], 200);
        backup.connector.destroy().expect("it ends");
    });
}

/// The name has an IPv6 address, at which packets vanish, before its IPv4 address: the session is there a quarter of a
/// second later, and not after the deadline.
#[test]
fn a_dead_first_address_costs_a_quarter_of_a_second() {
    in_own_network(|| {
        let scratch = Scratch::new("two-addresses");
        let mut cloud = Cloud::start(&scratch, &[]);
        replace("/etc/hosts", "2001:db8::1 localhost\n127.0.0.1 localhost\n", &scratch);
        run("ip -6 addr add 2001:db8::1/128 dev lo");
        run("ip6tables -A INPUT -d 2001:db8::1 -p tcp --syn -j DROP");
        let backup = Backup::beside(&cloud, &[], ok);
        let start = Instant::now();
        backup.connector.start().expect("it starts");
        let established = backup.host.event(EventKind::Established, 1);
        let dropped = run("ip6tables -L INPUT -nvx");
        let packets = dropped.lines().nth(2).and_then(|rule| rule.split_whitespace().next());
        assert!(packets.is_some_and(|packets| packets != "0"), "the first address was not tried first: {dropped}");
        let took = established.at - start;
        assert!((Duration::from_millis(250)..Duration::from_secs(2)).contains(&took), "established after {took:?}");
        let winner = format!("TCP connection (127.0.0.1:{}) done", port_of(&cloud));
        backup.host.logged(&winner);
        assert_eq!(cloud.ask("GET", "/second", "")["statusCode"], 200);
        backup.stop();
        cloud.finish();
    });
}

/// A name whose address changes is asked for again at each attempt.
#[test]
fn a_changed_address_is_found_at_the_next_attempt() {
    in_own_network(|| {
        let scratch = Scratch::new("new-address");
        let mut cloud = Cloud::start(&scratch, &[]);
        let hosts = replace("/etc/hosts", "127.0.0.2 localhost\n", &scratch);
        let backup = Backup::beside(&cloud, &[("connectionInfo.period", "1")], ok);
        backup.connector.start().expect("it starts");
        let reason = backup.host.event(EventKind::ConnectFailed, 1).event.reason;
        let expected = format!("TCP connection to 127.0.0.2:{} failed: Connection refused", port_of(&cloud));
        assert!(reason.contains(&expected), "{reason}");
        fs::write(hosts, "127.0.0.1 localhost\n").expect("the new address");
        backup.host.event(EventKind::Established, 1);
        assert_eq!(cloud.ask("GET", "/moved", "")["statusCode"], 200);
        backup.stop();
        cloud.finish();
    });
}

/// A container without ca-certificates: an administrator still looks, accepts and connects, and what nobody accepted is
/// refused with what is missing.
#[test]
fn a_system_without_certificate_authorities_is_no_obstacle_to_accepting_one() {
    in_own_network(|| {
        let scratch = Scratch::new("no-authorities");
        let mut cloud = Cloud::start(&scratch, &[]);
        for directory in ["/etc/ssl", "/etc/pki"].into_iter().filter(|directory| Path::new(directory).exists()) {
            run(&format!("mount -t tmpfs none {directory}"));
        }
        let details = fs::read_to_string(cloud.endpoint_file()).expect("endpoint details");
        let backup = Backup::new(None, &[], ok);
        let connector = &backup.connector;
        connector.start().expect("it starts");
        let stranger = details.replace("cloud.example.com", "stranger").replace("\"cloud\"", "\"strangers\"");
        connector.add_endpoints_json(stranger).expect("good endpoint details");
        let refused = backup.host.event_of("stranger", EventKind::ConnectFailed, 0).event;
        let missing = "the system has no certificate authorities: install its ca-certificates package";
        assert!(refused.cause == Cause::Tls && refused.reason.contains(missing), "{refused:?}");

        let ours = parse(details.as_bytes()).expect("good details").remove(0);
        let seen = connector.validate(ours.url.as_str(), EndpointTls::default()).expect("an inspection");
        assert!(matches!(&seen.trusted, Some(Err(why)) if why.contains(missing)), "{seen}");
        let tls = EndpointTls { ca_pem: seen.ca_to_accept, ..EndpointTls::default() };
        connector.add_endpoint(ours.with_tls(tls).expect("a good choice")).expect("added");
        backup.host.event_of("cloud.example.com", EventKind::Established, 0);
        assert_eq!(cloud.ask("GET", "/accepted", "")["statusCode"], 200);
        backup.stop();
    });
}
