//! The administrator's dialog in `examples/endpoints.c`: compiled as a host programmer would, and led through from
//! the first look at endpoint details to the endpoint's removal, against a cloud application.

#[path = "support/details.rs"]
mod https;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use https::serve_details;
use serde_json::Value;
use support::{Cloud, DEADLINE, Program, Scratch, compile_c, root};

const HOST: &str = "cloud.example.com";
/// Pauses are drawn from a whole hour: what is dialled within a test was dialled because somebody did something.
const NEVER: &str = "connectionInfo.period=3600\nconnect.backoffBase=3600000\n";

fn compile(scratch: &Scratch) -> PathBuf {
    compile_c(scratch, "endpoints", &[root().join("examples/endpoints.c")])
}

/// The program under way, killed if it is dropped before its end.
struct Dialog {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    /// Everything it said so far.
    said: Vec<String>,
    /// Its events, as far as they were not awaited yet.
    events: Vec<String>,
}

impl Dialog {
    fn start(mut command: Command) -> Dialog {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("the dialog starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Dialog { child, stdin, lines, said: Vec::new(), events: Vec::new() }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("the dialog reads");
    }

    fn next_line(&mut self) -> String {
        let line = self.lines.recv_timeout(DEADLINE);
        let line = line.unwrap_or_else(|_| panic!("the dialog says no more than {:#?}", self.said));
        self.said.push(line.clone());
        line
    }

    /// Types a command and gives the answer, the line `ok` or `error` at its end included.
    fn tell(&mut self, line: &str) -> String {
        self.type_line(line);
        let mut answer = String::new();
        loop {
            let line = self.next_line();
            if line.starts_with("event ") {
                self.events.push(line);
                continue;
            }
            let is_last = line == "ok" || line.starts_with("error: ");
            answer += &(line + "\n");
            if is_last {
                return answer;
            }
        }
    }

    /// Types a command that must be done, and gives the answer.
    fn ok(&mut self, line: &str) -> String {
        let answer = self.tell(line);
        assert!(answer.ends_with("ok\n") && !answer.contains("error: "), "{line}: {answer}");
        answer
    }

    /// Types a command that must not be done; all these words are in the answer.
    fn refused(&mut self, line: &str, words: &[&str]) {
        let answer = self.tell(line);
        assert!(!answer.ends_with("ok\n"), "{line}: {answer}");
        assert_has(&answer, words);
    }

    /// Waits for an event with these words. Those before it are passed over.
    fn event(&mut self, words: &str) -> String {
        loop {
            let line = if self.events.is_empty() { self.next_line() } else { self.events.remove(0) };
            assert!(line.starts_with("event "), "{line}");
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Ends it, and gives everything it said.
    fn quit(mut self) -> String {
        self.type_line("quit");
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            self.said.push(line);
        }
        let status = self.child.wait().expect("an exit status");
        assert!(status.success(), "{status}: {:#?}", self.said);
        self.said.join("\n")
    }
}

impl Drop for Dialog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn assert_has(text: &str, words: &[&str]) {
    for words in words {
        assert!(text.contains(words), "{words} should be in: {text}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn details(cloud: &Cloud) -> Value {
    serde_json::from_str(&fs::read_to_string(cloud.endpoint_file()).expect("endpoint.json")).expect("JSON")
}

fn token(cloud: &Cloud) -> String {
    details(cloud)["token"].as_str().expect("a token").to_owned()
}

fn url(cloud: &Cloud) -> String {
    details(cloud)["url"].as_str().expect("a URL").to_owned()
}

/// How often a line holds this text.
fn times(text: &str, part: &str) -> usize {
    text.lines().filter(|line| line.contains(part)).count()
}

/// Waits until the connector has closed the number-th session (counted from 1) with a close frame.
fn await_goodbye(cloud: &Cloud, number: usize) {
    let established = cloud.wait_for("connect", number);
    let closed = cloud.wait_until("its end", |events| {
        let ended = |event: &&Value| event["event"] == "closed" && event["connection"] == established["connection"];
        events.iter().find(ended).cloned()
    });
    assert_eq!((&closed["code"], &closed["by"]), (&Value::from(1000), &Value::from("connector")), "{closed}");
}

/// What openssl says of a certificate: an opinion of its own.
fn openssl_fingerprint(certificate: &Path) -> String {
    let arguments = ["x509", "-noout", "-fingerprint", "-sha256", "-in", path(certificate)];
    let output = Command::new("openssl").args(arguments).output().expect("openssl (make deps installs it)");
    let text = String::from_utf8(output.stdout).expect("text");
    text.trim().split_once('=').expect("a fingerprint").1.replace(':', "").to_lowercase()
}

fn with_properties(scratch: &Scratch, mut command: Command) -> Command {
    let file = scratch.join("never.properties");
    fs::write(&file, NEVER).expect("a properties file");
    command.arg("--properties").arg(file);
    command
}

/// From details in a file to the endpoint's removal. Nothing waits for a timer: with pauses of an hour, all that is
/// dialled is dialled at once.
fn lead_through(scratch: &Scratch, command: Command) {
    let mut cloud = Cloud::start(scratch, &[]);
    let (token, url) = (token(&cloud), url(&cloud));
    let mut dialog = Dialog::start(with_properties(scratch, command));
    assert!(times(&dialog.ok("help"), "HOST") >= 8);
    dialog.refused("", &["no such command"]);
    dialog.refused("file /nonexistent/endpoint.json", &["NBWSS_IO", "/nonexistent/endpoint.json"]);
    for command in ["validate", "accept ca", "add", "token"] {
        dialog.refused(command, &["nothing was "]);
    }
    assert_eq!(dialog.ok("list"), "ok\n");

    let read = dialog.ok(&format!("file {}", path(&cloud.endpoint_file())));
    assert_has(&read, &[HOST, &url, "group     cloud, priority 1"]);
    assert!(!read.contains(&token));
    assert_eq!(dialog.ok("token"), format!("{token}\nok\n"));

    let seen = dialog.ok("validate");
    let fingerprint = openssl_fingerprint(&cloud.ca_file().with_file_name("server.pem"));
    assert_has(&seen, &["certificate 0: CN=Example cloud application\n", "issuer    CN=Example cloud application CA"]);
    assert_has(&seen, &["DNS:localhost", "certificate 1: ", "ECDSA P-256", " valid     from 2", &fingerprint]);
    assert_has(&seen, &["NOT TRUSTED: the certificate's issuer CN=Example cloud application CA is not trusted"]);
    assert_has(&seen, &["then accept: ca pin certificate", &openssl_fingerprint(&cloud.ca_file())]);
    dialog.refused("accept everything", &["ca, pin or certificate"]);
    dialog.ok("accept ca");
    assert_has(&dialog.ok("validate"), &["\ntrusted, TLS 1.3\n"]);

    assert_has(&dialog.ok("health"), &["well: 0 of 0 groups", "0 of 0 endpoints"]);
    dialog.ok("add");
    dialog.refused("add", &["NBWSS_DUPLICATE_ENDPOINT", HOST]);
    let listed = dialog.ok("list");
    assert_has(
        &listed,
        &[HOST, "ACTIVATED, DISCONNECTED since 2", "dialled   0 times", "accepted certificate authority"],
    );
    assert_has(&dialog.ok("health"), &["well: 0 of 0 groups", "1 of 1 endpoints"]);
    dialog.ok("start");
    dialog.event("established");
    assert_has(&dialog.ok("list"), &["ACTIVATED, CONNECTED since 2", "dialled   1 times, 1 sessions", "heard     "]);
    assert_has(&dialog.ok("health"), &["well: 1 of 1 groups", "1 of 1 endpoints activated, 0 refused"]);

    // A second connection beside the session.
    let walked = dialog.ok(&format!("diagnose {HOST} connect"));
    for step in ["name resolution", "TCP connection", "TLS handshake", "WebSocket upgrade", "CONNECT"] {
        assert!(walked.lines().any(|line| line.contains(step) && line.contains("done in ")), "{step}: {walked}");
    }
    await_goodbye(&cloud, 2);
    assert!(!dialog.ok(&format!("diagnose {HOST}")).contains("CONNECT"));

    dialog.ok(&format!("deactivate {HOST}"));
    assert_has(&dialog.event("disconnected"), &["stopped"]);
    await_goodbye(&cloud, 1);
    let listed = dialog.ok(&format!("show {HOST}"));
    assert_has(&listed, &["DEACTIVATED, DISCONNECTED"]);
    assert!(!listed.contains("heard") && !listed.contains("next "), "{listed}");
    assert_has(&dialog.ok("health"), &["well: 0 of 0 groups", "0 of 1 endpoints"]);
    dialog.ok(&format!("activate {}", HOST.to_uppercase()));
    dialog.event("established");
    dialog.ok(&format!("reconnect {HOST}"));
    dialog.event("disconnected");
    dialog.event("established");
    await_goodbye(&cloud, 3);
    dialog.refused(&format!("priority {HOST} -3"), &["NBWSS_ENDPOINT_BAD_PRIORITY"]);
    dialog.refused(&format!("priority {HOST} high"), &["priority HOST N"]);
    dialog.ok(&format!("priority {HOST} 3"));
    assert_has(&dialog.ok("list"), &["priority 3", "CONNECTED since", "dialled   3 times, 3 sessions"]);

    // The cloud application goes away for a moment: said to be so, and the next attempt is planned.
    cloud.type_line("close 1012");
    dialog.event("disconnected");
    assert_has(&dialog.ok("list"), &["ACTIVATED, DISCONNECTED", "next      in ", "error     2", "1012"]);
    assert_has(&dialog.ok("health"), &["NOT WELL: 0 of 1 groups"]);
    dialog.ok(&format!("reconnect {HOST}"));
    dialog.event("established");
    dialog.ok(&format!("remove {HOST}"));
    dialog.event("disconnected");
    await_goodbye(&cloud, 5);
    assert_eq!(dialog.ok("list"), "ok\n");
    dialog.refused(&format!("activate {HOST}"), &["NBWSS_NOT_FOUND", HOST]);
    dialog.ok("add");
    dialog.event("established");
    dialog.ok("stop");
    await_goodbye(&cloud, 6);
    let said = dialog.quit();
    assert_eq!(times(&said, &token), 1, "only \"token\" shows the token: {said}");
    cloud.finish();
}

#[test]
fn from_details_in_a_file_to_the_endpoints_removal() {
    let scratch = Scratch::new("dialog");
    let program = compile(&scratch);
    lead_through(&scratch, Command::new(program));
}

#[test]
fn the_dialog_is_clean_under_valgrind() {
    let scratch = Scratch::new("dialog");
    let program = compile(&scratch);
    lead_through(&scratch, support::valgrind(&program));
}

/// A directory for `--cert-from` with a self-signed certificate as `openssl req -x509` makes it: CA:TRUE, so that it is
/// none that an authority could vouch for.
fn self_signed(scratch: &Scratch) -> PathBuf {
    let dir = scratch.join("self-signed");
    fs::create_dir(&dir).expect("a directory");
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    for (name, text) in [("ca.pem", &certificate), ("server.pem", &certificate), ("server.key", &key.serialize_pem())] {
        fs::write(dir.join(name), text).expect("a file");
    }
    dir
}

#[test]
fn a_self_signed_endpoint_is_pinned_and_a_wrong_pin_refused() {
    let scratch = Scratch::new("dialog-pins");
    let (here, elsewhere) = (Scratch::new("dialog-pins-here"), Scratch::new("dialog-pins-elsewhere"));
    let dir = self_signed(&scratch);
    let cloud = Cloud::start(&here, &["--cert-from", path(&dir)]);
    let other = Cloud::start(&elsewhere, &[]);
    let mut dialog = Dialog::start(with_properties(&scratch, Command::new(compile(&scratch))));
    dialog.ok("start");
    dialog.ok(&format!("file {}", path(&cloud.endpoint_file())));

    dialog.ok(&format!("validate {}", url(&other)));
    dialog.ok("accept pin");
    assert_has(&dialog.ok("validate"), &["NOT TRUSTED: ", "pin"]);
    dialog.ok("add");
    assert_has(&dialog.event("cannot connect"), &["TLS with localhost failed", "pin"]);
    let listed = dialog.ok("list");
    assert_has(&listed, &["ACTIVATED, DISCONNECTED", "error     2", "TLS with localhost failed", "pin       spki:"]);
    dialog.refused(&format!("diagnose {HOST} connect"), &["TLS with localhost failed", "pin"]);

    assert_has(&dialog.ok("validate"), &["NOT TRUSTED: ", "then accept: pin certificate"]);
    dialog.refused("accept ca", &["no certificate authority"]);
    for what in ["pin", "certificate"] {
        dialog.ok(&format!("accept {what}"));
        assert_has(&dialog.ok("validate"), &["\ntrusted, TLS 1.3\n"]);
        dialog.ok(&format!("trust {HOST}"));
        dialog.event("established");
    }
    let pin = format!("pin       certificate:{}", openssl_fingerprint(&dir.join("server.pem")));
    assert_has(&dialog.ok("list"), &["ACTIVATED, CONNECTED", &pin]);
    await_goodbye(&cloud, 1);
    let said = dialog.quit();
    assert_eq!(times(&said, &token(&cloud)), 0, "{said}");
    cloud.finish();
    other.finish();
}

#[test]
fn a_token_that_is_refused_is_replaced() {
    let scratch = Scratch::new("dialog-tokens");
    let cloud = Cloud::start(&scratch, &["--token", "the-token-of-today"]);
    let old = scratch.join("old.json");
    let text = fs::read_to_string(cloud.endpoint_file()).expect("endpoint.json");
    fs::write(&old, text.replace("the-token-of-today", "the-token-of-yesterday")).expect("a file");
    let mut dialog = Dialog::start(with_properties(&scratch, Command::new(compile(&scratch))));
    dialog.ok("start");
    dialog.ok(&format!("file {}", path(&old)));
    dialog.ok("validate");
    dialog.ok("accept ca");
    dialog.ok("add");
    dialog.event("token refused");
    assert_has(&dialog.ok("list"), &["ACTIVATED, REFUSED since 2", "next      in ", "error     2"]);
    assert_has(&dialog.ok("health"), &["NOT WELL: 0 of 1 groups", "1 refused"]);
    dialog.refused(&format!("diagnose {HOST} connect"), &["CONNECT", "token"]);
    dialog.ok(&format!("diagnose {HOST}"));

    dialog.refused(&format!("settoken {HOST}\n"), &["NBWSS_ENDPOINT_MISSING", "token"]);
    assert_has(&dialog.ok("list"), &["REFUSED"]);
    dialog.ok(&format!("settoken {HOST}\nthe-token-of-today"));
    dialog.event("established");
    assert_has(&dialog.ok("list"), &["ACTIVATED, CONNECTED since 2"]);
    assert_has(&dialog.ok("health"), &["well: 1 of 1 groups", "0 refused"]);
    let said = dialog.quit();
    assert_eq!(times(&said, "the-token-of"), 0, "{said}");
    cloud.finish();
}

#[test]
fn details_come_from_an_https_url() {
    let scratch = Scratch::new("dialog-url");
    let cloud = Cloud::start(&scratch, &[]);
    let port = serve_details(&cloud, details(&cloud).to_string(), 2);
    let program = compile(&scratch);
    let link = format!("url https://localhost:{port}/details?secret=s3cr3t");
    let mut stranger = Dialog::start(Command::new(&program));
    stranger.refused(&link, &["NBWSS_FETCH_FAILED", "is not trusted"]);
    stranger.refused("url http://localhost:1/", &["NBWSS_FETCH_FAILED", "https://"]);
    let mut said = stranger.quit();

    let mut command = Command::new(program);
    command.arg("--ca").arg(cloud.ca_file());
    let mut dialog = Dialog::start(command);
    assert_has(&dialog.ok(&link), &[HOST, &url(&cloud), "group     cloud, priority 1"]);
    assert_has(&dialog.ok("validate"), &["\ntrusted, TLS 1.3\n"]);
    dialog.ok("add");
    dialog.ok("start");
    dialog.event("established");
    said += &dialog.quit();
    assert_eq!(times(&said, &token(&cloud)) + times(&said, "s3cr3t"), 0, "{said}");
    cloud.finish();
}

/// The same in one call of the library.
#[test]
fn endpoints_are_added_from_an_https_url() {
    let scratch = Scratch::new("add-url");
    let cloud = Cloud::start(&scratch, &[]);
    let second = details(&cloud).to_string().replace(HOST, "second.example.com");
    let port = serve_details(&cloud, format!("[{}, {second}]", details(&cloud)), 1);
    let program = compile_c(&scratch, "add_url", &[root().join("tests/c/add_url.c")]);
    let url = format!("https://localhost:{port}/details");
    let mut command = Command::new(program);
    command.args([&url, path(&cloud.ca_file()), HOST, "second.example.com"]);
    Program::start("add_url", &mut command).finish_silently();
    cloud.finish();
}

/// The variables of the environment that name a proxy are somebody else's until the host asks for them.
#[test]
fn a_proxy_comes_from_the_environment_only_where_the_host_asks_for_it() {
    let scratch = Scratch::new("environment");
    let cloud = Cloud::start(&scratch, &[]);
    let program = compile(&scratch);
    let asking = scratch.join("asking.properties");
    fs::write(&asking, "proxy.fromEnvironment=true\n").expect("a file");
    let validate = format!("validate {}", url(&cloud));
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let look = |options: &[&str]| {
            let mut command = Command::new(&program);
            for other in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
                command.env_remove(other);
            }
            command.env(variable, "http://127.0.0.1:9").args(options).arg(&validate).stdin(Stdio::null());
            command.output().expect("the dialog runs")
        };
        let ignored = look(&[]);
        assert!(ignored.status.success(), "{variable}: {}", said(&ignored));
        let taken = look(&["--properties", path(&asking)]);
        assert_eq!(taken.status.code(), Some(1), "{variable}: {}", said(&taken));
        assert_has(&said(&taken), &["error: ", "127.0.0.1:9"]);
    }
    cloud.finish();
}

/// Runs the program with commands as arguments.
fn at_once(program: &Path, options: &[&str], commands: &[&str]) -> Output {
    Command::new(program).args(options).args(commands).stdin(Stdio::null()).output().expect("the dialog runs")
}

fn said(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn endpoints_survive_in_a_database_that_only_its_key_opens() {
    let scratch = Scratch::new("dialog-store");
    let cloud = Cloud::start(&scratch, &[]);
    let program = compile(&scratch);
    let [store, key, wrong, short] = ["endpoints.db", "key", "wrong", "short"].map(|name| scratch.join(name));
    fs::write(&key, [7; 32]).expect("a key");
    fs::write(&wrong, [8; 32]).expect("a key");
    fs::write(&short, [7; 31]).expect("a key");
    let options = |key| ["--store", path(&store), "--key", path(key)];

    let file = format!("file {}", path(&cloud.endpoint_file()));
    let added = at_once(&program, &options(&key), &[&file, "validate", "accept ca", "add", "list"]);
    assert!(added.status.success(), "{}", said(&added));
    let bytes = fs::read(&store).expect("the database");
    let token = token(&cloud);
    assert!(!bytes.windows(token.len()).any(|bytes| bytes == token.as_bytes()), "the token is encrypted");

    for (key, words) in [(&wrong, "NBWSS_STORE_KEY: "), (&short, "NBWSS_INVALID_ARGUMENT: key: is 31 bytes")] {
        let refused = at_once(&program, &options(key), &["list"]);
        assert_eq!(refused.status.code(), Some(1));
        assert_has(&said(&refused), &[words]);
    }
    let refused = at_once(&program, &["--store", path(&store)], &["list"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_has(&said(&refused), &["NBWSS_STORE_KEY: ", path(&store)]);

    // Nothing was lost by that: it is there again, trust and all, and connects again.
    let mut command = Command::new(&program);
    command.args(options(&key));
    let mut dialog = Dialog::start(command);
    assert_has(&dialog.ok("list"), &[HOST, "ACTIVATED, DISCONNECTED", "an accepted certificate authority"]);
    let second = at_once(&program, &options(&key), &["list"]);
    assert_eq!(second.status.code(), Some(1));
    assert_has(&said(&second), &["NBWSS_STORE_IN_USE: ", path(&store)]);
    dialog.ok("start");
    dialog.event("established");
    dialog.ok(&format!("deactivate {HOST}"));
    let mut all = dialog.quit();
    let later = at_once(&program, &options(&key), &["list", &format!("remove {HOST}")]);
    assert_has(&said(&later), &["DEACTIVATED, DISCONNECTED"]);
    assert_eq!(said(&at_once(&program, &options(&key), &["list"])), "ok\n");
    all += &said(&later);
    assert_eq!(times(&(said(&added) + &all), &token), 0, "{all}");
    cloud.finish();
}

#[test]
fn options_and_commands_that_cannot_be_are_told() {
    let scratch = Scratch::new("dialog-options");
    let program = compile(&scratch);
    let properties = scratch.join("nbwss.properties");
    fs::write(&properties, "keepAlive.scheduledRate=5\r\nkey.of.tomorrow=1\r\n").expect("a file");
    let loaded = at_once(&program, &["--properties", path(&properties)], &["health"]);
    assert!(loaded.status.success());
    assert_has(&said(&loaded), &["unknown keys in ", "\nline 2: key.of.tomorrow\n", "well: 0 of 0 groups"]);
    fs::write(&properties, "\nkeepAlive.scheduledRate=never\n").expect("a file");
    for (options, words) in [
        (["--properties", path(&properties)], "NBWSS_INVALID_VALUE: "),
        (["--properties", path(&properties)], "line 2: setting keepAlive.scheduledRate"),
        (["--proxy", "ftp://proxy.example.com"], "NBWSS_INVALID_VALUE: "),
        (["--ca", "/nonexistent/ca.pem"], "NBWSS_IO: "),
        (["--key", "/nonexistent/key"], "--key: "),
        (["--color", "red"], "no such option"),
    ] {
        let refused = at_once(&program, &options, &["list"]);
        assert_eq!(refused.status.code(), Some(1), "{options:?}");
        assert_has(&said(&refused), &[words]);
    }
    // A way that is closed is told in its step; a command that fails ends those that were given as arguments.
    let closed = at_once(&program, &["--proxy", "http://127.0.0.1:1"], &["validate wss://localhost:2/", "list"]);
    assert_eq!(closed.status.code(), Some(1));
    assert_has(&said(&closed), &["error: ", "127.0.0.1:1"]);
    assert!(!said(&closed).contains("ok\n"));
}
