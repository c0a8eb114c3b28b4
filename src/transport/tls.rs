//! TLS: which certificate authorities are trusted. Verification has no switch.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::TlsConnector;

use crate::error::Error;

/// What is needed to verify an endpoint: TLS 1.2 or newer, its certificate chain and its host name.
#[derive(Clone)]
pub(crate) struct Trust(TlsConnector);

impl Trust {
    /// Trusts the authorities in the file, or the system's.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be read, [`Error::Tls`] where there is no usable certificate.
    pub(crate) fn load(ca_file: Option<&Path>) -> Result<Trust, Error> {
        Trust::load_for("tls.caFile", ca_file)
    }

    /// As [`Trust::load`], for the setting with this key.
    pub(crate) fn load_for(key: &str, ca_file: Option<&Path>) -> Result<Trust, Error> {
        let certificates = match ca_file {
            Some(path) => read_pem(key, path)?,
            None => system_certificates(),
        };
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(certificates);
        if usable == 0 {
            return Err(Error::Tls(match ca_file {
                Some(path) => format!("{key}: {} holds no usable certificate", path.display()),
                None => format!(
                    "the system has no certificate authorities: install its ca-certificates package, or set {key}"
                ),
            }));
        }
        let provider: Arc<CryptoProvider> = rustls::crypto::aws_lc_rs::default_provider().into();
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Trust(TlsConnector::from(Arc::new(config))))
    }

    pub(super) fn connector(&self) -> &TlsConnector {
        &self.0
    }

    /// Makes the first random numbers, for which aws-lc takes some 30 ms, so that the first dial need not.
    pub(crate) fn warm_up() {
        let mut bytes = [0; 1];
        let _ = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
    }
}

/// The name that the certificate must be for.
pub(crate) fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}

fn read_pem(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |why: String| Error::File { path: PathBuf::from(path), why, source: None };
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(format!("{key} cannot be read as PEM certificates: {error}")))
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
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_a_certificate_is_refused_by_name() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let error = Trust::load(Some(&path)).err().map(|error| error.to_string()).unwrap();
        assert!(error.contains("Cargo.toml") && error.contains("no usable certificate"), "{error}");
        let error = Trust::load(Some(Path::new("/nowhere.pem"))).err().map(|error| error.to_string()).unwrap();
        assert!(error.contains("/nowhere.pem"), "{error}");
    }
}
