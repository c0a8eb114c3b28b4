use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use super::*;
use crate::endpoint::EndpointTls;
use crate::settings::Settings;
use crate::transport::TlsFailure;

const DEADLINE: Duration = Duration::from_secs(20);

type Ca = CertifiedIssuer<'static, KeyPair>;

fn named(name: &str, is_ca: bool) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

fn root() -> Ca {
    Ca::self_signed(named("root", true), KeyPair::generate().unwrap()).unwrap()
}

/// A server's certificates and key.
#[derive(Debug)]
struct Identity(CertifiedKey);

impl Identity {
    fn new(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<Identity> {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Arc::new(Identity(CertifiedKey::new(chain, key)))
    }

    /// Signed by this one, which is sent along where there is more to the chain.
    fn signed(ca: &Ca, rest: &[&Ca]) -> Arc<Identity> {
        let key = KeyPair::generate().unwrap();
        let leaf = named("server", false).signed_by(&key, ca).unwrap();
        let chain = std::iter::once(leaf.der()).chain(rest.iter().map(|ca| ca.der()));
        Identity::new(chain.cloned().collect(), &key)
    }

    fn self_signed(is_ca: bool) -> Arc<Identity> {
        let key = KeyPair::generate().unwrap();
        Identity::new(vec![named("alone", is_ca).self_signed(&key).unwrap().der().clone()], &key)
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::new(self.0.clone()))
    }
}

/// What a server saw of one client.
#[derive(Debug)]
struct Visit {
    handshake: std::io::Result<()>,
    client_certificates: usize,
    /// What came after the handshake up to the end; the end must be announced.
    said: std::io::Result<Vec<u8>>,
}

fn config(
    identity: &Arc<Identity>,
    version: &'static SupportedProtocolVersion,
    clients: Option<(&Ca, bool)>,
) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[version]).unwrap();
    let builder = match clients {
        Some((ca, required)) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
            let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    builder.with_cert_resolver(identity.clone())
}

/// Serves one client.
fn serve(config: ServerConfig) -> (TcpStream, JoinHandle<Visit>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut handshake = Ok(());
        while tls.is_handshaking() && handshake.is_ok() {
            handshake = tls.complete_io(&mut tcp).map(|_| ());
        }
        let client_certificates = tls.peer_certificates().map_or(0, <[_]>::len);
        let mut said = Vec::new();
        let end = StreamOwned::new(tls, tcp).read_to_end(&mut said);
        Visit { handshake, client_certificates, said: end.map(|_| said) }
    });
    (client, server)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, work).await.expect("it ends") })
}

fn into_tokio(stream: TcpStream) -> tokio::net::TcpStream {
    stream.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(stream).unwrap()
}

fn look(config: ServerConfig, trust: &Trust) -> (Result<Inspection, ConnectError>, Visit) {
    let (client, server) = serve(config);
    let inspection = run(async { inspect(into_tokio(client), "localhost", trust).await });
    (inspection, server.join().unwrap())
}

/// The handshake of a real connection.
fn connect(identity: &Arc<Identity>, trust: &Trust) -> Result<(), String> {
    let (client, server) = serve(config(identity, &TLS13, None));
    let name = server_name("localhost").unwrap();
    let connected = run(async { trust.connector().connect(name, into_tokio(client)).await.map(drop) });
    server.join().unwrap();
    connected.map_err(|error| Refusal::of_handshake(&error).why)
}

fn system() -> Trust {
    Trust::load(&Settings::default()).unwrap()
}

/// What was shown is accepted: as a certificate authority where that is possible, or else as a pin.
#[test]
fn what_is_shown_can_be_accepted_and_verifies_from_then_on() {
    let root = root();
    let middle = Ca::signed_by(named("middle", true), KeyPair::generate().unwrap(), &root).unwrap();
    for (what, identity, accepted, failure) in [
        ("the whole chain", Identity::signed(&middle, &[&middle, &root]), Some("CN=root"), TlsFailure::UnknownIssuer),
        ("all but the root", Identity::signed(&middle, &[&middle]), Some("CN=middle"), TlsFailure::UnknownIssuer),
        ("the root only", Identity::signed(&root, &[&root]), Some("CN=root"), TlsFailure::UnknownIssuer),
        ("self-signed", Identity::self_signed(false), Some("CN=alone"), TlsFailure::SelfSigned),
        ("a foreign root along", Identity::signed(&middle, &[&root]), None, TlsFailure::UnknownIssuer),
        ("no chain", Identity::signed(&root, &[]), None, TlsFailure::UnknownIssuer),
        ("a CA as server", Identity::self_signed(true), None, TlsFailure::CaAsServer),
    ] {
        let (inspection, visit) = look(config(&identity, &TLS13, None), &system());
        let inspection = inspection.expect(what);
        assert_eq!(inspection.trusted.unwrap_err().failure, failure, "{what}");
        assert_eq!(inspection.chain.len(), identity.0.cert.len(), "{what}");
        assert_eq!(inspection.protocol, "TLS 1.3");
        assert!(visit.handshake.is_ok(), "{what}: {visit:?}");
        assert_eq!(visit.said.expect("the end was announced"), b"", "{what}");
        assert!(connect(&identity, &system()).is_err(), "{what}: inspection trusts nobody");

        let leaf = &inspection.chain[0];
        let pin = |text: String| EndpointTls { pin: Some(text.parse().unwrap()), ..EndpointTls::default() };
        let mut choices = vec![pin(format!("certificate:{}", leaf.sha256)), pin(format!("spki:{}", leaf.spki_sha256))];
        let ca = inspection.ca_to_accept;
        let shown = ca.as_ref().map(|ca| inspection.chain.iter().find(|shown| shown.pem == *ca).expect("a shown one"));
        assert!(shown.map(|ca| ca.subject.split(',').next().unwrap()) == accepted, "{what}: {shown:?}");
        choices.extend(ca.map(|ca| EndpointTls { ca_pem: Some(ca), ..EndpointTls::default() }));
        for choice in choices {
            let trust = system().for_endpoint(&choice).unwrap();
            assert_eq!(connect(&identity, &trust), Ok(()), "{what}: {choice:?}");
            let (again, _) = look(config(&identity, &TLS13, None), &trust);
            assert_eq!(again.unwrap().trusted, Ok(()), "{what}: {choice:?}");
            let impostor = Identity::self_signed(false);
            assert!(connect(&impostor, &trust).is_err(), "{what}: {choice:?}");
        }
    }
}

/// A server that asks for a certificate gets none of ours, though there is one; and one that insists is seen too.
#[test]
fn no_client_certificate_is_offered() {
    let root = root();
    let directory = std::env::temp_dir().join(format!("nbwss-inspect-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let key = KeyPair::generate().unwrap();
    let (certificate_file, key_file) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&certificate_file, named("us", false).signed_by(&key, &root).unwrap().pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let mut settings = Settings::default();
    settings.set("tls.clientCertificateFile", certificate_file.to_str().unwrap()).unwrap();
    settings.set("tls.clientKeyFile", key_file.to_str().unwrap()).unwrap();
    let trust = Trust::load(&settings).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();

    let identity = Identity::signed(&root, &[&root]);
    for (version, protocol) in [(&TLS12, "TLS 1.2"), (&TLS13, "TLS 1.3")] {
        for required in [false, true] {
            let (inspection, visit) = look(config(&identity, version, Some((&root, required))), &trust);
            let inspection = inspection.unwrap();
            assert_eq!((inspection.protocol, inspection.chain.len()), (protocol, 2));
            assert_eq!((visit.client_certificates, visit.handshake.is_err()), (0, required), "{visit:?}");
            assert!(visit.said.map_or(true, |said| said.is_empty()));
        }
    }
}

/// What follows what cannot be read is neither shown nor suggested.
#[test]
fn certificates_after_garbage_are_left_out() {
    let root = root();
    let key = KeyPair::generate().unwrap();
    let leaf = named("server", false).signed_by(&key, &root).unwrap();
    let chain = vec![leaf.der().clone(), b"garbage".to_vec().into(), root.der().clone()];
    let (inspection, _) = look(config(&Identity::new(chain, &key), &TLS13, None), &system());
    let inspection = inspection.unwrap();
    assert_eq!((inspection.chain.len(), inspection.ca_to_accept), (1, None));
}

/// Anybody can show a certificate. It says nothing without its key.
#[test]
fn who_does_not_have_the_key_is_not_reported() {
    let root = root();
    let stolen = Identity::signed(&root, &[&root]).0.cert.clone();
    let identity = Identity::new(stolen, &KeyPair::generate().unwrap());
    for version in [&TLS12, &TLS13] {
        let (inspection, _) = look(config(&identity, version, None), &system());
        let error = inspection.expect_err("a thief").to_string();
        assert!(error.contains("does not have the key"), "{error}");
    }
}

#[test]
fn what_is_not_tls_is_an_error() {
    let (mut far, near) = tokio::io::duplex(4096);
    let error = run(async {
        far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        inspect(near, "localhost", &system()).await.unwrap_err()
    });
    assert!(error.to_string().contains("is not TLS"), "{error}");
    let error = run(async { inspect(tokio::io::empty(), "not a name", &system()).await.unwrap_err() });
    assert!(matches!(error, ConnectError::ServerName { .. }), "{error}");
}
