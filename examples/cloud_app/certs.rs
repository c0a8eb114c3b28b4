//! A certification authority and a server certificate, made anew at start or read back from an earlier run.
//! Stands alone, knows no files and no sockets: the integration tests include this file by its path.
#![allow(dead_code)] // An including test uses a part of it.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Certificates {
    /// What a host has to trust.
    pub ca_pem: String,
    /// The server's certificate and then the CA's, so that a host can show the CA to its administrator.
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    pub chain_pem: String,
    pub key_pem: String,
}

/// The names that every server certificate holds.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Wide enough for a test that moves its clock by years.
const YEARS_BEFORE: i32 = 1;
const YEARS_AFTER: i32 = 10;
const SECONDS_PER_YEAR: u64 = 31_556_952;

impl Certificates {
    /// `more_names`: host names or IP addresses beside the loopback ones.
    pub fn generate(more_names: &[String]) -> Result<Self, String> {
        make(more_names).map_err(|why| format!("the certificates cannot be made: {why}"))
    }

    /// Takes up what an earlier run left as `ca_pem`, `chain_pem` and `key_pem`.
    pub fn from_pem(ca_pem: String, chain_pem: String, key_pem: String) -> Result<Self, String> {
        let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| format!("the saved server certificate: {why}"))?;
        if chain.is_empty() {
            return Err("the saved server certificate: no certificate in it".to_owned());
        }
        let key =
            PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|why| format!("the saved server key: {why}"))?;
        Ok(Self { ca_pem, chain, key, chain_pem, key_pem })
    }
}

fn make(more_names: &[String]) -> Result<Certificates, rcgen::Error> {
    let mut ca = CertificateParams::new(Vec::new())?;
    set_validity(&mut ca);
    ca.distinguished_name.push(DnType::CommonName, "Example cloud application CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

    let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    for name in more_names {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let mut server = CertificateParams::new(names)?;
    set_validity(&mut server);
    server.distinguished_name.push(DnType::CommonName, "Example cloud application");
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let server = server.signed_by(&key, &ca)?;

    Ok(Certificates {
        ca_pem: ca.pem(),
        chain: vec![server.der().clone(), ca.der().clone()],
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        chain_pem: server.pem() + &ca.pem(),
        key_pem: key.serialize_pem(),
    })
}

fn set_validity(params: &mut CertificateParams) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let year = 1970 + i32::try_from(seconds / SECONDS_PER_YEAR).unwrap_or(0);
    params.not_before = date_time_ymd(year - YEARS_BEFORE, 1, 1);
    params.not_after = date_time_ymd(year + YEARS_AFTER, 1, 1);
}
