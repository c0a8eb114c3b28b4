//! The policy and the audit: `policy.c`, with every path trick and forged header there is a name for.

use serde_json::{Value, json};

use super::trail::*;
use super::*;

/// The calls of `policy.c`'s story, each with an id of its own, to be held against the audit at the end.
#[derive(Default)]
struct Audited(Vec<Expected>);

struct Expected {
    id: String,
    host_name: &'static str,
    step: &'static str,
    status: u64,
    /// In its normal form; empty where the call is malformed.
    method: String,
    path: String,
    request_bytes: usize,
    response_bytes: usize,
}

impl Audited {
    /// Sends a payload, which must be answered with this status.
    fn send(&mut self, cloud: &mut Cloud, payload: &str, step: &'static str, status_code: u64) -> Value {
        let id = format!("call-{}", self.0.len());
        let answer = cloud.ask_as(&id, payload);
        assert_eq!(status(&answer), status_code, "{payload}: {answer}");
        let body = |value: &Value| value.as_str().map_or(0, str::len);
        self.0.push(Expected {
            id,
            host_name: "cloud.example.com",
            step,
            status: status_code,
            method: String::new(),
            path: String::new(),
            request_bytes: 0,
            response_bytes: body(&answer["body"]),
        });
        answer
    }

    /// A call that is malformed, and the words that say why.
    fn malformed(&mut self, cloud: &mut Cloud, payload: &str, status_code: u64, why: &str) {
        let answer = self.send(cloud, payload, "malformed", status_code);
        let message = error_message(&answer);
        assert!(message.contains(why) && !message.contains("SECRET"), "{payload}: {message}");
    }

    /// A well-formed call. The last one sent: its method, path and body are known.
    fn well_formed(&mut self, method: &str, path: &str, body: &str) {
        let last = self.0.last_mut().expect("a call");
        (last.method, last.path, last.request_bytes) = (method.to_owned(), path.to_owned(), body.len());
    }

    fn refused(&mut self, cloud: &mut Cloud, method: &str, uri: &str, path: &str) {
        let answer = self.send(cloud, &marked(method, uri), "refused", 403);
        self.well_formed(method, path, r#"{"body":"SECRET"}"#);
        assert!(error_message(&answer).contains("policy"), "{answer}");
    }

    /// A call that the host gets, in this form, which it echoes.
    fn allowed(&mut self, cloud: &mut Cloud, method: &str, uri: &str, normal: &str) {
        let answer = self.send(cloud, &marked(method, uri), "allowed", 200);
        let path = normal.split('?').next().expect("a path");
        self.well_formed(method, path, r#"{"body":"SECRET"}"#);
        assert_eq!(answer["body"], format!("{method} {normal}"));
    }

    /// Has the host replace its rules.
    fn replace(&mut self, cloud: &mut Cloud, rules: &str, status_code: u64) -> Value {
        let payload = json!({ "uri": "/policy", "method": "POST", "parameters": rules });
        let answer = self.send(cloud, &payload.to_string(), "allowed", status_code);
        self.well_formed("POST", "/policy", rules);
        answer
    }

    fn check(&self, trail: &Trail) {
        for expected in &self.0 {
            let Expected { id, host_name, step, status, method, path, request_bytes, response_bytes } = expected;
            assert_eq!(trail.steps(id), [(*step).to_owned(), format!("ended {status}")], "{id}");
            assert_eq!(trail.calls(id), usize::from(*step == "allowed"), "{id}");
            let records = trail.records(id);
            for (record, bytes) in records.iter().zip([request_bytes, response_bytes]) {
                assert_eq!(record["hostName"], *host_name, "{record}");
                let group = host_name.split('.').next().expect("a first label");
                assert_eq!(record["groupId"], group, "{record}");
                assert_eq!((&record["method"], &record["path"]), (&json!(method), &json!(path)), "{record}");
                assert_eq!(record["bodyBytes"], *bytes, "{record}");
            }
        }
    }
}

/// Path tricks, and a word of the reason that each is refused for.
const TRICKS: [(&str, &str); 30] = [
    ("/read/../a?SECRET", ". or .. segment"),
    ("/read/..", ". or .. segment"),
    ("/./read/a", ". or .. segment"),
    ("/read/%2e%2e/a?SECRET", ". or .. segment"),
    ("/read/.%2E/a", ". or .. segment"),
    ("/read%2fa?SECRET", "encoded /"),
    ("/read/a%5Cb", "encoded /"),
    ("/read//a?SECRET", "empty path segment"),
    ("//read/a", "empty path segment"),
    ("/read;v=SECRET/a", "path parameter"),
    ("/read/a;SECRET", "path parameter"),
    ("/read\\a?SECRET", "backslash"),
    ("/read/%252e%252e/a", "encoded %"),
    ("/read%c0%afa?SECRET", "not UTF-8"),
    ("/read/%C0%AE%c0%ae/a", "not UTF-8"),
    ("/read/a%ff", "not UTF-8"),
    ("/read/a%00", "encoded control character"),
    ("/read/a%0d%0ax-forged:SECRET", "encoded control character"),
    ("https://cloud.example.com/read/a?SECRET", "must be a path"),
    ("SECRET@cloud.example.com/read/a", "must be a path"),
    ("cloud.example.com:443", "must be a path"),
    ("read/a", "must be a path"),
    ("*", "must be a path"),
    ("", "must be a path"),
    ("/read/a\r\nx-forged: SECRET", "percent-encoded"),
    ("/read/a b", "percent-encoded"),
    ("/read/\u{e4}", "percent-encoded"),
    ("/read/a#SECRET", "fragment"),
    ("/read/a?SECRET#b", "fragment"),
    ("/read/a?SECRET=%zz", "malformed percent-encoding"),
];

/// Headers as JSON texts, and a word of the reason that each is refused for.
const FORGED: [(&str, &str); 25] = [
    (r#"{"Host":"SECRET"}"#, "host is not for"),
    (r#"{"transfer-encoding":"SECRET"}"#, "transfer-encoding is not for"),
    (r#"{"Content-Length":"7"}"#, "content-length is not for"),
    (r#"{"connection":"SECRET"}"#, "connection is not for"),
    (r#"{"Upgrade":"SECRET"}"#, "upgrade is not for"),
    (r#"{"X-Forwarded-For":"SECRET"}"#, "x-forwarded-"),
    (r#"{"x-forwarded-host":"SECRET"}"#, "x-forwarded-"),
    (r#"{"Forwarded":"for=SECRET"}"#, "forwarded is not for"),
    (r#"{"X-Real-IP":"SECRET"}"#, "x-real-ip is not for"),
    (r#"{"Proxy-Authorization":"SECRET"}"#, "proxy-"),
    (r#"{"via":"SECRET"}"#, "via is not for"),
    (r#"{"X-HTTP-Method-Override":"DELETE"}"#, "x-http-method-override is not for"),
    (r#"{"X-HTTP-Method":"DELETE"}"#, "x-http-method is not for"),
    (r#"{"x-method-override":"DELETE"}"#, "x-method-override is not for"),
    (r#"{"X-Original-URL":"/SECRET"}"#, "x-original-url is not for"),
    (r#"{"X-Rewrite-URL":"/SECRET"}"#, "x-rewrite-url is not for"),
    (r#"{"X_Forwarded_For":"SECRET"}"#, "x-forwarded-"),
    (r#"{"x_http_method-override":"SECRET"}"#, "x-http-method-override is not for"),
    (r#"{"Transfer_Encoding":"SECRET"}"#, "transfer-encoding is not for"),
    (r#"{"x-a":"SECRET","x_a":"SECRET"}"#, "same name twice"),
    (r#"{"x-a":"SECRET","x-a":"SECRET"}"#, "same name twice"),
    (r#"{"X-A":"SECRET","x-b":"","x-a":"SECRET"}"#, "same name twice"),
    (r#"{"x a":"SECRET"}"#, "HTTP does not allow"),
    (r#"{"x-a":"1\r\nx-forged: SECRET"}"#, "HTTP does not allow"),
    (r#"{"x-a":1}"#, "headers an object of strings"),
];

/// The cloud application's side of `policy.c`, and that of another in a server group of its own.
fn try_everything(cloud: &mut Cloud, trusted: &mut Cloud) {
    let mut audited = Audited::default();
    for (method, uri) in
        [("GET", "/read/a"), ("POST", "/policy"), ("GET", "/records"), ("DELETE", "/finish"), ("GET", "/")]
    {
        audited.refused(cloud, method, uri, uri);
    }
    audited.malformed(cloud, &marked("GET", "/read/../a"), 400, ". or .. segment");
    assert_eq!(status(&cloud.ask_as("no-rule-last", &marked("GET", "/read/a"))), 403);
    cloud.wait_for("connect", 2);
    trusted.wait_for("connect", 1);

    for (method, uri) in
        [("GET", "/read"), ("GET", "/read/a/b"), ("POST", "/write/a"), ("PUT", "/write/a"), ("GET", "/read/")]
    {
        audited.allowed(cloud, method, uri, uri);
    }
    for (uri, normal) in [
        ("/%61", "/a"),
        ("/%7b%7d", "/%7B%7D"),
        ("/read/%7E%2d%c3%a9", "/read/~-%C3%A9"),
        ("/read/a?SECRET=/../%2e%2e//;y\\", "/read/a?SECRET=/../%2e%2e//;y\\"),
        ("/rea%64/not%61?%61", "/read/nota?%61"),
    ] {
        audited.allowed(cloud, "GET", uri, normal);
    }
    for (method, uri) in [
        ("HEAD", "/read/a"),
        ("DELETE", "/read/a"),
        ("X-FORGED", "/read/a"),
        ("GET", "/Read/a"),
        ("GET", "/reader"),
        ("GET", "/read/not"),
        ("GET", "/read/not/a"),
        ("GET", "/write/a"),
        ("POST", "/write"),
        ("POST", "/write/"),
        ("POST", "/write/a/b"),
        ("POST", "/Policy"),
        ("GET", "/a/"),
        ("GET", "/"),
        ("GET", "/trusted"),
    ] {
        audited.refused(cloud, method, uri, uri);
    }
    audited.refused(cloud, "GET", "/rea%64/no%74?SECRET", "/read/not");

    // The one rule that is for the other server group only.
    audited.allowed(trusted, "GET", "/trusted", "/trusted");
    audited.0.last_mut().expect("a call").host_name = "trusted.example.com";

    for (uri, why) in TRICKS {
        audited.malformed(cloud, &marked("GET", uri), 400, why);
    }
    for (headers, why) in FORGED {
        let payload = format!(r#"{{"uri":"/read/a?SECRET","method":"GET","headers":{headers},"parameters":"SECRET"}}"#);
        audited.malformed(cloud, &payload, 400, why);
    }
    for method in ["", "get", "Get", "G T", "GET\r\n", "GET /read/a HTTP/1.1", &"A".repeat(33)] {
        audited.malformed(cloud, &marked(method, "/read/a"), 400, "method");
    }
    for payload in ["{}", r#"{"uri":"/read/a"}"#, r#"{"uri":"/read/not","uri":"/read/a","method":"GET"}"#] {
        audited.malformed(cloud, payload, 400, "payload");
    }
    audited.malformed(cloud, &marked("GET", &format!("/read/{}", "a".repeat(8187))), 414, "longer than 8192");
    let headers = |count: usize, bytes: usize| {
        let headers = (0..count).map(|number| (format!("x-{number}"), "S".repeat(bytes))).collect::<Vec<_>>();
        json!({ "uri": "/read/a", "method": "GET", "headers": Value::from_iter(headers) }).to_string()
    };
    audited.malformed(cloud, &headers(101, 1), 431, "more than 100");
    audited.malformed(cloud, &headers(1, 16385), 431, "too long");

    // Replaced: the next call is under the new rules. Not replaced: it is under the old ones.
    const STILL: &str = "allow POST /policy; allow GET /records; allow DELETE /finish";
    audited.replace(cloud, &format!("deny GET /read/a; allow GET /read/**\nallow GET /new\n{STILL}"), 200);
    audited.refused(cloud, "GET", "/read/a", "/read/a");
    audited.refused(cloud, "GET", "/read/a/", "/read/a/");
    audited.allowed(cloud, "GET", "/read/b", "/read/b");
    audited.allowed(cloud, "GET", "/new", "/new");
    audited.refused(cloud, "PUT", "/write/a", "/write/a");
    for bad in ["allow * /**; permit GET /a", "allow * /**\nallow GET /a/../b", "allow * /**; allow GET /a group"] {
        let answer = audited.replace(cloud, bad, 422);
        assert!(answer["body"].as_str().expect("the last error").contains("rule 2"), "{answer}");
        audited.refused(cloud, "GET", "/read/a", "/read/a");
        audited.allowed(cloud, "GET", "/read/b", "/read/b");
    }
    audited.replace(cloud, STILL, 200);
    audited.refused(cloud, "GET", "/read/b", "/read/b");
    audited.refused(cloud, "GET", "/new", "/new");

    let trail = Trail::read(cloud, "records");
    audited.check(&trail);
    assert_eq!(trail.steps("no-rule-last"), ["refused", "ended 403"]);
    let known = |record: &Value| {
        let id = record["id"].as_str().expect("an id");
        id.starts_with("call-") || id == "records" || id == "no-rule-last"
    };
    assert!(trail.0.iter().all(known), "{:#?}", trail.0);
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
}

fn policy(run: Run) {
    let scratch = Scratch::new("policy");
    let program = test_program(&scratch, "policy");
    let mut cloud = Cloud::start(&scratch, &[]);
    let beside = Scratch::new("policy-trusted");
    let ca = cloud.ca_file();
    let certificates = ca.parent().and_then(Path::to_str).expect("the cloud application's directory");
    let flags = ["--group", "trusted", "--host-name", "trusted.example.com", "--cert-from", certificates];
    let mut trusted = Cloud::start(&beside, &flags);
    let mut command = command(run, &program);
    command.arg(cloud.endpoint_file()).arg(ca).arg(trusted.endpoint_file());
    let program = Program::start("policy", &mut command);
    try_everything(&mut cloud, &mut trusted);
    program.finish_silently();
    cloud.finish();
    trusted.finish();
}

#[test]
fn the_policy_and_the_audit() {
    policy(Run::Bare);
}

#[test]
fn the_policy_and_the_audit_under_valgrind() {
    policy(Run::Valgrind);
}
