//! Connections of which no session comes: refused, stalled, answered with something else, or begun too early.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use nbwss::EventKind::{ConnectFailed, Connecting, Established, Rejected};
use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::recorder::{Backup, job, ok};
use crate::support::{Cloud, Scratch};
use crate::{count, named, nothing_more};

/// A refused token is told as such and not tried again before `connectionInfo.period`.
#[test]
fn a_refused_token_is_told_and_not_repeated() {
    let scratch = Scratch::new("rejected");
    let mut cloud = Cloud::start(&scratch, &["--reject-token"]);
    let backup = Backup::beside(&cloud, &[("connectionInfo.period", "45")], ok);
    backup.connector.notify_job(&job(1)).expect("accepted");
    backup.connector.start().expect("it starts");
    let refused = backup.host.event(Rejected, 1).event;
    assert!(refused.reason.contains("token"), "{refused:?}");
    let pause = refused.retry_in.expect("it will be tried again");
    assert!((Duration::from_secs(45)..=Duration::from_secs(57)).contains(&pause), "{pause:?}");
    let closed = cloud.wait_for("closed", 1);
    assert_eq!((&closed["code"], &closed["by"]), (&json!(1000), &json!("connector")), "{closed}");
    // The shortest pause after a failure would be over by then many times.
    nothing_more(&mut cloud, "connected");
    nothing_more(&mut cloud, "connected");
    assert_eq!(count(&mut cloud, "connected"), 1);
    assert_eq!(named(&mut cloud, "notification"), Vec::<serde_json::Value>::new());
    let kinds: Vec<_> = backup.host.look(|seen| seen.events.iter().map(|told| told.event.kind).collect());
    assert_eq!(kinds, [Connecting, Rejected]);
    backup.stop();
    cloud.finish();
}

/// Each phase ends at its own deadline of one second, with a reason that names it.
fn stalls(phase: &str, reason: &str) {
    let scratch = Scratch::new(phase);
    let cloud = Cloud::start(&scratch, &["--stall", phase, "--once"]);
    let settings = [("connect.timeout", "1000"), ("connect.answerTimeout", "1000")];
    let backup = Backup::beside(&cloud, &settings, ok);
    backup.connector.start().expect("it starts");
    let begun = backup.host.event(Connecting, 1).at;
    let failed = backup.host.event(ConnectFailed, 1);
    assert!(failed.event.reason.contains(reason), "{:?} should speak of {reason:?}", failed.event.reason);
    let took = failed.at - begun;
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&took), "{phase}: {took:?}");
    backup.host.event(Established, 1);
    backup.stop();
    cloud.finish();
}

/// A peer that accepts and says nothing.
#[test]
fn a_stall_before_tls_is_given_up() {
    stalls("tcp", "TLS handshake took longer than connect.timeout");
}

/// A peer that stops in the middle of its TLS greeting.
#[test]
fn a_stall_within_tls_is_given_up() {
    stalls("tls", "TLS handshake took longer than connect.timeout");
}

/// A peer that does not answer the upgrade request.
#[test]
fn a_stall_at_the_upgrade_is_given_up() {
    stalls("upgrade", "WebSocket upgrade took longer than connect.timeout");
}

/// A peer that does not answer the CONNECT.
#[test]
fn a_stall_at_the_connect_is_given_up() {
    stalls("connect", "no answer to CONNECT in time");
}

fn no_session_at(url: &str, settings: &[(&str, &str)]) -> String {
    let backup = Backup::new(None, settings, ok);
    let details = json!({
        "token": "a token of no interest", "priority": 1, "groupId": "g", "hostName": "h", "url": url,
    });
    backup.connector.add_endpoints_json(details.to_string()).expect("good endpoint details");
    backup.connector.start().expect("it starts");
    backup.host.event(ConnectFailed, 1).event.reason
}

fn bound() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    let address = socket.local_addr().expect("an address").as_socket().expect("an IP address");
    (socket, address)
}

/// Nobody listens at the port: the refusal is told with the address.
#[test]
fn a_refused_tcp_connection_is_told_with_its_address() {
    // Bound so that nobody else gets the port, and not listening.
    let (_socket, address) = bound();
    let reason = no_session_at(&format!("wss://{address}/nbwss"), &[]);
    assert!(reason.contains(&format!("TCP connection to {address} failed")), "{reason}");
}

/// A listener with a full queue drops what else comes, as a firewall would: the deadline ends it.
#[test]
fn a_tcp_connection_that_is_never_answered_is_given_up() {
    let (socket, address) = bound();
    socket.listen(0).expect("it listens");
    let mut waiting = Vec::new();
    while let Ok(connection) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(connection);
        assert!(waiting.len() < 64, "the queue of {address} is never full");
    }
    let reason = no_session_at(&format!("wss://{address}/nbwss"), &[("connect.timeout", "500")]);
    let expected = format!("TCP connection to {address} failed: no answer within connect.timeout");
    assert!(reason.contains(&expected), "{reason}");
}

/// A name that cannot be, by RFC 6761: the reason speaks of name resolution, however long the resolver takes.
#[test]
fn a_name_that_does_not_exist_is_told() {
    let reason = no_session_at("wss://cloud.invalid/nbwss", &[("connect.timeout", "2000")]);
    assert!(reason.contains("name resolution"), "{reason}");
}

/// An HTTP answer in place of the upgrade is told by its status, not followed, and does not get the token. Returns the
/// pause after it.
fn not_upgraded(status: u16, reason: &str) -> Duration {
    let scratch = Scratch::new("http");
    let flag = status.to_string();
    let mut cloud = Cloud::start(&scratch, &["--http-status", &flag, "--once"]);
    let backup = Backup::beside(&cloud, &[], ok);
    backup.connector.start().expect("it starts");
    let failed = backup.host.event(ConnectFailed, 1).event;
    assert!(failed.reason.contains(reason), "{failed:?}");
    // The application complains of any other path than its own, and a redirect names another.
    backup.host.event(Established, 1);
    assert_eq!(cloud.wait_for("connect", 1)["connection"], 2);
    assert_eq!(cloud.ask("GET", "/after", "")["statusCode"], 200);
    assert_eq!(count(&mut cloud, "connected"), 2);
    backup.stop();
    cloud.finish();
    failed.retry_in.expect("it is tried again")
}

/// A redirect is named and not followed.
#[test]
fn a_redirect_is_not_followed() {
    let pause = not_upgraded(302, "HTTP 302 (redirects are not followed)");
    assert!(pause <= Duration::from_millis(10), "{pause:?}");
}

/// A server that is too busy is named by its status, and tried again when the second is over that its Retry-After asks for.
#[test]
fn an_unavailable_server_is_named_by_its_status_and_left_alone_as_it_asks() {
    let pause = not_upgraded(503, "HTTP 503");
    assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&pause), "{pause:?}");
}

/// A COMMAND before the answer to CONNECT is not obeyed: the connection is closed as a protocol error.
#[test]
fn a_command_before_the_session_is_not_obeyed() {
    let scratch = Scratch::new("early");
    let mut cloud = Cloud::start(&scratch, &["--early-command", "--once"]);
    let backup = Backup::beside(&cloud, &[], ok);
    backup.connector.start().expect("it starts");
    let failed = backup.host.event(ConnectFailed, 1).event;
    assert!(failed.reason.contains("a message before the answer to CONNECT"), "{failed:?}");
    let closed = cloud.wait_for("closed", 1);
    assert_eq!((&closed["code"], &closed["by"]), (&json!(1002), &json!("connector")), "{closed}");
    backup.host.event(Established, 1);
    cloud.wait_for("connect", 2);
    assert_eq!(cloud.ask("GET", "/in-time", "")["statusCode"], 200);
    let uris: Vec<String> = backup.host.look(|seen| seen.calls.iter().map(|call| call.uri.clone()).collect());
    assert_eq!(uris, ["/in-time"]);
    backup.stop();
    cloud.finish();
}

/// Where undecodable messages are ignored, the early COMMAND is too: the session comes about, and it gets no answer.
#[test]
fn an_early_command_is_ignored_where_the_setting_says_so() {
    let scratch = Scratch::new("early");
    let mut cloud = Cloud::start(&scratch, &["--early-command"]);
    let backup = Backup::connected(&cloud, &[("exception.ignoreDecoder", "true")], ok);
    backup.host.logged("message ignored");
    assert_eq!(cloud.ask("GET", "/in-time", "")["statusCode"], 200);
    let uris: Vec<String> = backup.host.look(|seen| seen.calls.iter().map(|call| call.uri.clone()).collect());
    assert_eq!(uris, ["/in-time"]);
    assert_eq!((count(&mut cloud, "connected"), count(&mut cloud, "closed")), (1, 0));
    backup.stop();
    cloud.finish();
}
