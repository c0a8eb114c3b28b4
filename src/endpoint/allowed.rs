//! Where endpoints may be: the setting `endpoint.allowedHosts`. What a cloud application hands out, or whoever wrote the
//! JSON, then cannot point the backup server at a host of its own network.

use std::net::IpAddr;

use super::details::{Invalid, Rule};
use crate::error::Error;
use crate::settings::shown;

const KEY: &str = "endpoint.allowedHosts";

/// The hosts that may be dialled for endpoints. The default: any.
#[derive(Debug, Default)]
pub(crate) struct AllowedHosts(Vec<Entry>);

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Any,
    /// In lower case.
    Name(String),
    /// In lower case, with its dot in front.
    End(String),
    Address(IpAddr),
}

impl AllowedHosts {
    /// Reads the setting.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] shows an entry that can never match.
    pub(crate) fn parse(list: &str) -> Result<AllowedHosts, Error> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(Entry::parse).collect::<Result<_, _>>().map(AllowedHosts)
    }

    /// Whether this host of the named field may be dialled.
    ///
    /// # Errors
    /// [`Invalid`] names the setting.
    pub(crate) fn check(&self, field: &'static str, host: &str) -> Result<(), Invalid> {
        if self.0.is_empty() || self.0.contains(&Entry::Any) || self.has(host) {
            return Ok(());
        }
        let host = shown(host);
        let why =
            format!("the host {host} is not among those of the setting {KEY}: if it is to be trusted, add it there");
        Err(Invalid::new(Rule::HostNotAllowed, field, why))
    }

    fn has(&self, host: &str) -> bool {
        if let Ok(address) = host.parse() {
            return self.0.contains(&Entry::Address(address));
        }
        let name = bare(host);
        // An address with a zone is an address, too, and cannot be listed.
        !name.contains(':')
            && self.0.iter().any(|entry| match entry {
                Entry::Name(allowed) => *allowed == name,
                Entry::End(end) => name.len() > end.len() && name.ends_with(end.as_str()),
                Entry::Any | Entry::Address(_) => false,
            })
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Entry, Error> {
        if text == "*" {
            return Ok(Entry::Any);
        }
        if let Ok(address) = text.parse() {
            return Ok(Entry::Address(address));
        }
        let name = bare(text);
        let labels = name.strip_prefix('.').unwrap_or(&name);
        let fits =
            |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !labels.split('.').all(fits) {
            let expected = "a host name, the end of names (.example.com), an address without brackets or port, or *";
            return Err(Error::InvalidValue { key: KEY, value: shown(text), expected: expected.to_owned() });
        }
        Ok(if name.starts_with('.') { Entry::End(name) } else { Entry::Name(name) })
    }
}

/// Names are compared without case, and without the dot that DNS may have at the end.
fn bare(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, host: &str) -> bool {
        AllowedHosts::parse(list).unwrap().check("url", host).is_ok()
    }

    #[test]
    fn names_ends_and_addresses_are_allowed_as_they_are_listed() {
        let list = "cloud.example.com, .Example.NET,192.0.2.7,2001:db8::7,";
        for host in [
            "cloud.example.com",
            "CLOUD.example.com.",
            "a.example.net",
            "a.b.example.net",
            "192.0.2.7",
            "2001:DB8:0::7",
        ] {
            assert!(allows(list, host), "{host}");
        }
        for host in [
            "example.com",
            "a.cloud.example.com",
            "cloud.example.com.evil.org",
            "cloud.example.comevil",
            "example.net",
            ".example.net",
            "evilexample.net",
            "localhost",
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "169.254.169.254",
            "192.0.2.70",
            "::1",
            "::ffff:192.0.2.7",
            "fd00:ec2::254",
            "fe80::1%x.example.net",
            "",
        ] {
            assert!(!allows(list, host), "{host}");
        }
    }

    #[test]
    fn an_empty_list_and_an_asterisk_allow_all() {
        for list in ["", " , ", "*", "other.example.com,*"] {
            for host in ["any.where", "127.0.0.1", "::1"] {
                assert!(allows(list, host), "{list}: {host}");
            }
        }
    }

    #[test]
    fn an_entry_that_can_never_match_is_refused_and_a_refusal_names_the_setting() {
        for entry in ["*.example.com", "host:443", "[::1]", "10.0.0.0/8", "a b", "https://h", ".", "..", "a..b", "ä.de"]
        {
            let error = AllowedHosts::parse(&format!("h, {entry}")).unwrap_err().to_string();
            assert!(error.starts_with("setting endpoint.allowedHosts: ") && error.contains("a host name"), "{error}");
        }
        let refusal = AllowedHosts::parse("h").unwrap().check("url", "evil.org").unwrap_err();
        assert_eq!(refusal.rule, Rule::HostNotAllowed);
        let text = refusal.to_string();
        assert!(
            text.starts_with("url: the host evil.org is not among") && text.contains("endpoint.allowedHosts"),
            "{text}"
        );
    }
}
