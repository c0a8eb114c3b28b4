//! A cloud application for host developers to test against: a WebSocket server over TLS that speaks the
//! endpoint's side of the protocol. Written from the protocol alone, without the library, so that each
//! checks the other.
#![forbid(unsafe_code)]

mod app;
mod args;
mod certs;
mod check;
mod files;
mod opening;
mod perform;
mod script;
mod session;
mod transcript;
mod wire;

use app::{App, Order};
use args::Options;
use certs::Certificates;
use serde_json::json;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A failing accept (too many open files, say) is tried again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let options = match args::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            let help = format!("{}\nCommands:\n{}\n", args::HELP, script::HELP);
            // A reader may have seen enough.
            let _ = std::io::stdout().write_all(help.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(why) => return refuse(&why),
    };
    let steps = match read_script(&options) {
        Ok(steps) => steps,
        Err(why) => return refuse(&why),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(why) => return refuse(&format!("no runtime: {why}")),
    };
    let outcome = runtime.block_on(run(options, steps));
    // Standard input may still be waited for in a thread of the runtime.
    runtime.shutdown_background();
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => refuse(&why),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("cloud_app: {why}");
    ExitCode::from(2)
}

/// The whole script before anything starts: a typing error should not show after minutes.
fn read_script(options: &Options) -> Result<Option<Vec<script::Step>>, String> {
    let Some(path) = &options.script else {
        return Ok(None);
    };
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|why| format!("{name}: {why}"))?;
    let mut steps = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let step = script::parse(line);
        steps.extend(step.map_err(|why| format!("{name}, line {}: {why}", index + 1))?);
    }
    Ok(Some(steps))
}

/// `Ok(true)`: all went as expected.
async fn run(options: Options, steps: Option<Vec<script::Step>>) -> Result<bool, String> {
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.map_err(|why| format!("{}: {why}", options.listen))?;
    let address = listener.local_addr().map_err(|why| why.to_string())?;
    let certificates = match &options.cert_from {
        Some(dir) => files::load_certificates(dir)?,
        None => Certificates::generate(&[address.ip().to_string()])?,
    };
    files::save_certificates(&options.dir, &certificates)?;
    let tls = acceptor(certificates)?;
    let url = url_of(address);
    let details = endpoint_details(&options, &url);
    let app = Arc::new(App::new(options));
    app.transcript.note("listening", json!({ "url": url }));
    tokio::spawn(accept(app.clone(), listener, tls));
    files::save_endpoint(&app.options.dir, &details)?;

    match steps {
        Some(steps) => {
            for step in steps {
                if !perform::step(&app, step).await {
                    break;
                }
            }
        }
        None => typed_lines(&app).await,
    }
    close_all(&app).await;
    Ok(!app.failed())
}

fn endpoint_details(options: &Options, url: &str) -> String {
    let details = json!({
        "token": options.token, "priority": options.priority, "groupId": options.group,
        "hostName": options.host_name, "url": url,
    });
    format!("{details:#}\n")
}

fn acceptor(certificates: Certificates) -> Result<TlsAcceptor, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(certificates.chain, certificates.key));
    let config = config.map_err(|why| format!("the certificate cannot be served: {why}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn url_of(address: SocketAddr) -> String {
    if goes_by_localhost(address.ip()) {
        return format!("wss://localhost:{}{}", address.port(), opening::PATH);
    }
    format!("wss://{address}{}", opening::PATH)
}

/// Not for `::1`: there are machines where `localhost` is an IPv4 address only.
fn goes_by_localhost(ip: IpAddr) -> bool {
    ip == Ipv4Addr::LOCALHOST || ip.is_unspecified()
}

async fn accept(app: Arc<App>, listener: TcpListener, tls: TlsAcceptor) {
    let mut connection = 0;
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                connection += 1;
                let (app, tls) = (app.clone(), tls.clone());
                tokio::spawn(session::serve(app, tls, connection, peer, tcp));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn typed_lines(app: &App) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match script::parse(&line) {
            Ok(Some(step)) => {
                if !perform::step(app, step).await {
                    return;
                }
            }
            Ok(None) => {}
            Err(why) => app.fail(&why),
        }
    }
    // Nothing more will be typed, but hosts may still come.
    std::future::pending().await
}

/// Every session gets its close frame, and the time to answer it.
async fn close_all(app: &App) {
    let sessions = app.look().sessions.clone();
    for session in sessions.iter().filter(|session| session.open) {
        let _ = session.orders.send(Order::Close(1000));
    }
    app.wait_for(|state| state.sessions.is_empty().then_some(())).await;
}
