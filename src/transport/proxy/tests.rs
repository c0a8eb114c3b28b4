//! Proxies that do as the test says, byte by byte: what each does becomes an error of its own, and no error shows
//! the password. Real ones are in `tests/proxies.rs`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::with_causes;
use crate::settings::Settings;
use crate::transport::trace::Phase;
use crate::transport::{ConnectError, Dialer, QuietStream, Trace, Trust};

type Pairs = &'static [(&'static str, &'static str)];

const LOGIN: [(&str, &str); 2] = [("proxy.user", "backup"), ("proxy.password", "s3cr3t")];

/// A proxy for one connection, played by a function on a thread; what it returns is what it saw.
struct Played {
    port: u16,
    seen: Receiver<Vec<u8>>,
}

fn play(script: impl FnOnce(&mut TcpStream) -> Vec<u8> + Send + 'static) -> Played {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, seen) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let bytes = script(&mut stream);
        let _ = sender.send(bytes);
    });
    Played { port, seen }
}

impl Played {
    fn seen(&self) -> Vec<u8> {
        self.seen.recv_timeout(Duration::from_secs(20)).expect("the proxy's script came to its end")
    }
}

fn dialer(url: &str, more: &[(&str, &str)]) -> Dialer {
    let mut settings = Settings::default();
    for (key, value) in [("proxy.url", url)].iter().chain(more) {
        settings.set(key, value).unwrap_or_else(|error| panic!("{error}"));
    }
    Dialer::new(&settings, None).unwrap_or_else(|error| panic!("{error}"))
}

/// Dials an endpoint whose name only a proxy could know.
async fn dial(dialer: &Dialer) -> (Result<QuietStream, ConnectError>, Trace) {
    let mut trace = Trace::default();
    let result = dialer.tcp("cloud.invalid", 443, &mut trace).await;
    (result, trace)
}

async fn failure(dialer: &Dialer) -> String {
    let (result, trace) = dial(dialer).await;
    let error = result.expect_err("no connection");
    assert_eq!(error.phase(), Phase::Proxy);
    let (text, step) = (with_causes(&error), trace.steps().last().unwrap());
    assert_eq!((step.phase, step.failure.as_deref()), (Phase::Proxy, Some(text.as_str())));
    let secret = ["s3cr3t", &BASE64.encode(b"backup:s3cr3t")].iter().any(|secret| text.contains(secret));
    assert!(!secret, "{text}");
    text
}

/// Up to the empty line that ends a head.
fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    head
}

fn read_exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Until the other side closes.
fn read_rest(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

async fn echo_works(mut stream: QuietStream) {
    stream.write_all(b"hello").await.unwrap();
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"HELLO");
}

fn answer_hello(stream: &mut TcpStream) {
    assert_eq!(read_exactly(stream, 5), b"hello");
    stream.write_all(b"HELLO").unwrap();
}

#[tokio::test]
async fn http_connect_asks_for_the_name_and_gives_the_socket_back() {
    for login in [&LOGIN[..], &[]] {
        let proxy = play(|stream| {
            let head = read_head(stream);
            stream.write_all(b"HTTP/1.1 200 Connection established\r\nContent-Length: 7\r\nX: y\r\n\r\n").unwrap();
            answer_hello(stream);
            head
        });
        let (result, trace) = dial(&dialer(&format!("http://127.0.0.1:{}", proxy.port), login)).await;
        echo_works(result.unwrap_or_else(|error| panic!("{}", with_causes(&error)))).await;
        let head = String::from_utf8(proxy.seen()).unwrap();
        let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
        lines[1..].sort_unstable();
        let authorization = format!("proxy-authorization: Basic {}", BASE64.encode(b"backup:s3cr3t"));
        let mut expected = vec!["CONNECT cloud.invalid:443 HTTP/1.1", "host: cloud.invalid:443"];
        expected.extend((!login.is_empty()).then_some(authorization.as_str()));
        assert_eq!(lines, expected);
        // The endpoint's name is looked up by the proxy only.
        let steps: Vec<_> = trace.steps().iter().map(|step| (step.phase, step.peer.as_str())).collect();
        let peer = format!("127.0.0.1:{}", proxy.port);
        assert_eq!(steps, [(Phase::Resolve, "127.0.0.1"), (Phase::Tcp, &peer), (Phase::Proxy, &peer)]);
    }
}

#[tokio::test]
async fn each_answer_to_connect_is_an_error_of_its_own() {
    let long = format!("HTTP/1.1 200 OK\r\n{}\r\n", format!("X: {}\r\n", "g".repeat(1000)).repeat(64));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: g\r\n".repeat(1000));
    let endless = format!("HTTP/1.1 407 Log In\r\nContent-Length: 99999999\r\n\r\n{}", "g".repeat(10_000));
    let cases: [(&str, Pairs, &str); 19] = [
        ("HTTP/1.1 407 -\r\nContent-Length: 0\r\n\r\n", &[], "it asks for a user name and password (proxy.user"),
        ("HTTP/1.1 401 -\r\nContent-Length: 0\r\n\r\n", &[], "it asks for a user name and password (proxy.user"),
        ("HTTP/1.1 407 -\r\nContent-Length: 0\r\n\r\n", &LOGIN, "it refused the user name or password"),
        ("HTTP/1.0 401 -\r\n\r\n<html>", &LOGIN, "it refused the user name or password"),
        (&endless, &LOGIN, "it refused the user name or password"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", &LOGIN, "HTTP 403: its rules do not allow this connection"),
        ("HTTP/1.1 405 -\r\n\r\n", &LOGIN, "HTTP 405: it does not know CONNECT"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", &LOGIN, "HTTP 502: it cannot reach the endpoint"),
        ("HTTP/1.1 503 -\r\n\r\n", &LOGIN, "HTTP 503: it is overloaded"),
        ("HTTP/1.1 504 -\r\n\r\n", &LOGIN, "HTTP 504: the endpoint did not answer it in time"),
        ("HTTP/1.1 302 -\r\nLocation: http://evil/\r\n\r\n", &LOGIN, "HTTP 302 (redirects are not followed)"),
        ("HTTP/1.1 418 -\r\n\r\n", &LOGIN, "it answered HTTP 418"),
        ("", &LOGIN, "it closed the connection before it answered"),
        ("HTTP/1.1 200 OK\r\nX: half", &LOGIN, "it closed the connection before it answered"),
        ("HTTP/1.1 200 OK\r\n\r\n\x16", &LOGIN, "it sent bytes of its own into the connection"),
        ("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", &LOGIN, "it sent bytes of its own into the connection"),
        (&long, &LOGIN, "cannot be read as HTTP: message head is too large"),
        (&many, &LOGIN, "cannot be read as HTTP: message head is too large"),
        ("\x05\x00", &LOGIN, "cannot be read as HTTP: invalid HTTP version"),
    ];
    for (answer, login, part) in cases {
        let answer = answer.to_owned();
        let closes = answer.is_empty() || answer.ends_with("half") || answer.starts_with('\x05');
        let proxy = play(move |stream| {
            read_head(stream);
            let _ = stream.write_all(answer.as_bytes());
            if !closes {
                read_rest(stream);
            }
            Vec::new()
        });
        let text = failure(&dialer(&format!("http://127.0.0.1:{}", proxy.port), login)).await;
        let start = format!("the proxy 127.0.0.1:{} gives no connection to cloud.invalid:443: ", proxy.port);
        assert!(text.starts_with(&start) && text.contains(part), "{text:?} should say {part:?}");
        proxy.seen();
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_or_talks_without_end_is_left_at_the_deadline() {
    for trickle in [false, true] {
        let proxy = play(move |stream| {
            read_head(stream);
            while trickle && stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
            read_rest(stream);
            Vec::new()
        });
        let url = format!("http://127.0.0.1:{}", proxy.port);
        let start = Instant::now();
        let text = failure(&dialer(&url, &[("connect.timeout", "300")])).await;
        assert_eq!(text, "proxy took longer than connect.timeout");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        proxy.seen();
    }
}

#[tokio::test]
async fn a_proxy_that_closes_after_its_200_fails_the_tls_handshake() {
    let proxy = play(|stream| {
        let head = read_head(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        head
    });
    let dialer = dialer(&format!("http://127.0.0.1:{}", proxy.port), &LOGIN);
    let mut trace = Trace::default();
    let trust = Trust::load_for("tls.caFile", None).unwrap_or_else(|error| panic!("{error}"));
    let error = dialer.tls("cloud.invalid", 443, &trust, &mut trace).await.unwrap_err();
    assert_eq!(error.phase(), Phase::Tls);
    assert!(with_causes(&error).starts_with("TLS with cloud.invalid failed: "), "{}", with_causes(&error));
    assert_eq!(trace.steps().iter().filter(|step| step.failure.is_none()).count(), 3);
    assert!(!String::from_utf8(proxy.seen()).unwrap().contains("s3cr3t"));
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_by_the_phase_that_failed() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let (result, _) = dial(&dialer(&format!("http://{address}"), &LOGIN)).await;
    let error = result.err().unwrap();
    assert_eq!(error.phase(), Phase::Tcp);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    let (result, _) = dial(&dialer("socks5://proxy.invalid:1080", &LOGIN)).await;
    let error = result.err().unwrap();
    assert_eq!((error.phase(), error.to_string().contains("proxy.invalid")), (Phase::Resolve, true), "{error}");
}

/// Plays a SOCKS5 proxy as far as these answers go: to the greeting, the login and the request.
fn play_socks(answers: &[&[u8]]) -> Played {
    let answers: Vec<Vec<u8>> = answers.iter().map(|answer| answer.to_vec()).collect();
    play(move |stream| {
        let mut seen = Vec::new();
        let methods = read_exactly(stream, 2);
        seen.extend(&methods);
        seen.extend(read_exactly(stream, methods[1].into()));
        for (number, answer) in answers.iter().enumerate() {
            stream.write_all(answer).unwrap();
            let another = number + 1 < answers.len();
            if another && number == 0 && answer == &[5, 2] {
                seen.extend(read_exactly(stream, 2 + 6 + 1 + 6));
            } else if another {
                seen.extend(read_exactly(stream, 5 + 13 + 2));
            }
        }
        if answers.last().is_some_and(|last| last.starts_with(&[5, 0, 0])) {
            answer_hello(stream);
        }
        seen
    })
}

const REQUEST: &[u8] = b"\x05\x01\x00\x03\x0dcloud.invalid\x01\xbb";

#[tokio::test]
async fn socks5_sends_the_name_and_the_login_where_the_proxy_wants_it() {
    let bound: [&[u8]; 3] = [
        &[5, 0, 0, 1, 127, 0, 0, 1, 1, 1],
        &[5, 0, 0, 3, 4, b'h', b'o', b's', b't', 1, 1],
        &[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1],
    ];
    for bound in bound {
        let proxy = play_socks(&[&[5, 2], &[1, 0], bound]);
        let (result, _) = dial(&dialer(&format!("socks5://127.0.0.1:{}", proxy.port), &LOGIN)).await;
        echo_works(result.unwrap_or_else(|error| panic!("{}", with_causes(&error)))).await;
        assert_eq!(proxy.seen(), [&[5, 2, 0, 2], b"\x01\x06backup\x06s3cr3t".as_slice(), REQUEST].concat());
    }
    for (login, greeting) in [(&LOGIN[..], [5, 2, 0, 2].as_slice()), (&[], &[5, 1, 0])] {
        let proxy = play_socks(&[&[5, 0], bound[0]]);
        let (result, _) = dial(&dialer(&format!("socks5://127.0.0.1:{}", proxy.port), login)).await;
        echo_works(result.unwrap_or_else(|error| panic!("{}", with_causes(&error)))).await;
        assert_eq!(proxy.seen(), [greeting, REQUEST].concat(), "a proxy that wants no login gets none");
    }
}

#[tokio::test]
async fn addresses_go_to_a_socks_proxy_as_addresses() {
    for (host, expected) in [
        ("192.0.2.7", [&[5, 1, 0, 1, 192, 0, 2, 7], [1, 187].as_slice()].concat()),
        ("2001:db8::1", [[5, 1, 0, 4, 0x20, 1, 0xd, 0xb8].as_slice(), &[0; 11], &[1, 1, 187]].concat()),
    ] {
        let length = expected.len();
        let proxy = play(move |stream| {
            read_exactly(stream, 3);
            stream.write_all(&[5, 0]).unwrap();
            let request = read_exactly(stream, length);
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            request
        });
        let dialer = dialer(&format!("socks5://127.0.0.1:{}", proxy.port), &[]);
        dialer.tcp(host, 443, &mut Trace::default()).await.unwrap();
        assert_eq!(proxy.seen(), expected);
    }
    let long = "x".repeat(256);
    let proxy = play_socks(&[&[5, 0]]);
    let dialer = dialer(&format!("socks5://127.0.0.1:{}", proxy.port), &[]);
    let error = dialer.tcp(&long, 443, &mut Trace::default()).await.unwrap_err();
    assert!(with_causes(&error).ends_with("the endpoint's name does not fit into its protocol"), "{error}");
}

#[tokio::test]
async fn each_socks_reply_is_an_error_of_its_own() {
    let reply = |code: u8| vec![5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    let cases: Vec<(Vec<Vec<u8>>, Pairs, &str)> = vec![
        (vec![vec![5, 0xff]], &[], "it asks for a user name and password (proxy.user, proxy.password)"),
        (vec![vec![5, 0xff]], &LOGIN, "it takes neither a user name and password nor a connection without"),
        (vec![vec![5, 2], vec![1, 1]], &LOGIN, "it refused the user name or password"),
        (vec![vec![5, 2], vec![5, 0]], &LOGIN, "its answer is not SOCKS5"),
        (vec![vec![5, 2]], &[], "its answer is not SOCKS5"),
        (vec![vec![5, 1]], &LOGIN, "its answer is not SOCKS5"),
        (vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], &LOGIN, "its answer is not SOCKS5"),
        (vec![vec![5, 0], vec![4, 0, 0, 1]], &LOGIN, "its answer is not SOCKS5"),
        (vec![vec![5, 0], vec![5, 0, 9, 9]], &LOGIN, "its answer is not SOCKS5"),
        (vec![vec![]], &LOGIN, "it closed the connection before it answered"),
        (vec![vec![5, 0], vec![5, 0]], &LOGIN, "it closed the connection before it answered"),
        (vec![vec![5, 0], reply(1)], &LOGIN, "SOCKS reply 1: it failed in general"),
        (vec![vec![5, 0], reply(2)], &LOGIN, "SOCKS reply 2: its rules do not allow this connection"),
        (vec![vec![5, 0], reply(3)], &LOGIN, "SOCKS reply 3: the endpoint's network cannot be reached"),
        (vec![vec![5, 0], reply(4)], &LOGIN, "SOCKS reply 4: the endpoint's host cannot be found or reached"),
        (vec![vec![5, 0], reply(5)], &LOGIN, "SOCKS reply 5: the endpoint refused its connection"),
        (vec![vec![5, 0], reply(6)], &LOGIN, "SOCKS reply 6: the way to the endpoint is too long"),
        (vec![vec![5, 0], reply(7)], &LOGIN, "SOCKS reply 7: it does not know CONNECT"),
        (vec![vec![5, 0], reply(8)], &LOGIN, "SOCKS reply 8: it does not know this kind of address"),
        (vec![vec![5, 0], reply(9)], &LOGIN, "SOCKS reply 9: an unknown code"),
        (vec![vec![5, 0], reply(255)], &LOGIN, "SOCKS reply 255: an unknown code"),
    ];
    for (answers, login, part) in cases {
        let answers: Vec<&[u8]> = answers.iter().map(Vec::as_slice).collect();
        let proxy = play_socks(&answers);
        let text = failure(&dialer(&format!("socks5://127.0.0.1:{}", proxy.port), login)).await;
        assert!(text.contains(part), "{answers:?}: {text:?} should say {part:?}");
    }
}

/// What a SOCKS proxy sends beyond its last answer is not read as one, and TLS refuses it.
#[tokio::test]
async fn bytes_after_a_socks_reply_are_left_for_tls_to_refuse() {
    let proxy = play(|stream| {
        read_exactly(stream, 3);
        stream.write_all(&[5, 0]).unwrap();
        read_exactly(stream, REQUEST.len());
        stream.write_all(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00smuggled").unwrap();
        read_rest(stream);
        Vec::new()
    });
    let dialer = dialer(&format!("socks5://127.0.0.1:{}", proxy.port), &[]);
    let trust = Trust::load_for("tls.caFile", None).unwrap_or_else(|error| panic!("{error}"));
    let error = dialer.tls("cloud.invalid", 443, &trust, &mut Trace::default()).await.unwrap_err();
    assert!(with_causes(&error).starts_with("TLS with cloud.invalid failed: the answer is not TLS"), "{error}");
}
