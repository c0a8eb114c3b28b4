//! A server that shows what it is told to show, and tells what its client did.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rcgen::KeyPair;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

use super::Ca;
use crate::support::DEADLINE;

/// What a server shows, whether it fits together or not.
#[derive(Debug)]
pub struct Shown {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: KeyPair,
}

#[derive(Debug)]
struct Resolver(Arc<CertifiedKey>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn provider() -> Arc<CryptoProvider> {
    rustls::crypto::aws_lc_rs::default_provider().into()
}

/// A server's configuration; with a CA, it requires certificates of the CA's from its clients.
pub fn config(shown: Shown, versions: &[&'static SupportedProtocolVersion], clients: Option<&Ca>) -> ServerConfig {
    let key = PrivateKeyDer::try_from(shown.key.serialize_der()).expect("a key");
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a supported key");
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).expect("versions");
    let builder = match clients {
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.der().clone()).expect("a CA");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
        None => builder.with_no_client_auth(),
    };
    builder.with_cert_resolver(Arc::new(Resolver(Arc::new(CertifiedKey::new(shown.chain, key)))))
}

/// What one client did: how TLS ended, how many bytes it said within, and how many it sent after its greeting in all.
#[derive(Debug)]
pub struct Visit {
    pub handshake: std::io::Result<()>,
    pub client_certificates: usize,
    pub bytes: usize,
    pub after_greeting: usize,
}

/// Counts what comes after we have begun to speak, which is when the client knows our certificate.
struct Counted {
    tcp: TcpStream,
    spoke: bool,
    received: usize,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.tcp.read(buffer)?;
        self.received += if self.spoke { read } else { 0 };
        Ok(read)
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.spoke = true;
        self.tcp.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.tcp.flush()
    }
}

/// A server for so many clients, with a configuration for each. It reads what each says first, and leaves.
pub fn serve(configs: Vec<ServerConfig>) -> (u16, Receiver<Visit>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, visits) = mpsc::channel();
    thread::spawn(move || {
        for config in configs {
            let (tcp, _) = listener.accept().expect("a client");
            // The test may have given up.
            let _ = sender.send(receive(tcp, ServerConnection::new(Arc::new(config)).expect("a connection")));
        }
    });
    (port, visits)
}

fn receive(tcp: TcpStream, mut tls: ServerConnection) -> Visit {
    tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut tcp = Counted { tcp, spoke: false, received: 0 };
    let mut handshake = Ok(());
    while tls.is_handshaking() && handshake.is_ok() {
        handshake = match tls.complete_io(&mut tcp) {
            Ok((0, 0)) => Err(ErrorKind::UnexpectedEof.into()),
            ended => ended.map(|_| ()),
        };
    }
    let client_certificates = tls.peer_certificates().map_or(0, <[_]>::len);
    if handshake.is_err() {
        // Closed with bytes unread, the connection would be reset, and the client might not see why.
        let _ = tcp.tcp.shutdown(Shutdown::Write);
        let _ = std::io::copy(&mut tcp, &mut std::io::sink());
        return Visit { handshake, client_certificates, bytes: 0, after_greeting: tcp.received };
    }
    let mut stream = StreamOwned::new(tls, tcp);
    let bytes = stream.read(&mut [0; 4096]).unwrap_or(0);
    stream.conn.send_close_notify();
    let _ = stream.flush();
    Visit { handshake, client_certificates, bytes, after_greeting: stream.sock.received }
}
