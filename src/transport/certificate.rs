//! A certificate as people read it: names, validity, fingerprints.
//!
//! Whoever made the certificate chose its text, so it is shown escaped and shortened. Nothing here decides whom to
//! trust: that is the verifier's business, which reads certificates by itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER};
use x509_parser::asn1_rs::ToDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AttributeTypeAndValue, SubjectPublicKeyInfo, X509Name};

/// Longest name that is shown in full.
const MAX_NAME_CHARS: usize = 256;
/// Most alternative names that are shown.
const MAX_SANS: usize = 100;
/// Longest serial number that is shown in full: RFC 5280, section 4.1.2.2.
const MAX_SERIAL_BYTES: usize = 20;

/// What a certificate says of itself, fit to be shown: one line each, and not longer than anyone reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Distinguished name as in RFC 4514.
    pub subject: String,
    /// Distinguished name as in RFC 4514.
    pub issuer: String,
    /// The first alternative names: `DNS:…`, `IP:…`, `URI:…` or `email:…`. Other kinds are left out.
    pub sans: Vec<String>,
    /// Hexadecimal.
    pub serial: String,
    /// First moment of its validity, in seconds since 1970.
    pub not_before: i64,
    /// Last moment of its validity, in seconds since 1970.
    pub not_after: i64,
    /// Such as `RSA 2048`, `ECDSA P-256` or `Ed25519`.
    pub key_type: String,
    /// SHA-256 of the certificate in hexadecimal.
    pub sha256: String,
    /// SHA-256 of its public key (SubjectPublicKeyInfo) in hexadecimal.
    pub spki_sha256: String,
    /// Whether it may sign others (`CA:TRUE`).
    pub is_ca: bool,
    /// Whether it names itself as its issuer.
    pub self_signed: bool,
    /// All of it.
    pub pem: String,
}

impl Certificate {
    /// Reads one certificate in DER and nothing after it.
    ///
    /// # Errors
    /// In words, where it is not one.
    pub fn parse(der: &[u8]) -> Result<Certificate, String> {
        let (rest, x509) = X509Certificate::from_der(der).map_err(|error| format!("is no certificate: {error}"))?;
        if !rest.is_empty() {
            return Err(format!("has {} bytes after its end", rest.len()));
        }
        let key = x509.public_key();
        Ok(Certificate {
            subject: distinguished_name(x509.subject()),
            issuer: distinguished_name(x509.issuer()),
            sans: alternative_names(&x509),
            serial: serial(x509.raw_serial()),
            not_before: x509.validity().not_before.timestamp(),
            not_after: x509.validity().not_after.timestamp(),
            key_type: key_type(key),
            sha256: fingerprint(der),
            spki_sha256: fingerprint(key.raw),
            is_ca: x509.is_ca(),
            self_signed: x509.subject().as_raw() == x509.issuer().as_raw(),
            pem: pem(der),
        })
    }
}

/// Seconds since 1970 as people read them: to the minute, in UTC.
pub(crate) fn date(at: i64) -> String {
    match ASN1Time::from_timestamp(at).map(|at| at.to_datetime()) {
        Ok(at) => format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute()),
        Err(_) => format!("{at} s after 1970"),
    }
}

fn fingerprint(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    // 48 bytes are 64 characters.
    for line in der.chunks(48) {
        text.push_str(&BASE64.encode(line));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

fn serial(bytes: &[u8]) -> String {
    // A leading 0 only makes the number positive.
    let bytes = bytes.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(bytes);
    match bytes.get(..MAX_SERIAL_BYTES) {
        Some(start) if bytes.len() > MAX_SERIAL_BYTES => HEXLOWER.encode(start) + "…",
        _ => HEXLOWER.encode(bytes),
    }
}

/// The most specific part first, as RFC 4514, section 2.1, has it.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in name.iter_rdn() {
        let attributes: Vec<String> = part.iter().map(attribute).collect();
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    shortened(&parts.join(","))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let name = match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        other => other,
    };
    let value = match attribute.as_str() {
        Ok(text) => escaped(text),
        Err(_) => format!("#{}", HEXLOWER.encode(&attribute.attr_value().to_der_vec().unwrap_or_default())),
    };
    format!("{name}={value}")
}

/// RFC 4514, section 2.4, so that a value cannot pose as several parts of a name. What cannot be seen is escaped too.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (index, c) in value.chars().enumerate() {
        let outermost = (index == 0 && matches!(c, ' ' | '#')) || (index == last && c == ' ');
        if is_unseen(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                text.push_str(&format!("\\{byte:02X}"));
            }
            continue;
        }
        if outermost || matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Control characters, and what joins, hides or turns the letters around it.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}

fn alternative_names(x509: &X509Certificate<'_>) -> Vec<String> {
    let names = x509.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    names.flatten().filter_map(alternative_name).take(MAX_SANS).collect()
}

fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    let plain = |text: &str| -> String {
        let clean: String = text.chars().map(|c| if is_unseen(c) { '\u{fffd}' } else { c }).collect();
        shortened(&clean)
    };
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{}", plain(name))),
        GeneralName::URI(uri) => Some(format!("URI:{}", plain(uri))),
        GeneralName::RFC822Name(address) => Some(format!("email:{}", plain(address))),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            let v6 = || <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
            v4.or_else(|_| v6()).ok().map(|address| format!("IP:{address}"))
        }
        _ => None,
    }
}

fn key_type(key: &SubjectPublicKeyInfo<'_>) -> String {
    let algorithm = key.algorithm.algorithm.to_id_string();
    match algorithm.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => format!("RSA {}", bits(rsa.modulus)),
            _ => "RSA".to_owned(),
        },
        "1.2.840.10045.2.1" => {
            let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
            match curve.map(|curve| curve.to_id_string()).as_deref() {
                Some("1.2.840.10045.3.1.7") => "ECDSA P-256".to_owned(),
                Some("1.3.132.0.34") => "ECDSA P-384".to_owned(),
                Some("1.3.132.0.35") => "ECDSA P-521".to_owned(),
                Some(other) => shortened(&format!("ECDSA {other}")),
                None => "ECDSA".to_owned(),
            }
        }
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        other => shortened(other),
    }
}

/// The length of a number in bits.
fn bits(number: &[u8]) -> usize {
    let significant = number.iter().skip_while(|byte| **byte == 0);
    let zeros = significant.clone().next().map_or(0, |byte| byte.leading_zeros() as usize);
    significant.count() * 8 - zeros
}

#[cfg(test)]
mod tests;
