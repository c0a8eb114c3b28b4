//! The yardstick: a client as it is usually written over tokio-tungstenite. It decodes to `serde_json::Value`,
//! answers at once on the same task, and flushes each message. No bounds, no deadlines, no memory of ids.

use std::path::Path;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::server::{Server, Work};

/// Notification messages in flight: as many as the library has by default.
const WINDOW: usize = 8;

/// The name of the client's thread.
pub const THREAD: &str = "bare";

/// Starts the client on a thread of its own; it ends when the runtime is dropped.
pub fn start(server: &Server, work: Work) -> Runtime {
    let runtime =
        Builder::new_multi_thread().worker_threads(1).thread_name(THREAD).enable_all().build().expect("a runtime");
    let (port, ca_file) = (server.port(), server.ca_file());
    runtime.spawn(async move { run(port, &ca_file, work).await });
    runtime
}

async fn run(port: u16, ca_file: &Path, work: Work) -> Result<(), Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).expect("the CA file")).expect("a CA");
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(format!("wss://localhost:{port}/nbwss"), stream).await?;
    let connect = message("CONNECT", "REQUEST", &uuid::Uuid::new_v4().to_string(), json!({"token": "t"}));
    socket.send(connect).await?;
    socket.next().await;
    if let Work::Notifications = work {
        for _ in 0..WINDOW {
            socket.send(notification()).await?;
        }
    }
    while let Some(received) = socket.next().await {
        let Message::Text(text) = received? else { continue };
        let received: Value = serde_json::from_str(&text).expect("JSON");
        match work {
            Work::Commands { .. } => {
                let body =
                    json!({"data": [{"type": "vmserver", "id": "vcenter1.example.com", "attributes": {"port": 0}}]});
                let payload = json!({
                    "headers": {"content-type": "application/json"},
                    "statusCode": 200,
                    "response": body.to_string(),
                });
                let id = received["id"].as_str().expect("an id");
                socket.send(message("COMMAND", "RESPONSE", id, payload)).await?;
            }
            Work::Notifications => socket.send(notification()).await?,
        }
    }
    Ok(())
}

fn notification() -> Message {
    let job = crate::server::job();
    let data = json!({
        "scheduleType": job.schedule_type, "clientName": job.client_name, "status": job.status,
        "startTime": job.start_time, "state": job.state, "policyName": job.policy_name,
        "parentJobId": job.parent_job_id, "jobId": job.job_id, "policyType": job.policy_type, "jobType": job.job_type,
    });
    let payload = json!([{"notificationType": "INFO", "object": "JOB", "data": [data]}]);
    message("NOTIFICATION", "REQUEST", &uuid::Uuid::new_v4().to_string(), payload)
}

fn message(kind: &str, sub_kind: &str, id: &str, payload: Value) -> Message {
    let envelope = json!({
        "version": "1.0", "id": id, "type": kind, "subType": sub_kind, "timeStamp": 1_444_856_264, "payload": payload,
    });
    Message::text(envelope.to_string())
}
