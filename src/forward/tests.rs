//! Whatever the server does, there is a response, and it says what happened. The servers: [`server`] for odd
//! behaviour, one story each, here and in [`connections`]; other people's in [`real`].

mod connections;
mod real;
mod server;

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Forwarder;
use crate::error::with_causes;
use crate::forward::Failure;
use crate::protocol::{Response, command_response, error_response};
use crate::settings::Settings;
use server::{Reply, Server};

const SECRET: &str = "Bearer s3cr3t";

/// A forwarder with these settings; `dispatch.forward.timeout` is short enough to wait for.
fn forwarder(url: &str, more: &[(&str, &str)]) -> Forwarder {
    let mut settings = Settings::default();
    settings.set("dispatch.forward.timeout", "10000").unwrap();
    for (key, value) in [("dispatch.forward.url", url)].iter().chain(more) {
        settings.set(key, value).unwrap_or_else(|error| panic!("{error}"));
    }
    Forwarder::new(&settings).unwrap_or_else(|error| panic!("{error}")).expect("a forwarder")
}

/// The response as it goes over the wire.
fn wire(response: &Response) -> Value {
    let format = Settings::default().response_format;
    let message: Value = serde_json::from_str(&command_response("1", response, &format, 0)).unwrap();
    message["payload"].clone()
}

async fn call(forwarder: &Forwarder, method: &str, uri: &str, body: Option<&str>) -> Value {
    let headers = [("Authorization", SECRET), ("Content-Type", "application/json"), ("X-Forwarded-For", "10.0.0.1")];
    let answer = forwarder.forward(method, uri, &headers, body).await;
    let failed = |failure: Failure| error_response(failure.status_code(), &with_causes(&failure));
    wire(&answer.unwrap_or_else(failed))
}

async fn get(forwarder: &Forwarder, uri: &str) -> Value {
    call(forwarder, "GET", uri, None).await
}

/// Status and message of an error response.
fn error(response: &Value) -> (i64, String) {
    let body: Value = serde_json::from_str(response["response"].as_str().expect("a body")).expect("JSON");
    assert_eq!(body["errorCode"], response["statusCode"]);
    let message = body["errorMessage"].as_str().expect("a message").to_owned();
    assert!(!message.contains("s3cr3t") && !message.contains("garbage"), "{message}");
    (response["statusCode"].as_i64().expect("a status"), message)
}

#[track_caller]
fn assert_error(response: &Value, status: i64, part: &str) {
    let (code, message) = error(response);
    assert!(code == status && message.contains(part), "{code} {message:?}; expected {status} and {part:?}");
}

#[test]
fn without_a_url_there_is_no_forwarder() {
    assert!(Forwarder::new(&Settings::default()).unwrap().is_none());
    let mut settings = Settings::default();
    settings.set("dispatch.forward.url", "gopher://h").unwrap();
    let error = Forwarder::new(&settings).err().unwrap().to_string();
    assert!(error.contains("dispatch.forward.url") && error.contains("gopher://h"), "{error}");
}

#[test]
fn a_call_may_be_made_from_a_task_of_its_own() {
    fn is_send<T: Send>(_: &T) {}
    let forwarder = forwarder("http://127.0.0.1:1", &[]);
    is_send(&forwarder.forward("GET", "/", &[], None));
}

#[tokio::test]
async fn a_call_and_its_answer_pass_as_they_are() {
    let server =
        Server::start(|_| Reply::ok("HTTP/1.1 201 Created\r\nX-One: 1\r\nContent-Length: 13\r\n\r\n{\"token\":\"t\"}"));
    let forwarder = forwarder(&server.url(), &[]);
    let response = call(&forwarder, "POST", "/netbackup/login?x=%2F", Some("{\"userName\":\"ü\"}")).await;
    assert_eq!(response["statusCode"], 201);
    assert_eq!(response["response"], "{\"token\":\"t\"}");
    assert_eq!(response["headers"]["x-one"], "1");
    let request = server.requests().remove(0);
    let mut head: Vec<&str> = request.split("\r\n\r\n").next().unwrap().split("\r\n").collect();
    head[1..].sort_unstable();
    let host = format!("host: {}", server.address());
    let expected = [
        "POST /netbackup/login?x=%2F HTTP/1.1",
        "authorization: Bearer s3cr3t",
        "content-length: 17",
        "content-type: application/json",
        host.as_str(),
        "via: 1.1 nbwss",
    ];
    assert_eq!(head, expected);
    assert!(request.ends_with("\r\n\r\n{\"userName\":\"ü\"}"));
}

#[tokio::test]
async fn answers_of_every_shape_are_understood() {
    let server = Server::start(|request| {
        Reply::ok(match request.path() {
            "/chunked" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n3\r\nabc\r\n2;e=1\r\nde\r\n0\r\nx: y\r\n\r\n"
                    .as_slice()
            }
            "/none" => b"HTTP/1.1 204 No Content\r\n\r\n",
            "/empty" => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
            "/same" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "/binary" => b"HTTP/1.1 200 OK\r\nContent-Transfer-Encoding: 8bit\r\nContent-Length: 3\r\n\r\n\xff\x00\x01",
            "/hints" => b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "/moved" => b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
            "/old" => return Reply::then_close("HTTP/1.0 200 OK\r\n\r\nto the end"),
            other => panic!("{other}"),
        })
    });
    let forwarder = forwarder(&server.url(), &[]);
    let response = get(&forwarder, "/chunked").await;
    assert_eq!(response, serde_json::json!({"headers": {}, "statusCode": 200, "response": "abcde"}));
    assert_eq!(get(&forwarder, "/none").await, serde_json::json!({"headers": {}, "statusCode": 204}));
    assert!(get(&forwarder, "/empty").await.get("response").is_none());
    assert_eq!(get(&forwarder, "/same").await["statusCode"], 304);
    let response = call(&forwarder, "HEAD", "/head", None).await;
    assert_eq!((&response["statusCode"], &response["headers"]["content-length"]), (&200.into(), &"999999999".into()));
    assert!(response.get("response").is_none());
    let response = get(&forwarder, "/binary").await;
    assert_eq!(response["response"], "/wAB");
    assert_eq!(response["headers"]["content-transfer-encoding"], "base64");
    assert_eq!(get(&forwarder, "/hints").await["response"], "ok");
    let response = get(&forwarder, "/moved").await;
    assert_eq!((&response["statusCode"], &response["headers"]["location"]), (&302.into(), &"http://elsewhere/".into()));
    assert_eq!(get(&forwarder, "/old").await["response"], "to the end");
    assert_eq!(server.requests().len(), 9);
    assert_eq!(server.connections(), 1, "all of these end where they say");
}

#[tokio::test]
async fn what_is_not_http_or_too_much_is_a_bad_gateway() {
    let server = Server::start(|request| match request.path() {
        "/garbage" => Reply::ok("garbage garbage\r\n\r\n"),
        "/bad-header" => Reply::ok("HTTP/1.1 200 OK\r\ngarbage\r\n\r\n"),
        "/two-lengths" => Reply::ok("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        "/status" => Reply::ok("HTTP/1.1 999 Garbage\r\nContent-Length: 0\r\n\r\n"),
        "/upgrade" => Reply::ok("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        "/many" => Reply::ok(format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "x: garbage\r\n".repeat(100))),
        "/long" => Reply::ok(format!("HTTP/1.1 200 OK\r\nx: {}\r\nContent-Length: 0\r\n\r\n", "g".repeat(20_000))),
        "/large" => Reply::ok(format!("HTTP/1.1 204 -\r\n{}\r\n", format!("x: {}\r\n", "g".repeat(1000)).repeat(90))),
        "/endless" => Reply::ok(format!("HTTP/1.1 200 OK\r\nx: {}", "g".repeat(1 << 20))),
        "/announced" => Reply::ok("HTTP/1.1 200 OK\r\nContent-Length: 2049\r\n\r\n"),
        "/absurd" => Reply::ok("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n"),
        "/chunks" => Reply::ok(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            format!("400\r\n{}\r\n", "g".repeat(1024)).repeat(100)
        )),
        "/exact" => Reply::ok(format!("HTTP/1.1 200 OK\r\nContent-Length: 2048\r\n\r\n{}", "g".repeat(2048))),
        other => panic!("{other}"),
    });
    let forwarder = forwarder(&server.url(), &[("dispatch.maxResponseBytes", "2048")]);
    for (uri, part) in [
        ("/garbage", "the exchange with the REST server failed: invalid HTTP version"),
        ("/bad-header", "the exchange with the REST server failed: invalid HTTP header"),
        ("/two-lengths", "the exchange with the REST server failed"),
        ("/status", "status_code: 999"),
        ("/upgrade", "switched protocols"),
        ("/many", "the exchange with the REST server failed: message head is too large"),
        ("/long", "headers[0]: a name or value that HTTP does not allow, or that is too long, or the same name again"),
        ("/large", "the exchange with the REST server failed: message head is too large"),
        ("/endless", "the exchange with the REST server failed: message head is too large"),
        ("/announced", "dispatch.maxResponseBytes (2048)"),
        ("/absurd", "the REST server"),
        ("/chunks", "dispatch.maxResponseBytes (2048)"),
    ] {
        assert_error(&get(&forwarder, uri).await, 502, part);
    }
    assert_eq!(get(&forwarder, "/exact").await["response"].as_str().map(str::len), Some(2048));
}

#[tokio::test]
async fn a_call_that_http_cannot_carry_never_leaves() {
    let forwarder = forwarder("http://127.0.0.1:1", &[]);
    assert_error(&get(&forwarder, "/a<b").await, 400, "uri");
    assert_error(&call(&forwarder, "CONNECT", "/", None).await, 400, "method");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_bad_gateway() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let response = get(&forwarder(&format!("http://{free}"), &[]), "/").await;
    assert_error(&response, 502, "cannot be reached: TCP connection to 127.0.0.1:");
    let response = get(&forwarder("http://nowhere.invalid", &[]), "/").await;
    assert_error(&response, 502, "cannot be reached: name resolution of nowhere.invalid failed");
    let response = get(&forwarder("unix:/nowhere/rest.sock", &[]), "/").await;
    assert_error(&response, 502, "cannot be reached: connection to the socket /nowhere/rest.sock failed: No such file");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time_and_hung_up_on() {
    let server = Server::start(|request| match request.path() {
        "/silent" => Reply::hang(""),
        _ => Reply::hang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
    });
    let forwarder = forwarder(&server.url(), &[("dispatch.forward.timeout", "300")]);
    for uri in ["/silent", "/half"] {
        let start = Instant::now();
        assert_error(&get(&forwarder, uri).await, 504, "within dispatch.forward.timeout");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
    }
    server.all_closed().await;
    assert_eq!(server.connections(), 2);
}
