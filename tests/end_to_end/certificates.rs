//! Certificates that must not be trusted: the connection ends within TLS, and not a byte follows.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use nbwss::EventKind;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::recorder::{Backup, ok};
use crate::support::{Cloud, DEADLINE, Scratch};
use crate::{count, nothing_more};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

/// A faultless server certificate's parameters for this name, to be spoilt.
fn server(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, "server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// What a server shows, and how it came to it.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

fn signed(params: &CertificateParams, ca: &Ca) -> Shown {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, ca).expect("a certificate");
    Shown { chain: vec![certificate.der().clone(), ca.der().clone()], key }
}

fn self_signed(params: &CertificateParams) -> Shown {
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Shown { chain: vec![certificate.der().clone()], key }
}

/// What one client did: how TLS ended, and how many bytes it said within.
struct Visit {
    handshake: std::io::Result<()>,
    bytes: usize,
}

/// A server for one client, which reads what is said first and leaves.
fn serve_one(shown: Shown) -> (u16, Receiver<Visit>) {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(shown.key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(shown.chain, key))
        .expect("a certificate that can be shown");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, visit) = mpsc::channel();
    thread::spawn(move || {
        let (tcp, _) = listener.accept().expect("a client");
        // The test may have given up.
        let _ = sender.send(receive(tcp, ServerConnection::new(Arc::new(config)).expect("a connection")));
    });
    (port, visit)
}

fn receive(mut tcp: TcpStream, mut tls: ServerConnection) -> Visit {
    tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    while tls.is_handshaking() {
        match tls.complete_io(&mut tcp) {
            Ok((0, 0)) => return Visit { handshake: Err(ErrorKind::UnexpectedEof.into()), bytes: 0 },
            Ok(_) => {}
            Err(why) => return Visit { handshake: Err(why), bytes: 0 },
        }
    }
    let mut buffer = [0; 4096];
    let bytes = StreamOwned::new(tls, tcp).read(&mut buffer).unwrap_or(0);
    Visit { handshake: Ok(()), bytes }
}

/// Dials the server, trusting this CA, and returns the reason for the failure and what the server saw.
fn visit(ca: &Ca, shown: Shown) -> (String, Visit) {
    let scratch = Scratch::new("certificates");
    let ca_file = scratch.join("ca.pem");
    std::fs::write(&ca_file, ca.pem()).expect("a CA file");
    let (port, visit) = serve_one(shown);
    let backup = Backup::new(Some(&ca_file), &[], ok);
    let details = json!({
        "token": "CANARY", "priority": 1, "groupId": "g", "hostName": "h",
        "url": format!("wss://localhost:{port}/nbwss"),
    });
    backup.connector.add_endpoints_json(&details.to_string()).expect("good endpoint details");
    backup.connector.start().expect("it starts");
    let reason = backup.host.event(EventKind::ConnectFailed, 1).event.reason;
    (reason, visit.recv_timeout(DEADLINE).expect("the server saw the client"))
}

fn refused(what: &str, ca: &Ca, shown: Shown, because: &str) {
    let (reason, visit) = visit(ca, shown);
    assert!(reason.contains("TLS with localhost failed"), "{what}: {reason}");
    assert!(reason.contains("certificate") && reason.contains(because), "{what}: {reason}");
    let why = visit.handshake.expect_err(what);
    assert_eq!(visit.bytes, 0, "{what}: {why}");
}

/// The same server with a faultless certificate gets the upgrade request: what refuses the others is the certificate.
#[test]
fn a_good_certificate_passes() {
    let ca = authority("good CA");
    let (reason, visit) = visit(&ca, signed(&server("localhost"), &ca));
    assert!(visit.handshake.is_ok() && visit.bytes > 0, "{:?}, {} bytes", visit.handshake, visit.bytes);
    assert!(reason.contains("WebSocket upgrade failed"), "{reason}");
}

/// Expired, not valid yet, or valid for something else: refused although the CA is trusted.
#[test]
fn a_certificate_of_a_trusted_ca_is_refused_for_time_name_or_purpose() {
    let ca = authority("good CA");
    let mut expired = server("localhost");
    expired.not_before = date_time_ymd(2001, 1, 1);
    expired.not_after = date_time_ymd(2002, 1, 1);
    refused("expired", &ca, signed(&expired, &ca), "expired");
    let mut early = server("localhost");
    early.not_before = date_time_ymd(2400, 1, 1);
    early.not_after = date_time_ymd(2401, 1, 1);
    refused("not valid yet", &ca, signed(&early, &ca), "not valid yet");
    refused("another name", &ca, signed(&server("other.example.com"), &ca), "not valid for name");
    refused("a wildcard", &ca, signed(&server("*.localhost"), &ca), "not valid for name");
    let mut common_name_only = CertificateParams::new(Vec::new()).expect("parameters");
    common_name_only.distinguished_name.push(DnType::CommonName, "localhost");
    refused("the name as common name only", &ca, signed(&common_name_only, &ca), "not valid for name");
    let mut client = server("localhost");
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    refused("a client's certificate", &ca, signed(&client, &ca), "");
}

/// Nobody vouches for it: self-signed, signed by a stranger, or by somebody who only bears the CA's name.
#[test]
fn a_certificate_without_a_trusted_ca_is_refused() {
    let ca = authority("good CA");
    refused("self-signed", &ca, self_signed(&server("localhost")), "");
    refused("a stranger's", &ca, signed(&server("localhost"), &authority("another CA")), "UnknownIssuer");
    refused("an impostor's", &ca, signed(&server("localhost"), &authority("good CA")), "");
}

/// Without a CA file the system's authorities count, which know nothing of the test's: refused, and the token is not
/// sent.
#[test]
fn without_a_ca_file_the_systems_authorities_decide() {
    let scratch = Scratch::new("system");
    let mut cloud = Cloud::start(&scratch, &[]);
    let backup = Backup::new(None, &[("connect.backoffBase", "60000")], ok);
    backup.connector.add_endpoints_file(&cloud.endpoint_file()).expect("good endpoint details");
    backup.connector.start().expect("it starts");
    let failed = backup.host.event(EventKind::ConnectFailed, 1).event;
    assert!(failed.reason.contains("certificate"), "{failed:?}");
    let closed = cloud.wait_for("closed", 1);
    assert!(closed["reason"].as_str().is_some_and(|reason| reason.contains("TLS")), "{closed}");
    nothing_more(&mut cloud, "connect");
    assert_eq!(count(&mut cloud, "connect"), 0);
    backup.stop();
    cloud.finish();
}
