//! A URL with endpoint details.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{Cloud, DEADLINE};

/// Serves this JSON over HTTPS, with the cloud application's certificate, to so many visitors.
pub fn serve_details(cloud: &Cloud, json: String, visitors: usize) -> u16 {
    let dir = cloud.ca_file().parent().expect("a directory").to_owned();
    let chain = CertificateDer::pem_file_iter(dir.join("server.pem")).expect("certificates");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(dir.join("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("a certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for _ in 0..visitors {
            let (tcp, _) = listener.accept().expect("a visitor");
            tcp.set_read_timeout(Some(DEADLINE)).expect("a timeout");
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).expect("a connection"), tcp);
            let mut head = Vec::new();
            let mut byte = [0];
            // A visitor who does not trust the certificate leaves.
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{json}", json.len());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    port
}
