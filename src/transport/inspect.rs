//! Looking at an endpoint's certificate before it is trusted, so that an administrator can decide on it.
//!
//! The only place where a handshake is finished with whoever is there. Nothing is said afterwards, and the connection
//! does not leave this module.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::ConnectError;
use super::certificate::Certificate;
use super::tls::{Refusal, Shown, Trust, Verifier, provider, readable, server_name, verifies_with};

/// Certificates of a chain that are looked at; a longer one is nobody's honest chain.
const MAX_CHAIN: usize = 10;

/// What an endpoint showed.
#[derive(Debug)]
pub(crate) struct Inspection {
    /// Its own certificate, then those that it sent along.
    pub(crate) chain: Vec<Certificate>,
    /// Whether a connection would be made as things are, and if not, why.
    pub(crate) trusted: Result<(), Refusal>,
    /// Such as `TLS 1.3`.
    pub(crate) protocol: &'static str,
    /// PEM of the certificate that makes the endpoint verify when it is accepted as its authority: the topmost that
    /// does. None where no certificate of the chain can: then only a pin helps, or a better certificate.
    pub(crate) ca_to_accept: Option<String>,
}

/// Shakes hands with the server at the other end of the stream, whatever its certificate is, and ends the connection.
/// It never learns of a client certificate.
pub(crate) async fn inspect(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    trust: &Trust,
) -> Result<Inspection, ConnectError> {
    let name = server_name(host).ok_or_else(|| ConnectError::ServerName { host: host.to_owned() })?;
    let failed = |source| ConnectError::Tls { host: host.to_owned(), source };
    let recorder = Arc::new(Recorder { verifier: trust.verifier().clone(), seen: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(std::io::Error::other(error)))?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_no_client_auth();
    let connected = TlsConnector::from(Arc::new(config)).connect(name.clone(), stream).await;
    match (recorder.take(), connected) {
        // A server that wants a client certificate may have hung up, but not without proof of who it is.
        (Seen { mut chain, verdict: Some(trusted), proof: Some(protocol) }, connected) => {
            if let Ok(mut stream) = connected {
                // It is left either way.
                let _ = stream.shutdown().await;
            }
            let shown = readable(&chain);
            if shown.is_empty() {
                return Err(failed(std::io::Error::other("the endpoint's certificate cannot be read")));
            }
            // Nothing is suggested that is not shown.
            chain.truncate(shown.len());
            Ok(Inspection { chain: shown, trusted, protocol, ca_to_accept: ca_to_accept(&chain, &name) })
        }
        (_, Err(error)) => Err(failed(error)),
        (_, Ok(_)) => Err(failed(std::io::Error::other("the endpoint did not prove who it is"))),
    }
}

/// Found by trying.
fn ca_to_accept(chain: &[CertificateDer<'static>], name: &ServerName<'_>) -> Option<String> {
    let (leaf, intermediates) = chain.split_first()?;
    let shown = Shown { leaf, intermediates, name, now: UnixTime::now() };
    let authority = chain.iter().rev().find(|authority| verifies_with(authority, &shown))?;
    Certificate::parse(authority).ok().map(|certificate| certificate.pem)
}

/// Keeps what the real verifier is shown and what it says, and lets the handshake go on.
#[derive(Debug)]
struct Recorder {
    verifier: Arc<Verifier>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    chain: Vec<CertificateDer<'static>>,
    verdict: Option<Result<(), Refusal>>,
    /// The protocol in which the server has shown that the first certificate's key is its own.
    proof: Option<&'static str>,
}

impl Recorder {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.verifier.verify(&Shown { leaf, intermediates, name, now });
        self.note(|seen| {
            let chain = std::iter::once(leaf).chain(intermediates).take(MAX_CHAIN);
            seen.chain = chain.map(|der| der.clone().into_owned()).collect();
            seen.verdict = Some(verdict);
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = self.verifier.verify_tls12_signature(message, leaf, signature)?;
        self.note(|seen| seen.proof = Some("TLS 1.2"));
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = self.verifier.verify_tls13_signature(message, leaf, signature)?;
        self.note(|seen| seen.proof = Some("TLS 1.3"));
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
