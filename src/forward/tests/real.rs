//! Other people's servers: Python's and nginx, the latter over https and over a Unix socket.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{assert_error, call, forwarder, get};

/// A server in a directory of its own; both end with the test.
struct Running {
    child: Child,
    directory: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Short, because a Unix socket's path must be.
fn scratch() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("nbwss-forward-{}-{number}", std::process::id()));
    fs::create_dir_all(&path).expect("a scratch directory");
    path
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

fn start(mut command: Command, directory: PathBuf, port: u16) -> Running {
    let log = fs::File::create(directory.join("output")).expect("a log");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut running = Running { child, directory };
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = running.child.try_wait().expect("its state");
        let output = fs::read_to_string(running.directory.join("output")).unwrap_or_default();
        assert!(ended.is_none() && Instant::now() < deadline, "{command:?}: {ended:?}: {output}");
        sleep(Duration::from_millis(10));
    }
    running
}

#[tokio::test]
async fn python_s_own_server_is_understood() {
    let (directory, port) = (scratch(), free_port());
    fs::write(directory.join("hello.json"), "{\"hello\":1}").unwrap();
    let mut command = Command::new("python3");
    command.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]).current_dir(&directory);
    let _running = start(command, directory, port);
    let forwarder = forwarder(&format!("http://127.0.0.1:{port}"), &[]);
    // It speaks HTTP/1.0 and closes after each answer.
    for _ in 0..3 {
        let response = get(&forwarder, "/hello.json?x=1").await;
        assert_eq!((&response["statusCode"], &response["response"]), (&200.into(), &"{\"hello\":1}".into()));
        assert_eq!(response["headers"]["content-type"], "application/json");
    }
    assert_eq!(get(&forwarder, "/missing").await["statusCode"], 404);
    assert_eq!(call(&forwarder, "POST", "/", Some("{}")).await["statusCode"], 501);
    assert!(call(&forwarder, "HEAD", "/hello.json", None).await.get("response").is_none());
}

/// nginx on a TLS port and on a Unix socket. `$connection` and `$connection_requests` show what is kept alive.
fn nginx(directory: &Path, port: u16) -> Command {
    let dir = directory.display();
    let locations = "
        location /echo { default_type text/plain; return 200 \
            '$request_method $request_uri|$host|$http_authorization|$content_type|$http_x_forwarded_for|$server_protocol'; }
        location /connection { default_type text/plain; return 200 '$connection $connection_requests'; }
        location /none { return 204; }
        location /moved { return 301 /echo; }
        location /unread { client_max_body_size 1k; root /nowhere; }
        location / { root files; dav_methods PUT DELETE; }";
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {dir}/{what};\n"))
        .concat();
    let config = format!(
        "daemon off; master_process off; pid {dir}/pid; error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\n\
         client_max_body_size 64m;\nserver {{ listen 127.0.0.1:{port} ssl; ssl_certificate {dir}/cert.pem; \
         ssl_certificate_key {dir}/key.pem; {locations} }}\n\
         server {{ listen unix:{dir}/rest.sock; {locations} }}\n}}\n"
    );
    fs::write(directory.join("nginx.conf"), config).expect("a configuration");
    // Not on everybody's PATH.
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|path| Path::new(path).exists());
    let mut command = Command::new(program.unwrap_or("nginx"));
    let found = Command::new(command.get_program()).arg("-v").stderr(Stdio::null()).status();
    assert!(found.is_ok(), "nginx is missing: `make deps` installs it");
    command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf")).arg("-e").arg("stderr");
    command
}

/// A self-signed certificate for 127.0.0.1 and localhost.
fn make_certificate(directory: &Path) {
    let config = "[req]\ndistinguished_name=name\nx509_extensions=v3\nprompt=no\n[name]\nCN=rest\n\
                  [v3]\nsubjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=critical,CA:FALSE\n";
    fs::write(directory.join("openssl.cnf"), config).expect("a configuration");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-config", "openssl.cnf", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(directory)
        .output();
    let made = made.unwrap_or_else(|error| panic!("openssl is missing: `make deps` installs it ({error})"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn start_nginx() -> (Running, u16) {
    let (directory, port) = (scratch(), free_port());
    make_certificate(&directory);
    fs::create_dir(directory.join("files")).unwrap();
    let running = start(nginx(&directory, port), directory, port);
    (running, port)
}

#[tokio::test]
async fn nginx_over_https_and_over_a_unix_socket() {
    let (running, port) = start_nginx();
    let ca_file = running.directory.join("cert.pem");
    let trust = [("dispatch.forward.caFile", ca_file.to_str().unwrap())];
    let https = forwarder(&format!("https://127.0.0.1:{port}"), &trust);
    let unix = forwarder(&format!("unix:{}/rest.sock", running.directory.display()), &[]);
    for (forwarder, host) in [(&https, "127.0.0.1"), (&unix, "localhost")] {
        let response = call(forwarder, "PUT", "/echo/a%20b?x=%2F&y", Some("{}")).await;
        let expected = format!("PUT /echo/a%20b?x=%2F&y|{host}|Bearer s3cr3t|application/json||HTTP/1.1");
        assert_eq!((&response["statusCode"], &response["response"]), (&200.into(), &expected.into()));

        let body = "{\"text\":\"☂\"}".repeat(100_000);
        assert_eq!(call(forwarder, "PUT", "/stored.json", Some(&body)).await["statusCode"], 201);
        let stored = get(forwarder, "/stored.json").await;
        assert_eq!(stored["response"].as_str().map(str::len), Some(body.len()));
        assert_eq!(call(forwarder, "DELETE", "/stored.json", None).await["statusCode"], 204);
        assert_eq!(get(forwarder, "/stored.json").await["statusCode"], 404);

        let none = get(forwarder, "/none").await;
        assert_eq!((&none["statusCode"], none.get("response")), (&204.into(), None));
        let moved = get(forwarder, "/moved").await;
        assert_eq!(moved["statusCode"], 301);
        assert!(moved["headers"]["location"].as_str().unwrap().ends_with("/echo"));
        assert!(moved["headers"].get("connection").is_none());
        assert_eq!(call(forwarder, "PUT", "/unread", Some(&body)).await["statusCode"], 413);

        let first = get(forwarder, "/connection").await["response"].as_str().unwrap().to_owned();
        let second = get(forwarder, "/connection").await["response"].as_str().unwrap().to_owned();
        let (first, second) = (first.split_once(' ').unwrap(), second.split_once(' ').unwrap());
        assert_eq!(first.0, second.0, "kept alive");
        assert_ne!(first.1, second.1);
    }
}

#[tokio::test]
async fn only_a_verified_https_server_gets_the_call() {
    let (running, port) = start_nginx();
    let other = scratch();
    make_certificate(&other);
    let other_ca = other.join("cert.pem");
    let stranger =
        forwarder(&format!("https://127.0.0.1:{port}"), &[("dispatch.forward.caFile", other_ca.to_str().unwrap())]);
    assert_error(
        &get(&stranger, "/echo").await,
        502,
        "the certificate is self-signed (CN=rest) and either changed or not the trusted one of this name: set dispatch.",
    );
    let ca_file = running.directory.join("cert.pem");
    let trust = [("dispatch.forward.caFile", ca_file.to_str().unwrap())];
    let named = forwarder(&format!("https://localhost:{port}"), &trust);
    assert_eq!(get(&named, "/echo").await["statusCode"], 200);
    let other_name = forwarder(&format!("https://127.0.0.2:{port}"), &trust);
    assert_error(&get(&other_name, "/echo").await, 502, "cannot be reached");
    // Without TLS nginx says what is wrong, and that goes back.
    assert_eq!(get(&forwarder(&format!("http://127.0.0.1:{port}"), &[]), "/echo").await["statusCode"], 400);
    let _ = fs::remove_dir_all(other);
}
