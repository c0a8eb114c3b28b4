//! How TLS with one endpoint is done, where that differs from the connector's settings: whom its certificate is
//! verified against, and who we are. It never comes from the endpoint's JSON: a cloud application must not choose
//! how it is verified.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::details::{Invalid, Rule};

/// Largest PEM text with certificate authorities for one endpoint.
pub const MAX_CA_PEM_BYTES: usize = 65536;

/// An administrator's choice for one endpoint. The default: the connector's settings `tls.*`.
///
/// With a pin and no certificate authority, the pin alone says who the endpoint is; with both, both must hold.
/// The certificate must be within its time in any case. Nothing turns verification off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointTls {
    /// Certificate authorities as PEM text: what validation showed and the administrator accepted.
    pub ca_pem: Option<String>,
    /// PEM file with certificate authorities, read at each attempt.
    pub ca_file: Option<PathBuf>,
    /// What the endpoint's own certificate must be.
    pub pin: Option<Pin>,
    /// PEM files with our certificate chain and its private key, for endpoints that ask who we are.
    pub client: Option<ClientFiles>,
}

/// Where our certificate and its key are. Read at each attempt, so that a renewed one is used from the next on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// PEM file with our certificate, then those of its issuers.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// A fingerprint (SHA-256) that the endpoint's own certificate must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// Of the whole certificate: a renewed one is another.
    Certificate([u8; 32]),
    /// Of its public key (SubjectPublicKeyInfo): it may be renewed with the same key.
    PublicKey([u8; 32]),
}

impl FromStr for Pin {
    type Err = Invalid;

    /// Reads `certificate:` or `spki:` and 64 hexadecimal digits, with or without colons between the bytes.
    fn from_str(text: &str) -> Result<Pin, Invalid> {
        let invalid = || {
            Invalid::new(Rule::BadTls, "pin", "must be certificate: or spki: and a SHA-256 of 64 hexadecimal digits")
        };
        let (kind, digits) = text.split_once(':').ok_or_else(invalid)?;
        let digits = digits.replace(':', "");
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| invalid())?;
        let hash = <[u8; 32]>::try_from(bytes).map_err(|_| invalid())?;
        match kind {
            "certificate" => Ok(Pin::Certificate(hash)),
            "spki" => Ok(Pin::PublicKey(hash)),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, hash) = match self {
            Pin::Certificate(hash) => ("certificate", hash),
            Pin::PublicKey(hash) => ("spki", hash),
        };
        write!(f, "{kind}:{}", data_encoding::HEXLOWER.encode(hash))
    }
}

impl EndpointTls {
    /// Checks what can be checked without reading a file.
    ///
    /// # Errors
    /// [`Invalid`] names the field.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.ca_pem.is_some() && self.ca_file.is_some() {
            return Err(Invalid::new(Rule::BadTls, "caFile", "is given together with caPem; give one of them"));
        }
        match &self.ca_pem {
            Some(pem) if pem.len() > MAX_CA_PEM_BYTES => Err(Invalid::new(
                Rule::TooLong,
                "caPem",
                format!("is {} bytes long; at most {MAX_CA_PEM_BYTES} are allowed", pem.len()),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_people_copy_it_and_written_one_way() {
        let plain = format!("spki:{}", "0a".repeat(32));
        let copied = format!("spki:{}", ["0A"; 32].join(":"));
        assert_eq!(copied.parse::<Pin>().unwrap().to_string(), plain);
        assert_eq!(plain.parse::<Pin>().unwrap(), Pin::PublicKey([10; 32]));
        assert!(matches!(format!("certificate:{}", "00".repeat(32)).parse(), Ok(Pin::Certificate(_))));
        for wrong in ["", "spki:", "spki:0a", &"0a".repeat(32), &format!("sha1:{}", "0a".repeat(32)), "certificate:zz"]
        {
            assert!(wrong.parse::<Pin>().unwrap_err().to_string().starts_with("pin: must be"), "{wrong}");
        }
    }

    #[test]
    fn one_source_of_authorities_is_enough() {
        let both = EndpointTls { ca_pem: Some("x".into()), ca_file: Some("y".into()), ..EndpointTls::default() };
        assert!(both.check().unwrap_err().to_string().contains("caFile"));
        let long = EndpointTls { ca_pem: Some("x".repeat(MAX_CA_PEM_BYTES + 1)), ..EndpointTls::default() };
        assert!(long.check().unwrap_err().to_string().starts_with("caPem: is 65537"));
        assert!(EndpointTls::default().check().is_ok());
    }
}
