//! TLS: whom an endpoint's certificate is verified against, and who we are. Verification has no switch.

mod refusal;
mod verifier;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::endpoint::EndpointTls;
use crate::error::Error;
use crate::settings::Settings;
pub use refusal::TlsFailure;
pub(crate) use refusal::{Refusal, readable};
use verifier::Authorities;
pub(super) use verifier::{Shown, Verifier, verifies_with};

const CA_FILE: &str = "tls.caFile";
const CLIENT_CERTIFICATE_FILE: &str = "tls.clientCertificateFile";
const CLIENT_KEY_FILE: &str = "tls.clientKeyFile";

/// What is needed for TLS with an endpoint: version 1.2 or newer, whom to verify it against, and who we are.
#[derive(Clone)]
pub(crate) struct Trust {
    connector: TlsConnector,
    verifier: Arc<Verifier>,
    client: Option<Arc<SingleCertAndKey>>,
}

impl Trust {
    /// What the settings `tls.*` say: the authorities in the file, or the system's, and our own certificate, if any. A
    /// system without authorities is no error: an endpoint may have its own, or a pin, and the others are refused.
    ///
    /// # Errors
    /// [`Error::File`] where a file cannot be read, [`Error::Tls`] where what is in it is of no use,
    /// [`Error::InvalidValue`] for a certificate without a key or a key without a certificate.
    pub(crate) fn load(settings: &Settings) -> Result<Trust, Error> {
        let remedy = format!("validate the endpoint and accept or pin what it shows, or set {CA_FILE}");
        let verifier = match &settings.ca_file {
            Some(path) => Verifier::Authorities(read_authorities(CA_FILE, path, remedy)?),
            None => Verifier::of_system(system_certificates(), remedy),
        };
        let client = match (&settings.client_certificate_file, &settings.client_key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some(read_client((CLIENT_CERTIFICATE_FILE, certificate), (CLIENT_KEY_FILE, key))?)
            }
            (Some(_), None) => return Err(alone(CLIENT_KEY_FILE, CLIENT_CERTIFICATE_FILE)),
            (None, Some(_)) => return Err(alone(CLIENT_CERTIFICATE_FILE, CLIENT_KEY_FILE)),
        };
        Trust::new(Arc::new(verifier), client)
    }

    /// Trusts the authorities in the file, or the system's, for the setting with this key.
    ///
    /// # Errors
    /// As for [`Trust::load`]; and [`Error::Tls`] where the system has none, for there is no other way to be trusted.
    pub(crate) fn load_for(key: &str, ca_file: Option<&Path>) -> Result<Trust, Error> {
        let remedy = format!("set {key}");
        let verifier = match ca_file {
            Some(path) => Verifier::Authorities(read_authorities(key, path, remedy)?),
            None => match Verifier::of_system(system_certificates(), remedy) {
                Verifier::Nobody(why) => return Err(Error::Tls(why)),
                verifier => verifier,
            },
        };
        Trust::new(Arc::new(verifier), None)
    }

    /// For one endpoint: this, but for what was chosen for it. Reads the files that the choice names.
    ///
    /// # Errors
    /// As for [`Trust::load`]; they name the endpoint's field.
    pub(crate) fn for_endpoint(&self, tls: &EndpointTls) -> Result<Trust, Error> {
        if *tls == EndpointTls::default() {
            return Ok(self.clone());
        }
        let remedy = |field| format!("validate the endpoint and accept or pin what it shows, or correct {field}");
        let authorities = match (&tls.ca_pem, &tls.ca_file) {
            (Some(pem), _) => Some(parse_authorities("caPem", pem, remedy("caPem"))?),
            (None, Some(path)) => Some(read_authorities("caFile", path, remedy("caFile"))?),
            (None, None) => None,
        };
        let verifier = match (authorities, tls.pin) {
            (Some(authorities), Some(pin)) => Arc::new(Verifier::Both(authorities, pin)),
            (Some(authorities), None) => Arc::new(Verifier::Authorities(authorities)),
            (None, Some(pin)) => Arc::new(Verifier::Pin(pin)),
            (None, None) => self.verifier.clone(),
        };
        let client = match &tls.client {
            Some(files) => {
                Some(read_client(("clientCertificateFile", &files.certificate), ("clientKeyFile", &files.key))?)
            }
            None => self.client.clone(),
        };
        Trust::new(verifier, client)
    }

    fn new(verifier: Arc<Verifier>, client: Option<Arc<SingleCertAndKey>>) -> Result<Trust, Error> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Tls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone());
        let mut config = match &client {
            Some(client) => builder.with_client_cert_resolver(client.clone()),
            None => builder.with_no_client_auth(),
        };
        // A resumed session would go on with a certificate that may have expired since.
        config.resumption = Resumption::disabled();
        Ok(Trust { connector: TlsConnector::from(Arc::new(config)), verifier, client })
    }

    pub(super) fn connector(&self) -> &TlsConnector {
        &self.connector
    }

    pub(super) fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }
}

/// Never the process's default, which the host may have set to something else.
pub(super) fn provider() -> Arc<CryptoProvider> {
    rustls::crypto::aws_lc_rs::default_provider().into()
}

/// The name that the certificate must be for.
pub(crate) fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}

fn read_authorities(key: &str, path: &Path, remedy: String) -> Result<Authorities, Error> {
    Authorities::new(read_certificates(key, path)?, remedy)
        .ok_or_else(|| Error::Tls(format!("{key}: {} holds no usable certificate", path.display())))
}

fn parse_authorities(key: &str, pem: &str, remedy: String) -> Result<Authorities, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let certificates =
        certificates.map_err(|error| Error::Tls(format!("{key}: cannot be read as PEM certificates: {error}")))?;
    Authorities::new(certificates, remedy).ok_or_else(|| Error::Tls(format!("{key}: holds no usable certificate")))
}

fn read_certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |why: String| Error::File { path: PathBuf::from(path), why, source: None };
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(format!("{key} cannot be read as PEM certificates: {error}")))
}

/// Our certificate with its issuers', and its private key, each with the key of its setting.
fn read_client(
    (certificate_key, certificate_file): (&str, &Path),
    (key_key, key_file): (&str, &Path),
) -> Result<Arc<SingleCertAndKey>, Error> {
    let chain = read_certificates(certificate_key, certificate_file)?;
    if chain.is_empty() {
        return Err(Error::Tls(format!("{certificate_key}: {} holds no certificate", certificate_file.display())));
    }
    let bytes = std::fs::read(key_file).map(Zeroizing::new).map_err(|source| Error::File {
        path: key_file.to_owned(),
        why: format!("{key_key} cannot be read"),
        source: Some(source),
    })?;
    // The causes are left out: they may quote what was read.
    let der = PrivateKeyDer::from_pem_slice(&bytes).map(Zeroizing::new).map_err(|_| {
        Error::Tls(format!(
            "{key_key}: {} holds no private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted)",
            key_file.display()
        ))
    })?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).map_err(|_| {
        Error::Tls(format!(
            "{key_key}: {} holds a private key of a kind that is not supported (RSA from 2048 bits, ECDSA with P-256, \
             P-384 or P-521, Ed25519 are)",
            key_file.display()
        ))
    })?;
    let client = CertifiedKey::new(chain, key);
    match client.keys_match() {
        Ok(()) => Ok(Arc::new(SingleCertAndKey::from(client))),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Error::Tls(format!(
            "{key_key}: {} does not belong to the certificate in {}",
            key_file.display(),
            certificate_file.display()
        ))),
        Err(error) => Err(Error::Tls(format!("{certificate_key}: {}: {error}", certificate_file.display()))),
    }
}

fn alone(missing: &'static str, other: &str) -> Error {
    Error::InvalidValue { key: missing, value: String::new(), expected: format!("a file, as {other} needs it") }
}

/// Where the distributions keep their certificate authorities. The list is our own because the usual way to
/// find them follows SSL_CERT_FILE and SSL_CERT_DIR, and a service's environment must not decide whom it trusts.
#[cfg(all(unix, not(target_os = "macos")))]
fn system_certificates() -> Vec<CertificateDer<'static>> {
    const BUNDLES: [&str; 5] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    BUNDLES
        .iter()
        .map(|bundle| rustls_native_certs::load_certs_from_paths(Some(Path::new(bundle)), None).certs)
        .find(|certificates| !certificates.is_empty())
        .unwrap_or_default()
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn system_certificates() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

#[cfg(test)]
mod tests;
