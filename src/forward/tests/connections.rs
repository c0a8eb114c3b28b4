//! Which connections are made, kept, shared out and given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::server::{Reply, Server};
use super::{assert_error, call, forwarder, get};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn calls_one_after_another_share_a_connection() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}", "x".repeat(300_000));
    let server = Server::start(move |request| match request.number % 4 {
        0 => Reply::ok(OK),
        1 => Reply::ok("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        2 => Reply::ok("HTTP/1.1 204 No Content\r\n\r\n"),
        _ => Reply::ok(&large),
    });
    let forwarder = forwarder(&server.url(), &[]);
    let body = "b".repeat(100_000);
    for number in 0..100 {
        let response = call(&forwarder, "POST", "/", (number % 3 == 0).then_some(body.as_str())).await;
        assert!(matches!(response["statusCode"].as_i64(), Some(200 | 204)), "{response}");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_allowed_and_the_others_wait() {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let server = Server::start(move |request| {
        seen.fetch_max(request.at_once, Ordering::SeqCst);
        Reply::ok(OK).after(Duration::from_millis(10))
    });
    let forwarder = Arc::new(forwarder(&server.url(), &[("dispatch.forward.maxConnections", "3")]));
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let forwarder = forwarder.clone();
            tokio::spawn(async move { get(&forwarder, "/").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap()["response"], "ok");
    }
    assert_eq!((most.load(Ordering::SeqCst), server.connections()), (3, 3));
}

#[tokio::test]
async fn waiting_for_a_connection_counts_to_the_timeout() {
    let server = Server::start(|_| Reply::hang(""));
    let more = [("dispatch.forward.maxConnections", "1"), ("dispatch.forward.timeout", "300")];
    let forwarder = forwarder(&server.url(), &more);
    let start = Instant::now();
    let (first, second) = tokio::join!(get(&forwarder, "/"), get(&forwarder, "/"));
    assert!(start.elapsed() < Duration::from_millis(590), "{:?}", start.elapsed());
    assert_error(&first, 504, "did not answer");
    // Its turn comes in the last moment or not at all.
    assert_error(&second, 504, "within dispatch.forward.timeout");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_replaced_unnoticed() {
    let server = Server::start(|_| Reply::then_close(OK).a_little_later());
    let forwarder = forwarder(&server.url(), &[]);
    for number in 0..6 {
        assert_eq!(call(&forwarder, "POST", "/", Some("{}")).await["response"], "ok");
        // The close arrives while nothing runs here. Then either the connection's task looks first, or the next
        // request is handed to it before it has looked.
        std::thread::sleep(Duration::from_millis(50));
        match number % 2 {
            0 => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => tokio::task::yield_now().await,
        }
    }
    assert_eq!((server.connections(), server.requests().len()), (6, 6));
}

#[tokio::test]
async fn a_request_that_may_have_been_obeyed_is_not_sent_again() {
    for ending in [Reply::then_close, Reply::then_reset] {
        let server = Server::start(move |request| if request.number == 0 { Reply::ok(OK) } else { ending("") });
        let forwarder = forwarder(&server.url(), &[]);
        assert_eq!(get(&forwarder, "/").await["response"], "ok");
        assert_error(&call(&forwarder, "DELETE", "/", None).await, 502, "the exchange with the REST server failed: ");
        assert_eq!(server.requests().len(), 2);
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_bad_gateway() {
    let server = Server::start(|request| match request.path() {
        "/head" => Reply::then_close("HTTP/1.1 200 OK\r\nContent-Le"),
        "/body" => Reply::then_close("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
        "/chunk" => Reply::then_close("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
        _ => Reply::then_reset("HTTP/1.1 200 OK\r\n\r\nabc").after(Duration::from_millis(20)),
    });
    let forwarder = forwarder(&server.url(), &[]);
    for uri in ["/head", "/body", "/chunk", "/reset"] {
        assert_error(&get(&forwarder, uri).await, 502, "the exchange with the REST server failed: ");
    }
}

#[tokio::test]
async fn an_answer_to_nothing_is_not_the_next_calls_answer() {
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let server = Server::start(move |request| match request.number {
        0 => Reply::ok(format!("{OK}{forged}")),
        1 => Reply::ok(OK),
        _ => unreachable!(),
    });
    let forwarder = forwarder(&server.url(), &[]);
    assert_eq!(get(&forwarder, "/").await["response"], "ok");
    assert_eq!(get(&forwarder, "/").await["response"], "ok");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_that_answers_without_reading_the_body_holds_up_nobody() {
    let too_large = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
    let server =
        Server::start(move |request| if request.path() == "/unread" { Reply::hang(too_large) } else { Reply::ok(OK) });
    let forwarder = forwarder(&server.url(), &[("dispatch.forward.maxConnections", "1")]);
    let body = "b".repeat(20 << 20);
    assert_eq!(call(&forwarder, "PUT", "/unread", Some(&body)).await["statusCode"], 413);
    let start = Instant::now();
    assert_eq!(get(&forwarder, "/").await["response"], "ok");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(server.connections(), 2);
    // The first connection is gone, though not all of its request could be sent.
    let deadline = Instant::now() + Duration::from_secs(10);
    while tokio::runtime::Handle::current().metrics().num_alive_tasks() != 1 {
        assert!(Instant::now() < deadline, "it still lives");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_connection_that_lay_too_long_is_not_used_again() {
    let server = Server::start(|_| Reply::ok(OK));
    let forwarder = forwarder(&server.url(), &[]);
    assert_eq!(get(&forwarder, "/").await["response"], "ok");
    forwarder.pool.age(Duration::from_secs(3));
    assert_eq!(get(&forwarder, "/").await["response"], "ok");
    assert_eq!(server.connections(), 1);
    forwarder.pool.age(Duration::from_secs(5));
    assert_eq!(get(&forwarder, "/").await["response"], "ok");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_call_that_is_dropped_hangs_up_and_frees_its_place() {
    let server = Server::start(|request| if request.number == 0 { Reply::hang("") } else { Reply::ok(OK) });
    let forwarder = forwarder(&server.url(), &[("dispatch.forward.maxConnections", "1")]);
    let dropped = tokio::time::timeout(Duration::from_millis(100), get(&forwarder, "/")).await;
    assert!(dropped.is_err());
    server.all_closed().await;
    assert_eq!(get(&forwarder, "/").await["response"], "ok");
    drop(forwarder);
    server.all_closed().await;
}
