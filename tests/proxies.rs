//! Real proxies and a real TLS front between the library and the cloud application: squid, tinyproxy, microsocks
//! and nginx. (Odd behaviour of proxies is tested in `src/transport/proxy`, byte by byte.)

#[path = "support/details.rs"]
mod https;
#[path = "support/recorder.rs"]
mod recorder;
#[path = "support/servers.rs"]
mod servers;
mod support;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use https::serve_details;
use nbwss::EventKind;
use nbwss::connector::Phase;
use recorder::{Backup, job, ok};
use servers::Server;
use socket2::{Domain, Socket, Type};
use support::{Cloud, Scratch};

const USER: &str = "backup";
const PASSWORD: &str = "pr0xy-s3cr3t";

#[derive(Clone, Copy, Debug)]
enum Kind {
    Squid,
    Tinyproxy,
    Microsocks,
}

impl Kind {
    fn start(self, with_login: bool) -> Server {
        match self {
            Kind::Squid => squid(with_login),
            Kind::Tinyproxy => tinyproxy(with_login),
            Kind::Microsocks => microsocks(with_login),
        }
    }

    fn url(self, port: u16) -> String {
        let scheme = if matches!(self, Kind::Microsocks) { "socks5" } else { "http" };
        format!("{scheme}://127.0.0.1:{port}")
    }
}

fn squid(with_login: bool) -> Server {
    let login = "auth_param basic program /usr/lib/squid/basic_ncsa_auth {dir}/passwd\n\
                 acl users proxy_auth REQUIRED\nhttp_access allow users\nhttp_access deny all\n";
    let config = format!(
        "http_port 127.0.0.1:{{port}}\npid_filename none\naccess_log none\ncache_log /dev/null\ncoredump_dir none\n\
         cache deny all\ncache_mem 8 MB\nnetdb_filename none\npinger_enable off\nshutdown_lifetime 0 seconds\n\
         visible_hostname localhost\n{}",
        if with_login { login } else { "http_access allow all\n" }
    );
    let hash = Command::new("openssl").args(["passwd", "-apr1", PASSWORD]).output();
    let hash = hash.unwrap_or_else(|error| panic!("openssl is missing: `make deps` installs it ({error})"));
    let passwd = format!("{USER}:{}", String::from_utf8(hash.stdout).expect("a hash"));
    // Its name is that of its shared memory, too.
    let arguments = ["-N", "-n", "nbwss{port}", "-f", "{dir}/squid.conf"];
    Server::start("squid", &arguments, &[("squid.conf", &config), ("passwd", &passwd)])
}

fn tinyproxy(with_login: bool) -> Server {
    let login = if with_login { format!("BasicAuth {USER} {PASSWORD}\n") } else { String::new() };
    let config = format!("Port {{port}}\nListen 127.0.0.1\nTimeout 600\nMaxClients 20\n{login}");
    Server::start("tinyproxy", &["-d", "-c", "{dir}/tinyproxy.conf"], &[("tinyproxy.conf", &config)])
}

fn microsocks(with_login: bool) -> Server {
    let login: &[&str] = if with_login { &["-u", USER, "-P", PASSWORD] } else { &[] };
    Server::start("microsocks", &[&["-i", "127.0.0.1", "-p", "{port}"], login].concat(), &[])
}

/// Nothing that the host was told holds the password, neither plain nor as HTTP sends it.
fn assert_no_password(backup: &Backup) {
    let texts: Vec<String> = backup.host.look(|seen| {
        let events = seen.events.iter().map(|told| format!("{:?}", told.event));
        events.chain(seen.log.iter().map(|line| line.text.clone())).collect()
    });
    let encoded = data_encoding::BASE64.encode(format!("{USER}:{PASSWORD}").as_bytes());
    let leak = texts.iter().find(|text| text.contains(PASSWORD) || text.contains(&encoded));
    assert!(leak.is_none() && !texts.is_empty(), "{leak:?}");
}

/// A session through the proxy, which then dies and comes back, and the session with it.
fn session_through(kind: Kind, with_login: bool) {
    let scratch = Scratch::new("proxy");
    let mut cloud = Cloud::start(&scratch, &[]);
    let mut proxy = kind.start(with_login);
    let url = kind.url(proxy.port);
    let mut settings = vec![("proxy.url", url.as_str()), ("connectionInfo.period", "1")];
    if with_login {
        settings.extend([("proxy.user", USER), ("proxy.password", PASSWORD)]);
    }
    let backup = Backup::connected(&cloud, &settings, ok);
    assert_eq!(cloud.ask("GET", "/through", "")["statusCode"], 200);
    let step = backup.host.logged("proxy (127.0.0.1:").text;
    assert!(step.contains("done in"), "{step}");

    proxy.die();
    backup.host.event(EventKind::Disconnected, 1);
    // An attempt while it was dying may have failed otherwise.
    let refused = format!("TCP connection to 127.0.0.1:{} failed: Connection refused", proxy.port);
    backup
        .host
        .wait_until(&refused, |seen| seen.events.iter().any(|told| told.event.reason.contains(&refused)).then_some(()));
    backup.connector.notify_job(&job(1)).expect("accepted");
    proxy.come_back();
    backup.host.event(EventKind::Established, 2);
    backup.all_delivered(1);
    assert_eq!(cloud.ask("GET", "/again", "")["connection"], 2);
    backup.stop();
    assert_no_password(&backup);
    cloud.finish();
}

#[test]
fn a_session_through_squid() {
    session_through(Kind::Squid, false);
}

#[test]
fn a_session_through_squid_with_a_login() {
    session_through(Kind::Squid, true);
}

#[test]
fn a_session_through_tinyproxy() {
    session_through(Kind::Tinyproxy, false);
}

#[test]
fn a_session_through_tinyproxy_with_a_login() {
    session_through(Kind::Tinyproxy, true);
}

#[test]
fn a_session_through_microsocks() {
    session_through(Kind::Microsocks, false);
}

#[test]
fn a_session_through_microsocks_with_a_login() {
    session_through(Kind::Microsocks, true);
}

/// What each proxy says to a wrong password, and to none, becomes the same two errors (tinyproxy says 401 where it
/// means 407), and the endpoint sees nobody.
#[test]
fn a_refused_login_and_a_missing_one_are_told_apart() {
    for kind in [Kind::Squid, Kind::Tinyproxy, Kind::Microsocks] {
        let scratch = Scratch::new("login");
        let cloud = Cloud::start(&scratch, &[]);
        let proxy = kind.start(true);
        let url = kind.url(proxy.port);
        let fails = |more: &[(&str, &str)]| {
            let settings = [&[("proxy.url", url.as_str())], more].concat();
            let backup = Backup::beside(&cloud, &settings, ok);
            backup.connector.start().expect("it starts");
            let reason = backup.host.event(EventKind::ConnectFailed, 1).event.reason;
            let start = format!("the proxy 127.0.0.1:{} gives no connection to localhost:", proxy.port);
            assert!(reason.starts_with(&start), "{kind:?}: {reason}");
            backup.stop();
            assert_no_password(&backup);
            backup.host.look(|seen| {
                let shown = seen.log.iter().any(|line| line.text.contains("wr0ng-pass"));
                assert!(!shown, "{:?}", seen.log);
            });
            reason
        };
        let wrong = fails(&[("proxy.user", USER), ("proxy.password", "wr0ng-pass")]);
        assert!(wrong.contains("it refused the user name or password (proxy.user, proxy.password)"), "{wrong}");
        let missing = fails(&[]);
        assert!(missing.contains("it asks for a user name and password (proxy.user, proxy.password)"), "{missing}");
        assert!(cloud.events().iter().all(|event| event["event"] != "connected"), "{:?}", cloud.events());
        cloud.finish();
    }
}

/// An endpoint that no proxy can reach is told with the proxy's own reason.
#[test]
fn a_proxy_that_cannot_reach_the_endpoint_says_so() {
    let unused = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    unused.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    let port = unused.local_addr().expect("an address").as_socket().expect("an IP address").port();
    let details = format!(
        r#"{{"hostName":"h","url":"wss://localhost:{port}/","groupId":"g","priority":1,"token":"t0ken-t0ken"}}"#
    );
    let scratch = Scratch::new("unreached");
    let cloud = Cloud::start(&scratch, &[]);
    for (kind, part) in [
        (Kind::Squid, "it answered HTTP 503: it is overloaded, or cannot find or reach the endpoint"),
        (Kind::Tinyproxy, "it answered HTTP 500"),
        (Kind::Microsocks, "it answered SOCKS reply 5: the endpoint refused its connection"),
    ] {
        let proxy = kind.start(false);
        let backup = Backup::new(Some(&cloud.ca_file()), &[("proxy.url", &kind.url(proxy.port))], ok);
        backup.connector.add_endpoints_json(&details).expect("good endpoint details");
        backup.connector.start().expect("it starts");
        let reason = backup.host.event(EventKind::ConnectFailed, 1).event.reason;
        assert!(reason.contains(part), "{kind:?}: {reason}");
        backup.stop();
    }
    cloud.finish();
}

/// What an administrator looks at is looked at by the way that sessions take, and no password is shown.
#[test]
fn validation_and_diagnosis_go_through_the_proxy_too() {
    for kind in [Kind::Squid, Kind::Microsocks] {
        let scratch = Scratch::new("inspected");
        let cloud = Cloud::start(&scratch, &[]);
        let proxy = kind.start(true);
        let url = kind.url(proxy.port);
        let settings = [("proxy.url", url.as_str()), ("proxy.user", USER), ("proxy.password", PASSWORD)];
        let backup = Backup::beside(&cloud, &settings, ok);
        let endpoint = backup.connector.endpoints().expect("a list").remove(0).details;
        let validated = backup.connector.validate(endpoint.url.as_str(), endpoint.tls).expect("an inspection");
        let diagnosed = backup.connector.diagnose(&endpoint.host_name, true).expect("an inspection");
        for inspection in [validated, diagnosed] {
            assert!(inspection.failure.is_none() && inspection.trusted == Some(Ok(())), "{kind:?}: {inspection}");
            let peer = format!("127.0.0.1:{}", proxy.port);
            let step = inspection.steps.iter().find(|step| step.phase == Phase::Proxy);
            assert!(step.is_some_and(|step| step.peer.contains(&peer)), "{kind:?}: {inspection}");
            assert!(!format!("{inspection} {inspection:?}").contains(PASSWORD), "{inspection}");
        }
        cloud.finish();
    }
}

/// Endpoint details are fetched by the way that sessions take, too.
#[test]
fn endpoint_details_come_through_the_proxy() {
    for kind in [Kind::Squid, Kind::Microsocks] {
        let scratch = Scratch::new("fetched");
        let cloud = Cloud::start(&scratch, &[]);
        let mut proxy = kind.start(true);
        let url = kind.url(proxy.port);
        let settings = [("proxy.url", url.as_str()), ("proxy.user", USER), ("proxy.password", PASSWORD)];
        let details = fs::read_to_string(cloud.endpoint_file()).expect("endpoint details");
        let details_url = format!("https://localhost:{}/details", serve_details(&cloud, details, 2));
        let backup = Backup::new(Some(&cloud.ca_file()), &settings, ok);
        backup.connector.add_endpoints_url(&details_url).expect("good endpoint details");
        backup.connector.start().expect("it starts");
        backup.host.event(EventKind::Established, 1);
        backup.stop();
        // That was no way past the proxy: without it there is none.
        proxy.die();
        let error = backup.connector.fetch_endpoints(&details_url).map(drop).expect_err("no proxy");
        let error = error.to_string();
        assert!(error.contains(&format!("127.0.0.1:{}", proxy.port)) && !error.contains(PASSWORD), "{error}");
        cloud.finish();
    }
}

/// A host that `proxy.noProxy` names is dialled past the proxy, which is not even there.
#[test]
fn no_proxy_goes_past_the_proxy() {
    let scratch = Scratch::new("bypass");
    let mut cloud = Cloud::start(&scratch, &[]);
    let settings = [("proxy.url", "http://proxy.invalid:3128"), ("proxy.noProxy", "example.com, localhost")];
    let backup = Backup::connected(&cloud, &settings, ok);
    assert_eq!(cloud.ask("GET", "/past", "")["statusCode"], 200);
    backup.stop();
    let other = [("proxy.url", "http://proxy.invalid:3128"), ("proxy.noProxy", "example.com")];
    let backup = Backup::beside(&cloud, &other, ok);
    backup.connector.start().expect("it starts");
    let reason = backup.host.event(EventKind::ConnectFailed, 1).event.reason;
    assert!(reason.starts_with("name resolution of proxy.invalid failed"), "{reason}");
    backup.stop();
    cloud.finish();
}

/// nginx with the cloud application's own certificate in front of it. It cuts what is silent for two seconds.
fn nginx_before(cloud: &Cloud) -> (Server, String) {
    let details = fs::read_to_string(cloud.endpoint_file()).expect("endpoint details");
    let parsed: serde_json::Value = serde_json::from_str(&details).expect("JSON");
    let url = parsed["url"].as_str().expect("a URL").to_owned();
    let behind = url.replace("wss://", "").split('/').next().expect("an authority").to_owned();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {{dir}}/{what};\n"))
        .concat();
    let config = format!(
        "daemon off; master_process off; pid {{dir}}/pid; error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
         {temporary}\nserver {{ listen 127.0.0.1:{{port}} ssl; ssl_certificate server.pem; \
         ssl_certificate_key server.key;\nlocation / {{ proxy_pass https://{behind}; proxy_http_version 1.1; \
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_read_timeout 2s; }} }}\n}}\n"
    );
    let read = |name: &str| fs::read_to_string(cloud.ca_file().with_file_name(name)).expect(name);
    let files = [("nginx.conf", config), ("server.pem", read("server.pem")), ("server.key", read("server.key"))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let arguments = ["-p", "{dir}", "-c", "{dir}/nginx.conf", "-e", "stderr"];
    let nginx = Server::start("nginx", &arguments, &files);
    let front = format!("localhost:{}", nginx.port);
    (nginx, details.replace(&behind, &front))
}

/// Pings keep a session through nginx alive for longer than it lets a silent one live; without them it is cut with no
/// close frame, and comes back.
#[test]
fn nginx_in_front_cuts_only_what_is_silent_and_the_session_comes_back() {
    let scratch = Scratch::new("front");
    let mut cloud = Cloud::start(&scratch, &[]);
    let (_nginx, details) = nginx_before(&cloud);
    let ca_file = cloud.ca_file();
    let connect = |rate: &str| {
        let backup = Backup::new(Some(&ca_file), &[("keepAlive.scheduledRate", rate)], ok);
        backup.connector.add_endpoints_json(&details).expect("good endpoint details");
        backup.connector.start().expect("it starts");
        backup.host.event(EventKind::Established, 1);
        backup
    };
    let backup = connect("1");
    cloud.wait_until("four pings on one connection", |events| {
        (events.iter().filter(|event| event["event"] == "ping" && event["connection"] == 1).count() >= 4).then_some(())
    });
    assert_eq!(cloud.ask("GET", "/alive", "")["connection"], 1);
    backup.stop();

    let backup = connect("30");
    let start = Instant::now();
    let end = backup.host.event(EventKind::Disconnected, 1);
    assert!(end.event.reason.contains("without a close frame"), "{:?}", end.event);
    let took = end.at - start;
    assert!((Duration::from_secs(1)..Duration::from_secs(6)).contains(&took), "cut after {took:?}");
    backup.host.event(EventKind::Established, 2);
    backup.connector.notify_job(&job(1)).expect("accepted");
    backup.all_delivered(1);
    backup.stop();
    cloud.finish();
}
