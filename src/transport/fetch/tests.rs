//! A small HTTPS server that answers each path as its test says.

#[path = "../../../examples/cloud_app/certs.rs"]
mod certs;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::endpoint::Rule;
use crate::error::with_causes;
use certs::Certificates;

const LIMITS: FetchLimits = FetchLimits { max_bytes: 100, timeout: Duration::from_secs(10) };

struct Server {
    port: u16,
    ca_pem: String,
}

/// Serves until the test's process ends; a request for `/hang` is never answered.
fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> Server {
    let certificates = Certificates::generate(&[]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.chain, certificates.key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), tcp);
            let (mut head, mut byte) = (String::new(), [0]);
            while !head.ends_with("\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0].into());
            }
            let Some(path) = head.split(' ').nth(1) else { continue };
            if path == "/hang" {
                let _ = stream.read(&mut byte);
                continue;
            }
            let _ = stream.write_all(answer(path).as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    Server { port, ca_pem: certificates.ca_pem }
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    fn trust(&self) -> Trust {
        let path = std::env::temp_dir().join(format!("nbwss-fetch-{}-{}.pem", std::process::id(), self.port));
        std::fs::write(&path, &self.ca_pem).unwrap();
        let trust = Trust::load_for("tls.caFile", Some(&path)).unwrap_or_else(|error| panic!("{error}"));
        std::fs::remove_file(path).unwrap();
        trust
    }

    async fn get(&self, url: &str, limits: FetchLimits) -> Result<String, String> {
        let dialer = Dialer::direct(&Settings::default());
        let content = fetch(&dialer, &self.trust(), url, limits).await;
        content.map(|content| String::from_utf8(content.to_vec()).unwrap()).map_err(|error| with_causes(&error))
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn moved(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn content_is_fetched_whole_and_redirects_stay_at_home() {
    let server = serve(|path| match path {
        "/a/details?key=s3cr3t" => moved("other?x=1"),
        "/a/other?x=1" => moved("/b"),
        "/b" => moved("?c"),
        "/b?c" => moved("//127.0.0.1:PORT/d"),
        "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".into(),
        "/closed" => "HTTP/1.1 200 OK\r\n\r\nto the end".into(),
        path => ok(path),
    });
    let get = async |path: &str| server.get(&server.url(path), LIMITS).await;
    assert_eq!(get("/x?y=%20").await.unwrap(), "/x?y=%20");
    assert_eq!(get("").await.unwrap(), "/");
    assert_eq!(get("?q#fragment").await.unwrap(), "/?q");
    assert_eq!(get("/chunked").await.unwrap(), "abcde");
    assert_eq!(get("/closed").await.unwrap(), "to the end");
    // Four redirects; the last one's authority is not a port, so it is elsewhere.
    let error = get("/a/details?key=s3cr3t").await.unwrap_err();
    assert!(error.contains("redirects to https://127.0.0.1:PORT;"), "{error}");
}

#[tokio::test]
async fn each_failure_is_an_error_of_its_own_without_the_query() {
    let server = serve(|path| {
        let path = path.split('?').next().unwrap();
        match path {
            "/circle" => moved("/circle?s3cr3t"),
            "/five" => moved("/4"),
            "/4" | "/3" | "/2" | "/1" => moved(&format!("/{}", path[1..].parse::<u8>().unwrap() - 1)),
            "/0" => ok("after five"),
            "/elsewhere" => moved("https://other.example/x?s3cr3t"),
            "/port" => moved("https://127.0.0.1/x"),
            "/plain" => moved("http://127.0.0.1/x"),
            "/nowhere" => moved(""),
            "/user" => moved("https://u:s3cr3t@other.example/"),
            "/no-location" => "HTTP/1.1 301 -\r\nContent-Length: 0\r\n\r\n".into(),
            "/missing" => "HTTP/1.1 404 -\r\nContent-Length: 6\r\n\r\ns3cr3t".into(),
            "/none" => "HTTP/1.1 204 -\r\n\r\n".into(),
            "/exact" => ok(&"x".repeat(100)),
            "/large" => ok(&"x".repeat(101)),
            "/huge" => "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_owned() + &"x".repeat(1000),
            "/endless" => "HTTP/1.1 200 OK\r\nX: ".to_owned() + &"s3cr3t".repeat(10_000),
            "/half" => "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ns3cr3t".into(),
            other => panic!("{other}"),
        }
    });
    let get = async |path: &str| server.get(&server.url(&format!("{path}?key=s3cr3t")), LIMITS).await;
    assert_eq!(get("/five").await.unwrap(), "after five");
    assert_eq!(get("/exact").await.unwrap().len(), 100);
    for (path, part) in [
        ("/circle", "redirects more than 5 times"),
        ("/elsewhere", "redirects to https://other.example; only redirects to the same scheme, host and port"),
        ("/port", "redirects to https://127.0.0.1; only"),
        ("/plain", "redirects to http://127.0.0.1; only"),
        ("/user", "redirects to https://other.example; only"),
        ("/nowhere", "redirects to nowhere"),
        ("/no-location", "redirects to nowhere"),
        ("/missing", "answered with HTTP 404; only 200 is taken"),
        ("/none", "answered with HTTP 204; only 200 is taken"),
        ("/large", "larger than endpoint.url.maxBytes (100)"),
        ("/huge", "larger than endpoint.url.maxBytes (100)"),
        ("/endless", "the exchange with the server failed: message head is too large"),
        ("/half", "the exchange with the server failed"),
    ] {
        let error = get(path).await.unwrap_err();
        assert!(error.starts_with(&format!("{} cannot be fetched: ", server.url(path))), "{error}");
        assert!(error.contains(part) && !error.contains("s3cr3t"), "{error} should say {part}");
    }
    let start = Instant::now();
    let hasty = FetchLimits { timeout: Duration::from_millis(300), ..LIMITS };
    let error = server.get(&server.url("/hang"), hasty).await.unwrap_err();
    assert!(error.ends_with("took longer than endpoint.url.timeout"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn only_a_verified_server_is_asked_and_only_over_https() {
    let server = serve(|_| ok("content"));
    for (url, part) in [
        ("http://h/p?s3cr3t", "http://h/p cannot be fetched: must be https://"),
        ("wss://h/p", "wss://h/p cannot be fetched: must be https://"),
        ("h/p?s3cr3t", "the URL cannot be fetched: must be https://"),
        ("https://", "must be https://"),
        ("https://h:0/", "must be https://"),
        ("https://h/a b", "must be https://"),
        ("https://u:s3cr3t@h/p", "https://h/p cannot be fetched: must not hold a user name or password"),
        (
            "https://nowhere.invalid/p?s3cr3t",
            "https://nowhere.invalid/p cannot be fetched: no connection to the server: name resolution",
        ),
    ] {
        let error = server.get(url, LIMITS).await.unwrap_err();
        assert!(error.contains(part) && !error.contains("s3cr3t"), "{error} should say {part}");
    }
    let stranger = serve(|_| ok("content"));
    let error = stranger.get(&server.url("/"), LIMITS).await.unwrap_err();
    assert!(error.contains("no connection to the server: TLS with 127.0.0.1 failed"), "{error}");
}

#[test]
fn a_password_is_not_shown_whatever_is_in_it() {
    for password in ["s3cret", "s3/cret", "1/s3cret", "s3?cret", "s3#cret", "s3@cret", "//s3cret"] {
        for scheme in ["https", "http", "wss"] {
            let url = format!("{scheme}://user:{password}@host.example.com/path?ticket=s3cret");
            let shown = without_secrets(&url);
            assert!(!shown.contains("s3") && !shown.contains("cret"), "{url}: {shown}");
            assert!(!origin_of(&url).contains("s3"), "{url}: {}", origin_of(&url));
        }
    }
    assert_eq!(without_secrets("https://user:pass@host:1/path?a=b"), "https://host:1/path");
    assert_eq!(without_secrets("https://host/path?mail=a@b"), "https://host/path");
    assert_eq!(without_secrets("https://[::1]:1?q"), "https://[::1]:1");
    assert_eq!(origin_of("https://host:1/path"), "https://host:1");
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_not_asked() {
    let server = serve(|_| panic!("asked"));
    let mut settings = Settings::default();
    settings.set("endpoint.allowedHosts", ".example.com").unwrap();
    let dialer = Dialer::new(&settings, None).unwrap_or_else(|error| panic!("{error}"));
    let refused = fetch(&dialer, &server.trust(), &server.url("/?ticket=s3cret"), LIMITS).await.unwrap_err();
    let error = Error::from(refused);
    assert!(matches!(&error, Error::InvalidEndpoint(invalid) if invalid.rule == Rule::HostNotAllowed), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1") && !error.to_string().contains("s3cret"), "{error}");
}
