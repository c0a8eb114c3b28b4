use rcgen::string::BmpString;
use rcgen::{BasicConstraints, CertificateParams, DnType, DnValue, IsCa, KeyPair, SanType, date_time_ymd};

use super::*;

fn params(sans: &[&str]) -> CertificateParams {
    let sans: Vec<String> = sans.iter().map(|san| (*san).to_owned()).collect();
    let mut params = CertificateParams::new(sans).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn made(params: &CertificateParams, key: &KeyPair) -> Certificate {
    Certificate::parse(params.self_signed(key).unwrap().der()).unwrap()
}

#[test]
fn what_people_need_is_read() {
    let mut params = params(&["a.example", "10.0.0.7", "2001:db8::7"]);
    params.distinguished_name.push(DnType::CountryName, "DE");
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, "a.example");
    params.serial_number = Some(0x80ff_u64.into());
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2060, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = made(&params, &key);
    assert_eq!(certificate.subject, "CN=a.example,O=Example,C=DE");
    assert_eq!((certificate.issuer.as_str(), certificate.self_signed), ("CN=a.example,O=Example,C=DE", true));
    assert_eq!(certificate.sans, ["DNS:a.example", "IP:10.0.0.7", "IP:2001:db8::7"]);
    assert_eq!(certificate.serial, "80ff");
    assert_eq!((certificate.not_before, certificate.not_after), (1_577_836_800, 2_840_140_800));
    assert_eq!((certificate.key_type.as_str(), certificate.is_ca), ("ECDSA P-256", false));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert!(made(&params, &key).is_ca);
}

/// The fingerprints are those that openssl shows, and the PEM is what openssl reads.
#[test]
fn openssl_agrees() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let certificate = made(&params(&["a.example"]), &KeyPair::generate().unwrap());
    let openssl = |arguments: &str, input: &[u8]| {
        let mut child = Command::new("openssl")
            .args(arguments.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl; scripts/install-deps.sh installs it");
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let shown = openssl("x509 -noout -fingerprint -sha256", certificate.pem.as_bytes());
    let shown = String::from_utf8(shown).unwrap().replace(':', "").to_lowercase();
    assert!(shown.contains(&certificate.sha256), "{shown}");
    let key = openssl("x509 -noout -pubkey", certificate.pem.as_bytes());
    let der = openssl("pkey -pubin -outform DER", &key);
    let shown = openssl("dgst -sha256 -r", &der);
    assert!(shown.starts_with(certificate.spki_sha256.as_bytes()), "{shown:?}");
}

#[test]
fn kinds_of_keys_are_told_apart() {
    for (algorithm, name) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "ECDSA P-256"),
        (&rcgen::PKCS_ECDSA_P384_SHA384, "ECDSA P-384"),
        (&rcgen::PKCS_ECDSA_P521_SHA512, "ECDSA P-521"),
        (&rcgen::PKCS_ED25519, "Ed25519"),
        (&rcgen::PKCS_RSA_SHA256, "RSA 2048"),
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        assert_eq!(made(&params(&["a.example"]), &key).key_type, name);
    }
    assert_eq!((bits(&[0, 0x80, 0]), bits(&[1, 0]), bits(&[0]), bits(&[])), (16, 9, 0, 0));
}

/// A value cannot pose as another part of the name, nor hide, turn or end the line that shows it.
#[test]
fn hostile_text_is_made_harmless() {
    let key = KeyPair::generate().unwrap();
    let subject = |value: DnValue| {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, value);
        made(&params, &key).subject
    };
    let utf8 = |value: &str| subject(DnValue::Utf8String(value.to_owned()));
    assert_eq!(utf8("a,O=Trusted+C=DE"), "CN=a\\,O=Trusted\\+C=DE");
    assert_eq!(utf8(" a\\\"<b>; "), "CN=\\ a\\\\\\\"\\<b\\>\\;\\ ");
    assert_eq!(utf8("#1 # b"), "CN=\\#1 # b");
    assert_eq!(utf8("a\nb\0\u{1b}[2J"), "CN=a\\0Ab\\00\\1B[2J");
    assert_eq!(utf8("a\u{202e}b\u{200b}"), "CN=a\\E2\\80\\AEb\\E2\\80\\8B");
    assert_eq!(utf8("Käse"), "CN=Käse");
    assert_eq!(subject(DnValue::BmpString(BmpString::try_from("ab").unwrap())), "CN=#1e0400610062");
    let long = utf8(&"ä".repeat(1000));
    assert_eq!((long.chars().count(), long.ends_with('…')), (MAX_NAME_CHARS + 1, true));

    let mut params = params(&[]);
    params.subject_alt_names = vec![SanType::DnsName("a\nb\u{7f}".try_into().unwrap())];
    params.subject_alt_names.extend((0..2 * MAX_SANS).map(|n| SanType::DnsName(format!("n{n}").try_into().unwrap())));
    let certificate = made(&params, &key);
    assert_eq!((certificate.sans[0].as_str(), certificate.sans.len()), ("DNS:a\u{fffd}b\u{fffd}", MAX_SANS));
}

#[test]
fn serial_numbers_are_shortened() {
    assert_eq!((serial(&[0, 0x80]).as_str(), serial(&[0]).as_str(), serial(&[]).as_str()), ("80", "00", ""));
    assert_eq!(serial(&[1; 20]), "01".repeat(20));
    assert_eq!(serial(&[1; 21]), "01".repeat(20) + "…");
}

/// Whatever the bytes are, there is an answer, and what is shown is short and on one line.
#[test]
fn arbitrary_bytes_never_panic() {
    let mut params = params(&["a.example", "10.0.0.7"]);
    params.distinguished_name.push(DnType::CommonName, "a.example");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(3));
    let good = [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256]
        .map(|algorithm| params.self_signed(&KeyPair::generate_for(algorithm).unwrap()).unwrap().der().to_vec());
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut read, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut der = random.choice(&good).cloned().unwrap();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..der.len());
            match random.u8(..5) {
                0 => der[at] = random.u8(..),
                1 => der[at] ^= 1 << random.u8(..8),
                2 => der.truncate(at.max(1)),
                3 => der.insert(at, random.u8(..)),
                _ => drop(der.drain(at..(at + random.usize(..40)).min(der.len() - 1).max(at))),
            }
        }
        match Certificate::parse(&der) {
            Ok(certificate) => {
                read += 1;
                let texts = [&certificate.subject, &certificate.issuer, &certificate.serial, &certificate.key_type];
                for text in texts.into_iter().chain(&certificate.sans) {
                    let short = text.chars().count() <= MAX_NAME_CHARS + 10;
                    assert!(short && !text.chars().any(is_unseen), "seed {seed}, round {round}: {text:?}");
                }
            }
            Err(why) => {
                refused += 1;
                assert!(!why.is_empty() && why.len() < 500, "seed {seed}, round {round}: {why}");
            }
        }
    }
    assert!(read > 100 && refused > 100, "seed {seed}: {read} read, {refused} refused");
}
