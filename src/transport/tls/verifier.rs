//! Whether an endpoint is who it must be. A verifier without an authority and without a pin refuses everyone.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::provider;
use super::refusal::{Context, Refusal, TlsFailure, readable};
use crate::endpoint::Pin;

/// Certificate authorities.
#[derive(Debug)]
pub(crate) struct Authorities {
    webpki: Arc<WebPkiServerVerifier>,
    /// What an administrator can do about an issuer that is not among them.
    remedy: String,
}

impl Authorities {
    /// None where no certificate is usable.
    pub(super) fn new(certificates: Vec<CertificateDer<'_>>, remedy: String) -> Option<Authorities> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()?;
        Some(Authorities { webpki, remedy })
    }

    fn verify(&self, shown: &Shown<'_>) -> Result<(), Refusal> {
        let verified = self.webpki.verify_server_cert(shown.leaf, shown.intermediates, shown.name, &[], shown.now);
        verified.map(|_| ()).map_err(|error| {
            let chain = readable(std::iter::once(shown.leaf).chain(shown.intermediates));
            Refusal::of_chain(&error, &Context { chain: &chain, name: shown.name, remedy: &self.remedy })
        })
    }
}

/// What an endpoint shows, for the name that was dialled.
pub(crate) struct Shown<'a> {
    pub(crate) leaf: &'a CertificateDer<'a>,
    pub(crate) intermediates: &'a [CertificateDer<'a>],
    pub(crate) name: &'a ServerName<'a>,
    pub(crate) now: UnixTime,
}

/// What an endpoint is verified against.
#[derive(Debug)]
pub(crate) enum Verifier {
    /// Chain, name and time.
    Authorities(Authorities),
    /// Its certificate or key, and time: the chain and the name say nothing more.
    Pin(Pin),
    /// Both of it.
    Both(Authorities, Pin),
    /// Nothing, and so nobody is trusted: the words say why, and what can be done about it.
    Nobody(String),
}

impl Verifier {
    /// The system's authorities, if it has any.
    pub(super) fn of_system(certificates: Vec<CertificateDer<'_>>, remedy: String) -> Verifier {
        let why = format!(
            "the system has no certificate authorities: install its ca-certificates package and make the connector \
             anew, or {remedy}"
        );
        Authorities::new(certificates, remedy).map_or(Verifier::Nobody(why), Verifier::Authorities)
    }

    pub(crate) fn verify(&self, shown: &Shown<'_>) -> Result<(), Refusal> {
        match self {
            Verifier::Authorities(authorities) => authorities.verify(shown),
            Verifier::Pin(pin) => {
                verify_pin(pin, shown)?;
                Refusal::of_validity(shown.leaf, shown.now)
            }
            Verifier::Both(authorities, pin) => {
                verify_pin(pin, shown)?;
                authorities.verify(shown)
            }
            Verifier::Nobody(why) => Err(Refusal::new(TlsFailure::UnknownIssuer, why.as_str())),
        }
    }
}

fn verify_pin(pin: &Pin, shown: &Shown<'_>) -> Result<(), Refusal> {
    let sha256 = |bytes: &[u8]| digest(&SHA256, bytes);
    let (kind, pinned, found) = match pin {
        Pin::Certificate(pinned) => ("certificate", pinned, sha256(shown.leaf)),
        // Read by the same parser as when the handshake's signature is checked with it.
        Pin::PublicKey(pinned) => match ParsedCertificate::try_from(shown.leaf) {
            Ok(parsed) => ("spki", pinned, sha256(&parsed.subject_public_key_info())),
            Err(error) => return Err(Refusal::of_chain(&error, &Context { chain: &[], name: shown.name, remedy: "" })),
        },
    };
    if found.as_ref() == pinned {
        return Ok(());
    }
    Err(Refusal::of_pin(pin, format_args!("{kind}:{}", data_encoding::HEXLOWER.encode(found.as_ref()))))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(&Shown { leaf, intermediates, name, now })
            .map(|()| ServerCertVerified::assertion())
            .map_err(Refusal::into_error)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &algorithms())
            .map_err(|error| Refusal::of_handshake_signature(&error, leaf).into_error())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &algorithms())
            .map_err(|error| Refusal::of_handshake_signature(&error, leaf).into_error())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// Whether the endpoint would be trusted if this were the only authority.
pub(crate) fn verifies_with(authority: &CertificateDer<'_>, shown: &Shown<'_>) -> bool {
    Authorities::new(vec![authority.clone()], String::new()).is_some_and(|only| only.verify(shown).is_ok())
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    provider().signature_verification_algorithms
}
