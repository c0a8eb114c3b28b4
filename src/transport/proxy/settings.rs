//! The settings `proxy.*`, and the variables of the environment where the host wants those.

use std::net::IpAddr;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::{Login, Protocol, Proxy};
use crate::error::Error;
use crate::secret::Secret;
use crate::settings::{Settings, shown};
use crate::transport::authority::host_and_port;

const URL: &str = "proxy.url";
const USER: &str = "proxy.user";
const PASSWORD: &str = "proxy.password";
const NO_PROXY: &str = "proxy.noProxy";
const FROM_ENVIRONMENT: &str = "proxy.fromEnvironment";

const EXPECTED: &str = "http://host:port or socks5://host:port";

impl Proxy {
    /// The proxy that the settings ask for, if any.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] names the setting.
    pub(in crate::transport) fn new(settings: &Settings) -> Result<Option<Proxy>, Error> {
        check_hosts(&settings.no_proxy)?;
        if settings.proxy_from_environment {
            let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
            return from_environment(settings, variable);
        }
        let url = settings.proxy_url.as_str();
        if url.is_empty() {
            return match login(settings)? {
                Some(_) => Err(invalid(USER, &settings.proxy_user, "of use without proxy.url: set that, too")),
                None => Ok(None),
            };
        }
        if url.contains('@') {
            let expected = "a URL without a user name and password: set proxy.user and proxy.password";
            return Err(invalid(URL, after_userinfo(url), expected));
        }
        // Not shown: what cannot be read may still be a password.
        let (protocol, host, port) = parse(url).ok_or_else(|| invalid(URL, "...", EXPECTED))?;
        let login = login(settings)?;
        if let Some(login) = &login {
            check_login(protocol, login)?;
        }
        Ok(Some(Proxy { protocol, host, port, login, matcher: matcher(&settings.no_proxy) }))
    }
}

fn login(settings: &Settings) -> Result<Option<Login>, Error> {
    match (settings.proxy_user.as_str(), &settings.proxy_password) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(invalid(USER, "", "the user name that proxy.password needs")),
        (user, password) => {
            let password = password.clone().unwrap_or_else(|| Secret::new(String::new()));
            Ok(Some(Login { user: user.to_owned(), password }))
        }
    }
}

/// What the protocol cannot carry.
fn check_login(protocol: Protocol, login: &Login) -> Result<(), Error> {
    match protocol {
        Protocol::Http if login.user.contains(':') => {
            Err(invalid(USER, &login.user, "a user name without a colon (RFC 7617)"))
        }
        Protocol::Socks5 if login.user.len() > 255 => {
            Err(invalid(USER, &login.user, "a user name of at most 255 bytes (RFC 1929)"))
        }
        Protocol::Socks5 if login.password.expose().len() > 255 => {
            Err(invalid(PASSWORD, "the password", "one of at most 255 bytes (RFC 1929)"))
        }
        _ => Ok(()),
    }
}

/// A slash at the end is what people write, and means nothing.
fn parse(url: &str) -> Option<(Protocol, String, u16)> {
    let (scheme, authority) = url.split_once("://")?;
    let protocol = match scheme.to_ascii_lowercase().as_str() {
        "http" => Protocol::Http,
        // The second says what the first does here, too: names are the proxy's to resolve.
        "socks5" | "socks5h" => Protocol::Socks5,
        _ => return None,
    };
    let (host, port) = host_and_port(authority.strip_suffix('/').unwrap_or(authority), None)?;
    Some((protocol, host, port))
}

/// As curl reads them: a variable in lower case goes before its twin, and an empty one is none. But a value that cannot
/// be used is an error and not ignored.
fn from_environment(settings: &Settings, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, Error> {
    if !settings.proxy_url.is_empty() {
        return Err(invalid(FROM_ENVIRONMENT, "true", "possible together with proxy.url: leave one of them"));
    }
    if login(settings)?.is_some() {
        return Err(invalid(FROM_ENVIRONMENT, "true", "possible together with proxy.user: leave one of them"));
    }
    let first = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| Some((name, variable(name).filter(|value| !value.is_empty())?)))
    };
    let Some((name, value)) = first(["https_proxy", "HTTPS_PROXY"]).or_else(|| first(["all_proxy", "ALL_PROXY"]))
    else {
        return Ok(None);
    };
    let unusable = || {
        let expected = format!("a variable with {EXPECTED}, with or without user:password@ before the host");
        invalid(FROM_ENVIRONMENT, name, &expected)
    };
    let url = if value.contains("://") { value } else { format!("http://{value}") };
    let (protocol, host, port) = parse(&without_userinfo(&url)).ok_or_else(unusable)?;
    let login = if url.contains('@') { Some(userinfo(&url).ok_or_else(unusable)?) } else { None };
    if let Some(login) = &login {
        check_login(protocol, login)?;
    }
    let no_proxy = first(["no_proxy", "NO_PROXY"]).map(|(_, hosts)| hosts).unwrap_or_default();
    let matcher = matcher(&format!("{},{no_proxy}", settings.no_proxy));
    Ok(Some(Proxy { protocol, host, port, login, matcher }))
}

fn without_userinfo(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, authority))) => format!("{scheme}://{authority}"),
        _ => url.to_owned(),
    }
}

fn after_userinfo(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, rest)| rest)
}

/// User name and password in a URL, decoded. The library hands them out for SOCKS only, so it is told so.
fn userinfo(url: &str) -> Option<Login> {
    let (_, rest) = url.split_once("://")?;
    let proxy = Matcher::builder().all(format!("socks5://{rest}")).build();
    let intercept = proxy.intercept(&Uri::from_static("https://any"))?;
    let (user, password) = intercept.raw_auth()?;
    Some(Login { user: user.to_owned(), password: Secret::new(password.to_owned()) })
}

/// Only asked whether there is a proxy for a host; which one it is, it need not know.
fn matcher(no_proxy: &str) -> Matcher {
    Matcher::builder().all("http://proxy").no(no_proxy).build()
}

/// An entry that can never match would send its host through the proxy without a word.
fn check_hosts(list: &str) -> Result<(), Error> {
    let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    for entry in entries {
        let name = entry.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if entry != "*" && !name && !is_network(entry) {
            let expected = "a host name or its end (.example.com), an address, a network (10.0.0.0/8) or *";
            return Err(invalid(NO_PROXY, entry, expected));
        }
    }
    Ok(())
}

fn is_network(entry: &str) -> bool {
    let (address, prefix) = entry.split_once('/').unwrap_or((entry, "0"));
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.parse::<u8>().is_ok_and(|prefix| prefix <= longest)
}

fn invalid(key: &'static str, value: &str, expected: &str) -> Error {
    Error::InvalidValue { key, value: shown(value), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in pairs {
            settings.set(key, value).unwrap_or_else(|error| panic!("{error}"));
        }
        settings
    }

    fn parts(proxy: &Proxy) -> (Protocol, &str, u16, Option<(&str, &str)>) {
        let login = proxy.login.as_ref().map(|login| (login.user.as_str(), login.password.expose()));
        (proxy.protocol, &proxy.host, proxy.port, login)
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        Proxy::new(&settings(pairs)).err().unwrap_or_else(|| panic!("{pairs:?} are taken")).to_string()
    }

    #[test]
    fn the_settings_name_a_proxy_and_a_login() {
        assert!(Proxy::new(&Settings::default()).unwrap().is_none());
        let cases = [
            ("http://proxy.example.com:3128", (Protocol::Http, "proxy.example.com", 3128)),
            ("HTTP://proxy:1/", (Protocol::Http, "proxy", 1)),
            ("socks5://[::1]:1080", (Protocol::Socks5, "::1", 1080)),
            ("socks5h://10.0.0.1:1080", (Protocol::Socks5, "10.0.0.1", 1080)),
        ];
        for (url, (protocol, host, port)) in cases {
            let proxy = Proxy::new(&settings(&[("proxy.url", url)])).unwrap().unwrap();
            assert_eq!(parts(&proxy), (protocol, host, port, None), "{url}");
        }
        let pairs = [("proxy.url", "http://p:1"), ("proxy.user", "u"), ("proxy.password", "p:@/ä")];
        let proxy = Proxy::new(&settings(&pairs)).unwrap().unwrap();
        assert_eq!(parts(&proxy).3, Some(("u", "p:@/ä")));
        let proxy = Proxy::new(&settings(&pairs[..2])).unwrap().unwrap();
        assert_eq!(parts(&proxy).3, Some(("u", "")));
    }

    #[test]
    fn each_bad_setting_is_named_and_no_password_shown() {
        let long = "x".repeat(256);
        let http = ("proxy.url", "http://p:1");
        let socks = ("proxy.url", "socks5://p:1");
        let mut cases = vec![
            (vec![("proxy.url", "http://user:s3cret@proxy:3128")], "proxy.url: \"proxy:3128\" is not a URL without"),
            (vec![("proxy.user", "u")], "proxy.user: \"u\" is not of use without proxy.url"),
            (vec![("proxy.password", "s3cret")], "proxy.user: \"\" is not the user name"),
            (vec![http, ("proxy.password", "s3cret")], "proxy.user: \"\" is not the user name"),
            (vec![http, ("proxy.user", "a:b")], "proxy.user: \"a:b\" is not a user name without a colon"),
            (vec![socks, ("proxy.user", long.as_str())], "at most 255 bytes"),
            (vec![socks, ("proxy.user", "u"), ("proxy.password", long.as_str())], "proxy.password"),
            (vec![http, ("proxy.fromEnvironment", "true")], "together with proxy.url"),
            (vec![("proxy.fromEnvironment", "true"), ("proxy.user", "u")], "together with proxy.user"),
        ];
        for url in [
            "proxy:3128",
            "http://user:s3cret",
            "https://p:1",
            "socks4://p:1",
            "http://p",
            "http://p:0",
            "http://p:1/x",
            "http://:1",
        ] {
            cases.push((vec![("proxy.url", url)], "http://host:port or socks5://host:port"));
        }
        for entry in ["*.example.com", "host:443", "10.0.0.0/33", "::1/129", "[::1]", "a b", "http://h"] {
            cases.push((vec![("proxy.noProxy", entry)], "proxy.noProxy"));
        }
        for (pairs, part) in &cases {
            let error = refusal(pairs);
            assert!(error.contains(part), "{error} should have {part}");
            assert!(!error.contains("s3cret") && !error.contains(&long), "{error}");
        }
    }

    #[test]
    fn hosts_go_past_the_proxy_by_suffix_address_and_network() {
        let no_proxy = "example.com, .internal,10.0.0.0/8, 192.0.2.7,2001:db8::/32,::1";
        let pairs = [("proxy.url", "http://p:1"), ("proxy.noProxy", no_proxy)];
        let proxy = Proxy::new(&settings(&pairs)).unwrap().unwrap();
        for host in ["example.com", "a.EXAMPLE.com", "x.internal", "10.1.2.3", "192.0.2.7", "2001:db8::1", "::1"] {
            assert!(proxy.is_bypassed(host, 443), "{host}");
        }
        for host in ["notexample.com", "example.com.evil", "11.0.0.1", "192.0.2.70", "2001:db9::1", "127.0.0.1"] {
            assert!(!proxy.is_bypassed(host, 443), "{host}");
        }
        let all = [("proxy.url", "http://p:1"), ("proxy.noProxy", "*")];
        assert!(Proxy::new(&settings(&all)).unwrap().unwrap().is_bypassed("any.where", 1));
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let from = |pairs: &'static [(&str, &str)]| {
            let variable =
                |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            from_environment(&settings(&[("proxy.noProxy", "own.example")]), variable)
        };
        assert!(from(&[("HTTP_PROXY", "http://p:1"), ("HTTPS_PROXY", "")]).unwrap().is_none());
        let cases: [(&'static [(&str, &str)], _, _); 6] = [
            (&[("HTTPS_PROXY", "http://h:1"), ("https_proxy", "http://l:2")], (Protocol::Http, "l", 2), None),
            (&[("https_proxy", ""), ("HTTPS_PROXY", "http://h:1")], (Protocol::Http, "h", 1), None),
            (&[("ALL_PROXY", "http://a:1"), ("https_proxy", "http://h:2/")], (Protocol::Http, "h", 2), None),
            (&[("all_proxy", "h:3")], (Protocol::Http, "h", 3), None),
            (&[("HTTPS_PROXY", "http://us%40er:p%3A%2Fw@h:4")], (Protocol::Http, "h", 4), Some(("us@er", "p:/w"))),
            (&[("HTTPS_PROXY", "socks5h://u@h:5")], (Protocol::Socks5, "h", 5), Some(("u", ""))),
        ];
        for (pairs, (protocol, host, port), login) in cases {
            let proxy = from(pairs).unwrap().unwrap();
            assert_eq!(parts(&proxy), (protocol, host, port, login), "{pairs:?}");
        }
        let proxy = from(&[("HTTPS_PROXY", "http://h:1"), ("no_proxy", "*.odd,example.com")]).unwrap().unwrap();
        assert!(proxy.is_bypassed("a.example.com", 1) && proxy.is_bypassed("own.example", 1));
        assert!(!proxy.is_bypassed("other.example", 1));
        let error = from(&[("HTTPS_PROXY", "https://u:s3cret@h:1")]).err().unwrap().to_string();
        assert!(error.contains("proxy.fromEnvironment") && error.contains("HTTPS_PROXY"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}
