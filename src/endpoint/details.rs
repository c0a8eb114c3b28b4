//! The rules for one endpoint's details. Each refusal names the field.

use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use rustls_pki_types::ServerName;

use super::tls::EndpointTls;
use crate::secret::Secret;

/// Longest `hostName`: a DNS name in text form (RFC 1035, section 2.3.4).
pub const MAX_HOST_NAME_BYTES: usize = 253;
/// Longest `groupId`.
pub const MAX_GROUP_BYTES: usize = 256;
/// Longest `url`.
pub const MAX_URL_BYTES: usize = 2048;
/// Longest `token`: a JWT with many claims fits.
pub const MAX_TOKEN_BYTES: usize = 16384;

/// Endpoint details that broke no rule.
#[derive(Debug, Clone)]
pub struct Details {
    /// Unique among the endpoints of a connector, compared without case.
    pub host_name: String,
    /// Where to dial.
    pub url: Url,
    /// The server group: at most one of its endpoints is connected at a time.
    pub group_id: Arc<str>,
    /// Within the group, the lowest number is tried first.
    pub priority: i32,
    /// Sent in CONNECT and never shown.
    pub token: Secret,
    /// How TLS is done, where it differs from the connector's settings.
    pub tls: EndpointTls,
}

/// A `wss://` URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    host: String,
    port: u16,
}

/// The rule that endpoint details break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A field is not there, or empty.
    Missing,
    /// The URL is `ws://`: not encrypted.
    NotEncrypted,
    /// The URL cannot be read, or is not `wss://`.
    BadUrl,
    /// The URL holds a user name or a password.
    UserInfo,
    /// The priority is not a whole number from 0.
    BadPriority,
    /// A text is too long.
    TooLong,
    /// A control character, or white space in the host name.
    Character,
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON.
    NotJson,
    /// A key is there twice.
    DuplicateKey,
    /// JSON of another type than the field has.
    WrongType,
    /// A choice for TLS that cannot be meant.
    BadTls,
    /// A host that the setting `endpoint.allowedHosts` does not have.
    HostNotAllowed,
}

/// Why endpoint details were refused. `field` is the key as in the JSON; the token is never quoted.
#[derive(Debug, thiserror::Error)]
#[error("{}{field}: {why}", .index.map(|index| format!("endpoint {index}: ")).unwrap_or_default())]
pub struct Invalid {
    /// The rule.
    pub rule: Rule,
    /// The key.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub why: String,
    /// Counted from 0, where the details came in an array.
    pub index: Option<usize>,
}

impl Invalid {
    pub(crate) fn new(rule: Rule, field: &'static str, why: impl Into<String>) -> Invalid {
        Invalid { rule, field, why: why.into(), index: None }
    }
}

impl Url {
    /// The URL as it was given, with its scheme in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host name or address, without the brackets of an IPv6 address: what the certificate must be for.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port; 443 where the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn parse(text: &str) -> Result<Url, Invalid> {
        let bad = |why: &str| Invalid::new(Rule::BadUrl, "url", why);
        let uri: Uri = text.parse().map_err(|error| bad(&format!("is not a URL ({error})")))?;
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("ws") => {
                let why = "ws:// is not encrypted; only wss:// is allowed";
                return Err(Invalid::new(Rule::NotEncrypted, "url", why));
            }
            _ => return Err(bad("must start with wss://")),
        };
        if rest.contains('#') {
            return Err(bad("must not have a fragment (RFC 6455, section 3)"));
        }
        let authority = uri.authority().ok_or_else(|| bad("has no host"))?;
        if authority.as_str().contains('@') {
            let why = "must not hold a user name or password; the token is the proof";
            return Err(Invalid::new(Rule::UserInfo, "url", why));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| bad("has no host"))?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bracketed {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => ServerName::try_from(host).is_ok(),
        };
        if !is_host {
            return Err(bad("has a host that is neither a DNS name nor an address"));
        }
        let host = bracketed.unwrap_or(host).to_owned();
        let port = match authority.port() {
            Some(port) if port.as_str().starts_with(|c: char| c.is_ascii_digit()) => port.as_u16(),
            None if authority.as_str().ends_with(']') || !authority.as_str().contains(':') => 443,
            _ => 0,
        };
        if port == 0 {
            return Err(bad("has a port that is not from 1 to 65535"));
        }
        Ok(Url { text: format!("wss://{rest}"), host, port })
    }
}

impl FromStr for Url {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Url, Invalid> {
        check_text("url", text, MAX_URL_BYTES)?;
        Url::parse(text)
    }
}

impl Details {
    /// Checks details that came as separate values.
    ///
    /// # Errors
    /// [`Invalid`] names the first field that breaks a rule.
    pub fn new(host_name: &str, url: &str, group_id: &str, priority: i32, token: Secret) -> Result<Details, Invalid> {
        check_text("hostName", host_name, MAX_HOST_NAME_BYTES)?;
        if host_name.contains(char::is_whitespace) {
            return Err(Invalid::new(Rule::Character, "hostName", "has white space"));
        }
        check_text("groupId", group_id, MAX_GROUP_BYTES)?;
        let url = url.parse()?;
        check_token(&token)?;
        check_priority(priority)?;
        Ok(Details {
            host_name: host_name.to_owned(),
            url,
            group_id: Arc::from(group_id),
            priority,
            token,
            tls: EndpointTls::default(),
        })
    }

    /// The same endpoint with a choice of its own for TLS.
    ///
    /// # Errors
    /// [`Invalid`] names the field.
    pub fn with_tls(self, tls: EndpointTls) -> Result<Details, Invalid> {
        tls.check()?;
        Ok(Details { tls, ..self })
    }

    /// The same endpoint with a new token.
    ///
    /// # Errors
    /// [`Invalid`] names the field.
    pub fn with_token(self, token: Secret) -> Result<Details, Invalid> {
        check_token(&token)?;
        Ok(Details { token, ..self })
    }

    /// The same endpoint with another priority.
    ///
    /// # Errors
    /// [`Invalid`] names the field.
    pub fn with_priority(self, priority: i32) -> Result<Details, Invalid> {
        check_priority(priority)?;
        Ok(Details { priority, ..self })
    }
}

fn check_token(token: &Secret) -> Result<(), Invalid> {
    check_text("token", token.expose(), MAX_TOKEN_BYTES)
}

fn check_priority(priority: i32) -> Result<(), Invalid> {
    if priority < 0 {
        let why = format!("is {priority}; must be a whole number from 0 to {}", i32::MAX);
        return Err(Invalid::new(Rule::BadPriority, "priority", why));
    }
    Ok(())
}

fn check_text(field: &'static str, value: &str, max: usize) -> Result<(), Invalid> {
    if value.is_empty() {
        return Err(Invalid::new(Rule::Missing, field, "is empty"));
    }
    if value.len() > max {
        let why = format!("is {} bytes long; at most {max} are allowed", value.len());
        return Err(Invalid::new(Rule::TooLong, field, why));
    }
    if value.chars().any(char::is_control) {
        return Err(Invalid::new(Rule::Character, field, "has a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(host_name: &str, url: &str, group_id: &str, priority: i32, token: &str) -> Result<Details, Invalid> {
        Details::new(host_name, url, group_id, priority, Secret::new(token.to_owned()))
    }

    #[test]
    fn a_url_is_taken_apart() {
        let parts = |url| Url::parse(url).map(|url| (url.host, url.port)).unwrap();
        assert_eq!(parts("wss://cloud.example.com/nbwss?x=1"), ("cloud.example.com".into(), 443));
        assert_eq!(parts("wss://cloud.example.com:8443"), ("cloud.example.com".into(), 8443));
        assert_eq!(parts("wss://[::1]:1/"), ("::1".into(), 1));
        assert_eq!(parts("wss://[::1]"), ("::1".into(), 443));
        assert_eq!(parts("wss://127.0.0.1/"), ("127.0.0.1".into(), 443));
        assert_eq!(parts("wss://back_up.example.com./"), ("back_up.example.com.".into(), 443));
        assert_eq!(Url::parse("WSS://Host/P").unwrap().as_str(), "wss://Host/P");
    }

    #[test]
    fn each_broken_rule_names_its_field() {
        use Rule::{BadPriority, BadUrl, Character, Missing, NotEncrypted, TooLong, UserInfo};
        let good = "wss://h/p";
        let long = |n: usize| "x".repeat(n + 1);
        let cases = [
            (details("", good, "g", 1, "t"), "hostName: is empty", Missing),
            (details("a\nb", good, "g", 1, "t"), "hostName: has a control", Character),
            (details("a b", good, "g", 1, "t"), "hostName: has white", Character),
            (details(&long(MAX_HOST_NAME_BYTES), good, "g", 1, "t"), "hostName: is 254", TooLong),
            (details("h", good, "", 1, "t"), "groupId: is empty", Missing),
            (details("h", good, &long(MAX_GROUP_BYTES), 1, "t"), "groupId: is 257", TooLong),
            (details("h", "", "g", 1, "t"), "url: is empty", Missing),
            (details("h", "ws://h/p", "g", 1, "t"), "url: ws://", NotEncrypted),
            (details("h", "https://h/p", "g", 1, "t"), "url: must start", BadUrl),
            (details("h", "/p", "g", 1, "t"), "url: must start", BadUrl),
            (details("h", "wss://", "g", 1, "t"), "url:", BadUrl),
            (details("h", "wss://u:secret@h/", "g", 1, "t"), "url: must not hold a user", UserInfo),
            (details("h", "wss://h:0/", "g", 1, "t"), "url: has a port", BadUrl),
            (details("h", "wss://h:+44/", "g", 1, "t"), "url: has a port", BadUrl),
            (details("h", "wss://h/p#f", "g", 1, "t"), "url: must not have a fragment", BadUrl),
            (details("h", "wss://h:99999/", "g", 1, "t"), "url:", BadUrl),
            (details("h", "wss://h:/", "g", 1, "t"), "url:", BadUrl),
            (details("h", "wss://h h/", "g", 1, "t"), "url: is not a URL", BadUrl),
            (details("h", "wss://*.example.com/", "g", 1, "t"), "url: has a host that is neither", BadUrl),
            (details("h", "wss://a..b/", "g", 1, "t"), "url: has a host that is neither", BadUrl),
            (details("h", "wss://a;b/", "g", 1, "t"), "url: has a host that is neither", BadUrl),
            (details("h", "wss://[v1.a]/", "g", 1, "t"), "url: has a host that is neither", BadUrl),
            (details("h", "wss://[h]/", "g", 1, "t"), "url: has a host that is neither", BadUrl),
            (details("h", good, "g", -1, "t"), "priority: is -1", BadPriority),
            (details("h", good, "g", 1, ""), "token: is empty", Missing),
            (details("h", good, "g", 1, &long(MAX_TOKEN_BYTES)), "token: is 16385", TooLong),
            (details("h", good, "g", 1, "t\r\n"), "token: has a control", Character),
        ];
        for (result, start, rule) in cases {
            let error = result.unwrap_err();
            assert_eq!(error.rule, rule, "{error}");
            let error = error.to_string();
            assert!(error.starts_with(start), "{error} should start with {start}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
