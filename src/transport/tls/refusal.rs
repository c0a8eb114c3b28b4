//! Why TLS with an endpoint failed: in a word for a program, and in words that an administrator can act on.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ExtendedKeyPurpose, InvalidMessage, OtherError, PeerIncompatible};

use crate::transport::certificate::{Certificate, date};

/// Names of a certificate that are listed; more would bury the rest of the sentence.
const NAMES_SHOWN: usize = 5;

/// Why TLS failed, as far as it can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFailure {
    /// A certificate's time is over.
    Expired,
    /// A certificate's time has not begun, or this machine's clock is wrong.
    NotYetValid,
    /// The certificate is for other names or addresses.
    WrongName,
    /// Nobody who is trusted vouches for the certificate.
    UnknownIssuer,
    /// The certificate names itself as its issuer and is not trusted.
    SelfSigned,
    /// The certificate is a certificate authority's.
    CaAsServer,
    /// A certificate signed another without being a certificate authority's.
    IssuerNotCa,
    /// The certificate is not for servers.
    WrongPurpose,
    /// A signature is wrong.
    BadSignature,
    /// A signature algorithm or a key is too weak, or not known.
    Algorithm,
    /// A certificate authority may not vouch for this name.
    NameConstraint,
    /// There are more certificate authorities in the chain than one of them allows.
    PathLength,
    /// The certificate, or its key, is not the pinned one.
    PinMismatch,
    /// There is no certificate, or it cannot be read.
    Malformed,
    /// The endpoint wants a certificate of ours, or refuses the one that it was shown.
    ClientCertificate,
    /// No common protocol version or algorithm, or what the endpoint said is not TLS.
    Protocol,
    /// The connection was closed within the handshake.
    Closed,
    /// Anything else.
    Other,
}

/// A failure and its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Refusal {
    pub(crate) failure: TlsFailure,
    pub(crate) why: String,
}

/// What a verifier knows when it refuses a chain.
pub(super) struct Context<'a> {
    pub(super) chain: &'a [Certificate],
    pub(super) name: &'a ServerName<'a>,
    /// What would help against an unknown issuer.
    pub(super) remedy: &'a str,
}

/// The endpoint's own certificate and those after it, up to one that cannot be read: none is taken for its neighbour.
pub(crate) fn readable<'a>(chain: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> Vec<Certificate> {
    chain.into_iter().map_while(|der| Certificate::parse(der).ok()).collect()
}

impl Refusal {
    pub(super) fn new(failure: TlsFailure, why: impl Into<String>) -> Refusal {
        Refusal { failure, why: why.into() }
    }

    /// As a verifier must return it. The peer is then told `certificate_unknown` rather than what exactly is wrong;
    /// more cannot be passed through rustls together with words of ours.
    pub(super) fn into_error(self) -> rustls::Error {
        CertificateError::Other(OtherError(Arc::new(self))).into()
    }

    /// What the error of a TLS handshake means.
    pub(crate) fn of_handshake(error: &io::Error) -> Refusal {
        Refusal::within(error).unwrap_or_else(|| match error.kind() {
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => {
                Refusal::new(TlsFailure::Closed, format!("the connection was closed during the handshake ({error})"))
            }
            _ => Refusal::new(TlsFailure::Other, error.to_string()),
        })
    }

    /// What an error of a TLS stream means, where it is TLS's own. A TLS 1.3 server refuses our certificate, or the
    /// lack of one, only after our side of the handshake is over.
    pub(crate) fn within(error: &io::Error) -> Option<Refusal> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        Some(match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
                let refusal = cause.downcast_ref::<Refusal>().cloned();
                refusal.unwrap_or_else(|| Refusal::new(TlsFailure::Other, error.to_string()))
            }
            rustls::Error::AlertReceived(alert) => of_alert(*alert),
            rustls::Error::NoCertificatesPresented => {
                Refusal::new(TlsFailure::Malformed, "the endpoint shows no certificate")
            }
            rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => Refusal::new(TlsFailure::Protocol, "the endpoint speaks no TLS newer than 1.1"),
            rustls::Error::PeerIncompatible(why) => {
                Refusal::new(TlsFailure::Protocol, format!("the endpoint speaks a TLS that is not supported ({why:?})"))
            }
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Refusal::new(
                TlsFailure::Protocol,
                "the answer is not TLS: another service may listen on this port, or the endpoint's TLS is off",
            ),
            rustls::Error::InvalidMessage(_)
            | rustls::Error::InappropriateMessage { .. }
            | rustls::Error::InappropriateHandshakeMessage { .. }
            | rustls::Error::PeerMisbehaved(_)
            | rustls::Error::PeerSentOversizedRecord
            | rustls::Error::DecryptError => {
                Refusal::new(TlsFailure::Protocol, format!("the endpoint broke the rules of TLS ({error})"))
            }
            _ => Refusal::new(TlsFailure::Other, error.to_string()),
        })
    }

    /// What the verification of a chain came to.
    pub(super) fn of_chain(error: &rustls::Error, context: &Context<'_>) -> Refusal {
        let chain = context.chain;
        let rustls::Error::InvalidCertificate(error) = error else {
            return Refusal::new(TlsFailure::Other, format!("the certificate cannot be verified ({error})"));
        };
        match error {
            CertificateError::ExpiredContext { time, not_after } => {
                let at = seconds(*not_after);
                expired(&which(chain, |certificate| certificate.not_after == at), at, *time)
            }
            CertificateError::NotValidYetContext { time, not_before } => {
                let at = seconds(*not_before);
                not_yet_valid(&which(chain, |certificate| certificate.not_before == at), at, *time)
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => wrong_name(context),
            CertificateError::UnknownIssuer => unknown_issuer(context),
            CertificateError::InvalidPurposeContext { presented, .. } => wrong_purpose(presented),
            CertificateError::InvalidPurpose => wrong_purpose(&[]),
            CertificateError::BadSignature => bad_signature(context),
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Refusal::new(
                TlsFailure::Algorithm,
                "a certificate is signed with an algorithm that is not accepted, such as SHA-1",
            ),
            CertificateError::BadEncoding => malformed("it cannot be read"),
            CertificateError::Expired => malformed("its validity ends before it begins"),
            // webpki's errors without a counterpart in rustls; their text is the name of the variant.
            CertificateError::Other(OtherError(cause)) => of_webpki(&cause.to_string(), context),
            other => Refusal::new(TlsFailure::Other, format!("the certificate cannot be verified ({other})")),
        }
    }

    /// What is wrong with the signature by which the endpoint shows that it has the certificate's key.
    pub(super) fn of_handshake_signature(error: &rustls::Error, leaf: &CertificateDer<'_>) -> Refusal {
        let key_type = Certificate::parse(leaf).map(|certificate| certificate.key_type).unwrap_or_default();
        match error {
            rustls::Error::InvalidCertificate(CertificateError::BadSignature) => match weak_key(&key_type) {
                Some(refusal) => refusal,
                None => Refusal::new(
                    TlsFailure::BadSignature,
                    "the endpoint does not have the key of the certificate that it shows",
                ),
            },
            rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => malformed("it cannot be read"),
            _ => Refusal::new(
                TlsFailure::Algorithm,
                format!("the certificate's key ({key_type}) cannot be used as the endpoint does ({error})"),
            ),
        }
    }

    pub(super) fn of_pin(pinned: impl std::fmt::Display, shown: impl std::fmt::Display) -> Refusal {
        let why = format!("the certificate is not the pinned one: its fingerprint is {shown}, pinned is {pinned}");
        Refusal::new(TlsFailure::PinMismatch, why)
    }

    /// Where a pin is all there is to verify: whether the certificate is within its time.
    pub(super) fn of_validity(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Refusal> {
        let certificate = Certificate::parse(leaf).map_err(|why| malformed(&format!("it {why}")))?;
        if seconds(now) > certificate.not_after {
            return Err(expired("the certificate", certificate.not_after, now));
        }
        if seconds(now) < certificate.not_before {
            return Err(not_yet_valid("the certificate", certificate.not_before, now));
        }
        Ok(())
    }
}

fn of_alert(alert: AlertDescription) -> Refusal {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => Refusal::new(
            TlsFailure::ClientCertificate,
            "the endpoint requires a client certificate: set clientCertificateFile and clientKeyFile",
        ),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => Refusal::new(
            TlsFailure::ClientCertificate,
            format!("the endpoint refuses our client certificate, or that there is none (alert {alert:?})"),
        ),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => Refusal::new(
            TlsFailure::Protocol,
            format!(
                "the endpoint accepts none of our ciphers and signatures, or requires a client certificate \
                 (alert {alert:?})"
            ),
        ),
        AlertDescription::ProtocolVersion => {
            Refusal::new(TlsFailure::Protocol, "the endpoint accepts neither TLS 1.2 nor TLS 1.3")
        }
        AlertDescription::UnrecognisedName => {
            Refusal::new(TlsFailure::Other, "the endpoint does not know itself by this name (alert UnrecognisedName)")
        }
        alert => Refusal::new(TlsFailure::Protocol, format!("the endpoint ended TLS with the alert {alert:?}")),
    }
}

fn of_webpki(variant: &str, context: &Context<'_>) -> Refusal {
    match variant {
        "CaUsedAsEndEntity" => Refusal::new(
            TlsFailure::CaAsServer,
            "the certificate is a certificate authority's (CA:TRUE), which a server must not use as its own: \
             pin it, or give the endpoint another",
        ),
        "EndEntityUsedAsCa" => {
            let issuer = context.chain.iter().skip(1).find(|issuer| !issuer.is_ca);
            let subject = issuer.map_or("an issuer of the certificate", |issuer| &issuer.subject);
            Refusal::new(TlsFailure::IssuerNotCa, format!("{subject} is no certificate authority, but signed like one"))
        }
        "NameConstraintViolation" => Refusal::new(
            TlsFailure::NameConstraint,
            format!(
                "a certificate authority of the chain is not allowed to vouch for the names of the certificate ({})",
                listed(context)
            ),
        ),
        "PathLenConstraintViolated" => Refusal::new(
            TlsFailure::PathLength,
            "a certificate authority of the chain allows fewer certificate authorities below it than there are \
             (path length)",
        ),
        "UnsupportedCertVersion" => malformed("it is not of X.509 version 3"),
        "UnsupportedCriticalExtension" => malformed("it has a critical extension that is not known"),
        other => malformed(other),
    }
}

fn malformed(why: &str) -> Refusal {
    Refusal::new(TlsFailure::Malformed, format!("the certificate cannot be used: {why}"))
}

fn expired(which: &str, at: i64, now: UnixTime) -> Refusal {
    Refusal::new(TlsFailure::Expired, format!("{which} expired at {} ({})", date(at), clock(now)))
}

fn not_yet_valid(which: &str, at: i64, now: UnixTime) -> Refusal {
    Refusal::new(TlsFailure::NotYetValid, format!("{which} is not valid before {} ({})", date(at), clock(now)))
}

fn clock(now: UnixTime) -> String {
    format!("this machine's clock says {}", date(seconds(now)))
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// Names the certificate of the chain that fits: the endpoint's own first.
fn which(chain: &[Certificate], fits: impl Fn(&Certificate) -> bool) -> String {
    match chain.iter().enumerate().find(|(_, certificate)| fits(certificate)) {
        Some((1.., issuer)) => format!("the certificate of its issuer {}", issuer.subject),
        _ => "the certificate".to_owned(),
    }
}

fn wrong_name(context: &Context<'_>) -> Refusal {
    let host = context.name.to_str();
    let names = listed(context);
    let why = if names.is_empty() {
        format!("the certificate has no alternative name, so it is not for {host} (a common name does not count)")
    } else {
        format!("the certificate is for {names}, not for {host}")
    };
    Refusal::new(TlsFailure::WrongName, why)
}

/// The names of the endpoint's own certificate. Those of the other kind than the name that was dialled keep their kind:
/// a DNS name that looks like an address is none.
fn listed(context: &Context<'_>) -> String {
    let kind = if matches!(context.name, ServerName::IpAddress(_)) { "IP:" } else { "DNS:" };
    let names = context.chain.first().map(|leaf| leaf.sans.as_slice()).unwrap_or_default();
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(|name| name.strip_prefix(kind).unwrap_or(name)).collect();
    let more = names.len().saturating_sub(NAMES_SHOWN);
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

fn unknown_issuer(context: &Context<'_>) -> Refusal {
    let (chain, remedy) = (context.chain, context.remedy);
    let Some(mut top) = chain.first() else {
        return malformed("it cannot be read");
    };
    if top.self_signed {
        let why = format!("the certificate is self-signed ({}) and not trusted: {remedy}", top.subject);
        return Refusal::new(TlsFailure::SelfSigned, why);
    }
    // Each step may lead to another certificate of the same names, but there are no more steps than certificates.
    for _ in chain {
        match chain.iter().find(|issuer| !top.self_signed && issuer.subject == top.issuer) {
            Some(issuer) => top = issuer,
            None => break,
        }
    }
    let shown = if top.self_signed { "" } else { ", whose certificate the endpoint does not show," };
    let why = format!("the certificate's issuer {}{shown} is not trusted: {remedy}", top.issuer);
    Refusal::new(TlsFailure::UnknownIssuer, why)
}

fn wrong_purpose(presented: &[ExtendedKeyPurpose]) -> Refusal {
    let purpose = |purpose: &ExtendedKeyPurpose| match purpose {
        ExtendedKeyPurpose::ClientAuth => "clients".to_owned(),
        ExtendedKeyPurpose::ServerAuth => "servers".to_owned(),
        ExtendedKeyPurpose::Other(oid) => oid.iter().map(usize::to_string).collect::<Vec<_>>().join("."),
    };
    let purposes: Vec<String> = presented.iter().take(NAMES_SHOWN).map(purpose).collect();
    Refusal::new(
        TlsFailure::WrongPurpose,
        format!(
            "the certificate, or an issuer's, is for {}, not for servers (extended key usage)",
            purposes.join(", ")
        ),
    )
}

fn bad_signature(context: &Context<'_>) -> Refusal {
    if let Some(refusal) = context.chain.iter().skip(1).find_map(|issuer| weak_key(&issuer.key_type)) {
        return refusal;
    }
    let why = match context.chain.first() {
        Some(leaf) if leaf.self_signed => format!(
            "the certificate is self-signed ({}) and either changed or not the trusted one of this name: {}",
            leaf.subject, context.remedy
        ),
        _ => {
            "a certificate of the chain has a wrong signature: it was changed, or its issuer only bears the name of a \
              trusted one"
                .to_owned()
        }
    };
    Refusal::new(TlsFailure::BadSignature, why)
}

/// Signatures of short keys are refused, which looks as if they were wrong.
fn weak_key(key_type: &str) -> Option<Refusal> {
    let bits: u32 = key_type.strip_prefix("RSA ")?.parse().ok()?;
    (bits < 2048).then(|| {
        let why = format!("a certificate of the chain has a key of {bits} bits (RSA); at least 2048 are required");
        Refusal::new(TlsFailure::Algorithm, why)
    })
}
