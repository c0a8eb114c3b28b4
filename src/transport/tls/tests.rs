use std::io;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, date_time_ymd};
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, InvalidMessage};

use super::*;
use crate::endpoint::{ClientFiles, Pin};
use crate::transport::Certificate;

/// A directory of files, gone at the end.
struct Files(PathBuf);

impl Files {
    fn new() -> Files {
        let directory = std::env::temp_dir().join(format!("nbwss-tls-{}-{}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir(&directory).unwrap();
        Files(directory)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn refusal<T>(result: Result<T, Error>) -> String {
    result.err().map(|error| crate::error::with_causes(&error)).expect("it is refused")
}

fn load(settings: &[(&str, &Path)]) -> Result<Trust, Error> {
    let mut all = Settings::default();
    for (key, path) in settings {
        all.set(key, path.to_str().unwrap()).unwrap();
    }
    Trust::load(&all)
}

#[test]
fn a_ca_file_without_a_certificate_is_refused_by_name() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let error = refusal(load(&[("tls.caFile", &path)]));
    assert!(error.contains("tls.caFile") && error.contains("Cargo.toml"), "{error}");
    assert!(error.contains("no usable certificate"), "{error}");
    let error = refusal(load(&[("tls.caFile", Path::new("/nowhere.pem"))]));
    assert!(error.contains("/nowhere.pem") && error.contains("tls.caFile"), "{error}");
}

#[test]
fn our_certificate_and_its_key_must_both_be_there_and_belong_together() {
    let files = Files::new();
    let key = KeyPair::generate().unwrap();
    let certificate = files.write("cert.pem", &params("us").self_signed(&key).unwrap().pem());
    let right = files.write("right.pem", &key.serialize_pem());
    let wrong = files.write("wrong.pem", &KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem());
    let locked = files.write("locked.pem", &key.serialize_pem().replace("PRIVATE", "ENCRYPTED PRIVATE"));
    let broken = files.write("broken.pem", "-----BEGIN PRIVATE KEY-----\nMIGHsecret\n-----END PRIVATE KEY-----\n");
    let (cert_key, key_key) = (CLIENT_CERTIFICATE_FILE, CLIENT_KEY_FILE);
    assert!(load(&[(cert_key, &certificate), (key_key, &right)]).is_ok());

    for (settings, words) in [
        (vec![(cert_key, &certificate)], [key_key, "as tls.clientCertificateFile needs it"]),
        (vec![(key_key, &right)], [cert_key, "as tls.clientKeyFile needs it"]),
        (vec![(cert_key, &certificate), (key_key, &wrong)], [key_key, "does not belong to the certificate in"]),
        (vec![(cert_key, &certificate), (key_key, &certificate)], [key_key, "cert.pem holds no private key"]),
        (vec![(cert_key, &certificate), (key_key, &locked)], [key_key, "not encrypted"]),
        (vec![(cert_key, &certificate), (key_key, &broken)], [key_key, "broken.pem holds"]),
        (vec![(cert_key, &right), (key_key, &right)], [cert_key, "right.pem holds no certificate"]),
        (vec![(cert_key, &files.0), (key_key, &right)], [cert_key, "cannot be read"]),
        (vec![(cert_key, &certificate), (key_key, &files.0)], [key_key, "cannot be read"]),
    ] {
        let settings: Vec<(&str, &Path)> = settings.into_iter().map(|(key, path)| (key, path.as_path())).collect();
        let error = refusal(load(&settings));
        assert!(words.iter().all(|words| error.contains(words)), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_choice_for_an_endpoint_is_read_each_time_and_refused_by_field() {
    let files = Files::new();
    let key = KeyPair::generate().unwrap();
    let pem = params("a.example").self_signed(&key).unwrap().pem();
    let trust = load(&[]).unwrap();
    assert!(Arc::ptr_eq(&trust.verifier, &trust.for_endpoint(&EndpointTls::default()).unwrap().verifier));

    let ca_file = files.write("ca.pem", &pem);
    let choice = EndpointTls { ca_file: Some(ca_file.clone()), ..EndpointTls::default() };
    assert!(!Arc::ptr_eq(&trust.verifier, &trust.for_endpoint(&choice).unwrap().verifier));
    std::fs::remove_file(&ca_file).unwrap();
    let error = refusal(trust.for_endpoint(&choice));
    assert!(error.contains("caFile cannot be read") && error.contains("ca.pem"), "{error}");

    for (pem, words) in [("", "caPem: holds no usable"), (&pem[..100], "caPem: cannot be read as PEM")] {
        let choice = EndpointTls { ca_pem: Some(pem.to_owned()), ..EndpointTls::default() };
        let error = refusal(trust.for_endpoint(&choice));
        assert!(error.starts_with(words), "{error}");
    }

    let client = ClientFiles { certificate: files.write("cert.pem", &pem), key: files.0.join("key.pem") };
    let choice = EndpointTls { client: Some(client.clone()), ..EndpointTls::default() };
    let error = refusal(trust.for_endpoint(&choice));
    assert!(error.contains("clientKeyFile cannot be read") && error.contains("key.pem"), "{error}");
    std::fs::write(&client.key, key.serialize_pem()).unwrap();
    let own = trust.for_endpoint(&choice).unwrap();
    assert!(Arc::ptr_eq(&trust.verifier, &own.verifier), "a client certificate changes nobody's authorities");
    // What is not chosen for the endpoint comes from the settings.
    let pinned = EndpointTls { pin: Some(Pin::PublicKey([0; 32])), ..EndpointTls::default() };
    let client = |trust: &Trust| trust.client.as_ref().map(Arc::as_ptr);
    assert!(client(&own).is_some() && client(&own.for_endpoint(&pinned).unwrap()) == client(&own));
    assert!(client(&trust.for_endpoint(&pinned).unwrap()).is_none());
}

/// The endpoint's own certificate, by all that can be chosen for it.
#[test]
fn with_a_pin_and_authorities_both_must_hold() {
    let trust = load(&[]).unwrap();
    let key = KeyPair::generate().unwrap();
    let sign = |params: CertificateParams| params.self_signed(&key).unwrap();
    let (good, other) = (sign(params("a.example")), params("a.example").self_signed(&KeyPair::generate().unwrap()));
    let read = |der: &CertificateDer<'_>| Certificate::parse(der).unwrap();
    let certificate_pin: Pin = format!("certificate:{}", read(good.der()).sha256).parse().unwrap();
    let key_pin: Pin = format!("spki:{}", read(good.der()).spki_sha256).parse().unwrap();
    let verify = |ca_pem: Option<&str>, pin: Option<Pin>, leaf: &CertificateDer<'_>, name: &str| {
        let choice = EndpointTls { ca_pem: ca_pem.map(str::to_owned), pin, ..EndpointTls::default() };
        let name = server_name(name).unwrap();
        let shown = Shown { leaf, intermediates: &[], name: &name, now: UnixTime::now() };
        trust.for_endpoint(&choice).unwrap().verifier.verify(&shown).map_err(|refusal| refusal.failure)
    };
    let (der, pem) = (good.der(), good.pem());
    let other_pem = other.unwrap().pem();
    let swapped = [Pin::Certificate([7; 32]), Pin::PublicKey([7; 32])];

    assert_eq!(verify(None, None, der, "a.example"), Err(TlsFailure::SelfSigned));
    for pin in [certificate_pin, key_pin] {
        assert_eq!(verify(None, Some(pin), der, "b.example"), Ok(()), "a pin alone says who it is");
        assert_eq!(verify(Some(&pem), Some(pin), der, "a.example"), Ok(()));
        assert_eq!(verify(Some(&pem), Some(pin), der, "b.example"), Err(TlsFailure::WrongName));
        assert!(verify(Some(&other_pem), Some(pin), der, "a.example").is_err());
    }
    for pin in swapped {
        assert_eq!(verify(None, Some(pin), der, "a.example"), Err(TlsFailure::PinMismatch));
        assert_eq!(verify(Some(&pem), Some(pin), der, "a.example"), Err(TlsFailure::PinMismatch));
    }

    // Renewed with the same key: the same only for the key's pin.
    let mut renewed = params("a.example");
    renewed.not_after = date_time_ymd(2090, 1, 1);
    let renewed = sign(renewed);
    assert_eq!(verify(None, Some(key_pin), renewed.der(), "a.example"), Ok(()));
    assert_eq!(verify(None, Some(certificate_pin), renewed.der(), "a.example"), Err(TlsFailure::PinMismatch));
    // A pin does not make up for time.
    let mut expired = params("a.example");
    (expired.not_before, expired.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    assert_eq!(verify(None, Some(key_pin), sign(expired).der(), "a.example"), Err(TlsFailure::Expired));
    let mut early = params("a.example");
    (early.not_before, early.not_after) = (date_time_ymd(2400, 1, 1), date_time_ymd(2401, 1, 1));
    assert_eq!(verify(None, Some(key_pin), sign(early).der(), "a.example"), Err(TlsFailure::NotYetValid));
    assert_eq!(verify(None, Some(key_pin), &vec![0x30, 0].into(), "a.example"), Err(TlsFailure::Malformed));
}

#[test]
fn a_system_without_authorities_trusts_nobody_and_says_why() {
    let certificate = params("a.example").self_signed(&KeyPair::generate().unwrap()).unwrap();
    let name = server_name("a.example").unwrap();
    let shown = Shown { leaf: certificate.der(), intermediates: &[], name: &name, now: UnixTime::now() };
    let none = Verifier::of_system(Vec::new(), "set tls.caFile".to_owned());
    let refusal = none.verify(&shown).unwrap_err();
    assert_eq!(refusal.failure, TlsFailure::UnknownIssuer);
    assert!(
        refusal.why.contains("no certificate authorities: install its ca-certificates")
            && refusal.why.ends_with("or set tls.caFile"),
        "{refusal}"
    );
    let one = Verifier::of_system(vec![certificate.der().clone()], String::new());
    assert_eq!(one.verify(&shown), Ok(()));
}

/// A wildcard stands for one label.
#[test]
fn a_wildcard_does_not_span_labels() {
    let certificate = params("*.b.example").self_signed(&KeyPair::generate().unwrap()).unwrap();
    let choice = EndpointTls { ca_pem: Some(certificate.pem()), ..EndpointTls::default() };
    let trust = load(&[]).unwrap().for_endpoint(&choice).unwrap();
    let verify = |name: &str| {
        let name = server_name(name).unwrap();
        trust.verifier.verify(&Shown { leaf: certificate.der(), intermediates: &[], name: &name, now: UnixTime::now() })
    };
    assert_eq!(verify("a.b.example"), Ok(()));
    for (name, failure) in [("x.a.b.example", TlsFailure::WrongName), ("b.example", TlsFailure::WrongName)] {
        let refusal = verify(name).unwrap_err();
        let words = format!("is for *.b.example, not for {name}");
        assert!(refusal.failure == failure && refusal.why.contains(&words), "{refusal:?}");
    }
}

#[test]
fn what_the_peer_or_the_socket_says_is_put_in_words() {
    let alert = |alert| io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
    let tls = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
    for (error, failure, words) in [
        (alert(AlertDescription::CertificateRequired), TlsFailure::ClientCertificate, "set clientCertificateFile"),
        (alert(AlertDescription::UnknownCA), TlsFailure::ClientCertificate, "refuses our client certificate"),
        (alert(AlertDescription::HandshakeFailure), TlsFailure::Protocol, "none of our ciphers"),
        (alert(AlertDescription::ProtocolVersion), TlsFailure::Protocol, "neither TLS 1.2 nor TLS 1.3"),
        (alert(AlertDescription::UnrecognisedName), TlsFailure::Other, "does not know itself"),
        (alert(AlertDescription::InternalError), TlsFailure::Protocol, "InternalError"),
        (tls(InvalidMessage::InvalidContentType.into()), TlsFailure::Protocol, "is not TLS"),
        (tls(rustls::Error::DecryptError), TlsFailure::Protocol, "broke the rules"),
        (tls(rustls::Error::NoCertificatesPresented), TlsFailure::Malformed, "shows no certificate"),
        (io::ErrorKind::UnexpectedEof.into(), TlsFailure::Closed, "closed during the handshake"),
        (io::ErrorKind::ConnectionReset.into(), TlsFailure::Closed, "closed during the handshake"),
        (io::ErrorKind::OutOfMemory.into(), TlsFailure::Other, "memory"),
    ] {
        let refusal = Refusal::of_handshake(&error);
        assert!(refusal.failure == failure && refusal.why.contains(words), "{refusal:?}");
    }
    assert!(Refusal::within(&io::ErrorKind::UnexpectedEof.into()).is_none(), "that is not TLS's own");
}
