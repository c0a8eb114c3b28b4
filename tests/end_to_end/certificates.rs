//! Certificates that must not be trusted: the connection ends within TLS, not a byte follows, and the administrator
//! reads what is wrong. And those that an administrator chose to trust.

mod server;

use std::fs;
use std::path::Path;
use std::process::Command;

use nbwss::endpoint::{ClientFiles, Details, EndpointTls};
use nbwss::{Cause, Certificate, Event, EventKind, Secret};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, NameConstraints, SanType, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::ServerSessionMemoryCache;
use rustls::version::{TLS12, TLS13};

use self::server::{Shown, Visit, config, serve};
use crate::recorder::{Backup, ok};
use crate::support::{Cloud, DEADLINE, Scratch};
use crate::{count, nothing_more};

/// After its greeting, a client that refuses a certificate sends no more than that it does: an alert (24 bytes in TLS 1.3),
/// and before it what makes TLS 1.3 look like 1.2 (6). To accept it would take more than this.
const A_REFUSAL: usize = 64;

type Ca = CertifiedIssuer<'static, KeyPair>;
type Spoil<'a> = &'a dyn Fn(&mut CertificateParams);

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn named(name: &str, sans: &[&str]) -> CertificateParams {
    let sans: Vec<String> = sans.iter().map(|san| (*san).to_owned()).collect();
    let mut params = CertificateParams::new(sans).expect("parameters");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str, spoil: Spoil<'_>) -> CertificateParams {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    spoil(&mut params);
    params
}

fn root(name: &str) -> Ca {
    Ca::self_signed(authority(name, &|_| {}), key()).expect("a CA")
}

fn below(ca: &Ca, name: &str, spoil: Spoil<'_>) -> Ca {
    Ca::signed_by(authority(name, spoil), key(), ca).expect("a CA")
}

/// A faultless server certificate's parameters for these names, to be spoilt.
fn server(sans: &[&str]) -> CertificateParams {
    let mut params = named("server", sans);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// Signed by the first of these, which are all shown.
fn signed_and_shown(params: &CertificateParams, issuers: &[&Ca]) -> Shown {
    let mut shown = signed(params, issuers[0]);
    shown.chain.extend(issuers.iter().map(|ca| ca.der().clone()));
    shown
}

/// Signed by this one, which is not shown.
fn signed(params: &CertificateParams, ca: &Ca) -> Shown {
    let key = key();
    Shown { chain: vec![params.signed_by(&key, ca).expect("a certificate").der().clone()], key }
}

fn self_signed(params: &CertificateParams) -> Shown {
    let key = key();
    Shown { chain: vec![params.self_signed(&key).expect("a certificate").der().clone()], key }
}

fn localhost(spoil: Spoil<'_>) -> CertificateParams {
    let mut params = server(&["localhost"]);
    spoil(&mut params);
    params
}

fn past(params: &mut CertificateParams) {
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
}

fn future(params: &mut CertificateParams) {
    (params.not_before, params.not_after) = (date_time_ymd(2400, 1, 1), date_time_ymd(2401, 1, 1));
}

/// Dials the server once, and returns the reason for the failure and what the server saw.
fn visit(settings: &[(&str, &str)], host: &str, tls: &EndpointTls, config: rustls::ServerConfig) -> (Event, Visit) {
    let (port, visits) = serve(vec![config]);
    let backup = backup(settings, host, port, tls);
    let failed = backup.host.event(EventKind::ConnectFailed, 1).event;
    (failed, visits.recv_timeout(DEADLINE).expect("the server saw the client"))
}

fn backup(settings: &[(&str, &str)], host: &str, port: u16, tls: &EndpointTls) -> Backup {
    let backup = Backup::new(None, settings, ok);
    let url = format!("wss://{host}:{port}/nbwss");
    let details = Details::new("h", &url, "g", 1, Secret::new("CANARY".into())).expect("good details");
    let details = details.with_tls(tls.clone()).expect("a good choice");
    backup.connector.add_endpoint(details).expect("a good endpoint");
    backup.connector.start().expect("it starts");
    backup
}

fn trusting(ca_pem: &str) -> EndpointTls {
    EndpointTls { ca_pem: Some(ca_pem.to_owned()), ..EndpointTls::default() }
}

fn pinned(pin: &str) -> EndpointTls {
    EndpointTls { pin: Some(pin.parse().expect("a pin")), ..EndpointTls::default() }
}

fn refused(tls: &EndpointTls, host: &str, shown: Shown, because: &str) {
    let (Event { cause, reason, .. }, visit) = visit(&[], host, tls, config(shown, &[&TLS12, &TLS13], None));
    assert_eq!(cause, Cause::Tls, "{because}: {reason}");
    assert!(reason.starts_with(&format!("TLS with {host} failed: ")), "{because}: {reason}");
    assert!(reason.contains(because), "{because}: {reason}");
    assert!(visit.after_greeting < A_REFUSAL, "{because}: {visit:?}");
    visit.handshake.expect_err(because);
}

fn welcome(what: &str, tls: &EndpointTls, shown: Shown) {
    let (Event { cause, reason, .. }, visit) = visit(&[], "localhost", tls, config(shown, &[&TLS12, &TLS13], None));
    assert_eq!(cause, Cause::Upgrade, "{what}: {reason}");
    assert!(visit.handshake.is_ok() && visit.bytes > 0, "{what}: {visit:?}, {reason}");
    assert!(visit.after_greeting > A_REFUSAL, "{what}: {visit:?}");
    assert!(reason.starts_with("WebSocket upgrade failed"), "{what}: {reason}");
}

/// The same server with a faultless certificate gets the upgrade request: what refuses the others is the certificate.
#[test]
fn a_good_certificate_passes() {
    let ca = root("good CA");
    let middle = below(&ca, "middle", &|_| {});
    let accepted = trusting(&ca.pem());
    welcome("signed by the CA", &accepted, signed(&server(&["localhost"]), &ca));
    welcome("with the chain", &accepted, signed_and_shown(&server(&["localhost"]), &[&middle, &ca]));
    welcome("one name of many", &accepted, signed(&server(&["a.example", "localhost"]), &ca));
    welcome("an intermediate accepted", &trusting(&middle.pem()), signed(&server(&["localhost"]), &middle));
    // An authority counts because it was accepted, and until that is taken back.
    let old = Ca::self_signed(authority("old CA", &past), key()).expect("a CA");
    welcome("an expired root", &trusting(&old.pem()), signed(&server(&["localhost"]), &old));
}

/// Expired, not valid yet, or valid for something else: refused although the CA is trusted.
#[test]
fn a_certificate_of_a_trusted_ca_is_refused_for_time_name_or_purpose() {
    let ca = root("good CA");
    let client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let critical = |params: &mut CertificateParams| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    };
    let ca_true = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let backwards = |params: &mut CertificateParams| params.not_after = date_time_ymd(1970, 1, 1);
    let seven = ["a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example"];
    for (params, because) in [
        (localhost(&past), "the certificate expired at 2002-01-01 00:00 UTC (this machine's clock says 2"),
        (localhost(&future), "the certificate is not valid before 2400-01-01 00:00 UTC"),
        (localhost(&backwards), "its validity ends before it begins"),
        (server(&["other.example", "b.example"]), "is for other.example, b.example, not for localhost"),
        (server(&seven), "d.example, e.example and 2 more, not for localhost"),
        (server(&["*.localhost"]), "is for *.localhost, not for localhost"),
        (server(&["127.0.0.1"]), "is for IP:127.0.0.1, not for localhost"),
        (named("localhost", &[]), "has no alternative name, so it is not for localhost"),
        (localhost(&client), "is for clients, not for servers"),
        (localhost(&critical), "a critical extension that is not known"),
        (localhost(&ca_true), "is a certificate authority's (CA:TRUE)"),
    ] {
        refused(&trusting(&ca.pem()), "localhost", signed(&params, &ca), because);
    }
    let mut looks_like_an_address = named("server", &[]);
    looks_like_an_address.subject_alt_names = vec![SanType::DnsName("127.0.0.1".try_into().expect("text"))];
    for (params, because) in [
        (server(&["localhost"]), "is for DNS:localhost, not for 127.0.0.1"),
        (server(&["127.0.0.2"]), "is for 127.0.0.2, not for 127.0.0.1"),
        (looks_like_an_address, "is for DNS:127.0.0.1, not for 127.0.0.1"),
    ] {
        refused(&trusting(&ca.pem()), "127.0.0.1", signed(&params, &ca), because);
    }
}

/// Nobody vouches for it: self-signed, signed by a stranger, or by somebody who only bears the CA's name.
#[test]
fn a_certificate_without_a_trusted_ca_is_refused() {
    let ca = root("good CA");
    let good = server(&["localhost"]);
    let middle = below(&ca, "middle", &|_| {});
    let (stranger, impostor) = (root("another CA"), root("good CA"));
    let ca_as_server = {
        let key = key();
        let params = authority("server", &|params| params.subject_alt_names = good.subject_alt_names.clone());
        Shown { chain: vec![params.self_signed(&key).expect("a certificate").der().clone()], key }
    };
    for (shown, because) in [
        (self_signed(&good), "is self-signed (CN=server) and not trusted: validate the endpoint and accept or pin"),
        (signed_and_shown(&good, &[&stranger]), "the certificate's issuer CN=another CA is not trusted: validate"),
        (signed(&good, &stranger), "CN=another CA, whose certificate the endpoint does not show, is not trusted"),
        (signed(&good, &middle), "CN=middle, whose certificate the endpoint does not show, is not trusted"),
        (signed_and_shown(&good, &[&impostor]), "its issuer only bears the name of a trusted one"),
        (signed(&good, &impostor), "its issuer only bears the name of a trusted one"),
        (self_signed(&named("good CA", &["localhost"])), "and either changed or not the trusted one of this name"),
        (ca_as_server, "is a certificate authority's (CA:TRUE)"),
    ] {
        refused(&trusting(&ca.pem()), "localhost", shown, because);
    }
}

/// The endpoint's own certificate is good, and the CA is trusted, but not what is between them.
#[test]
fn a_faulty_chain_is_refused() {
    let ca = root("good CA");
    let good = server(&["localhost"]);
    let length = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let only = |permitted: &str| NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(permitted.to_owned())],
        excluded_subtrees: Vec::new(),
    };
    let permitted = |params: &mut CertificateParams| params.name_constraints = Some(only("example"));
    let excluded = |params: &mut CertificateParams| {
        let NameConstraints { permitted_subtrees, .. } = only("localhost");
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees: permitted_subtrees });
    };
    let not_a_ca = |params: &mut CertificateParams| params.is_ca = IsCa::ExplicitNoCa;
    let for_clients = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    for (spoil, because) in [
        (&past as Spoil<'_>, "the certificate of its issuer CN=middle expired at 2002-01-01"),
        (&future, "the certificate of its issuer CN=middle is not valid before 2400-01-01"),
        (&not_a_ca, "CN=middle is no certificate authority, but signed like one"),
        (&for_clients, "is for clients, not for servers"),
        (&permitted, "is not allowed to vouch for the names of the certificate (localhost)"),
        (&excluded, "is not allowed to vouch for the names of the certificate (localhost)"),
    ] {
        let shown = signed_and_shown(&good, &[&below(&ca, "middle", spoil)]);
        refused(&trusting(&ca.pem()), "localhost", shown, because);
    }
    let short = below(&ca, "short", &length);
    let shown = signed_and_shown(&good, &[&below(&short, "too low", &|_| {}), &short]);
    refused(&trusting(&ca.pem()), "localhost", shown, "fewer certificate authorities below it than there are");
}

/// What is shown was changed, is not what it poses as, or is no certificate at all.
#[test]
fn a_damaged_or_stolen_certificate_is_refused() {
    let ca = root("good CA");
    let good = server(&["localhost"]);
    let change = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut shown = signed(&good, &ca);
        let mut der = shown.chain[0].to_vec();
        damage(&mut der);
        shown.chain[0] = der.into();
        shown
    };
    let name = |der: &mut Vec<u8>| {
        let at = der.windows(6).rposition(|window| window == b"server").expect("its common name");
        der[at] = b'S';
    };
    let last_bit = |der: &mut Vec<u8>| *der.last_mut().expect("a byte") ^= 1;
    let stolen = Shown { key: key(), ..signed(&good, &ca) };
    let nothing = Shown { chain: Vec::new(), key: key() };
    for (shown, because) in [
        (change(&name), "has a wrong signature: it was changed"),
        (change(&last_bit), "has a wrong signature: it was changed"),
        (change(&|der| der.truncate(100)), "cannot be used: it cannot be read"),
        (change(&|der| der.push(0)), "cannot be used: it cannot be read"),
        (change(&|der| *der = b"garbage".to_vec()), "cannot be used: it cannot be read"),
        (stolen, "does not have the key of the certificate"),
        (nothing, "shows no certificate"),
    ] {
        refused(&trusting(&ca.pem()), "localhost", shown, because);
    }
}

/// Algorithms of the past, as only openssl still makes them.
#[test]
fn weak_algorithms_are_refused() {
    let scratch = Scratch::new("weak");
    for (ca_key, hash, because) in [
        ("rsa:1024", "-sha256", "has a key of 1024 bits (RSA); at least 2048 are required"),
        ("rsa:2048", "-sha1", "signed with an algorithm that is not accepted, such as SHA-1"),
        ("rsa:2048", "-sha256", ""),
    ] {
        let (ca, shown) = made_by_openssl(&scratch, ca_key, hash);
        match because {
            "" => welcome("the same with better algorithms", &trusting(&ca), shown),
            because => refused(&trusting(&ca), "localhost", shown, because),
        }
    }
}

fn made_by_openssl(scratch: &Scratch, ca_key: &str, hash: &str) -> (String, Shown) {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let output = command.current_dir(scratch.path()).args(arguments.split(' ')).output().expect("openssl");
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
    };
    fs::write(scratch.join("server.ext"), "subjectAltName = DNS:localhost\n").expect("a file");
    openssl(&format!("req -x509 -newkey {ca_key} -nodes -keyout ca.key -out ca.pem -subj /CN=CA -days 9"));
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=s");
    openssl(&format!(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 {hash} -extfile server.ext \
         -out server.pem"
    ));
    let read = |name: &str| fs::read_to_string(scratch.join(name)).expect("a file that openssl made");
    let certificate = |name: &str| CertificateDer::from_pem_slice(read(name).as_bytes()).expect("a certificate");
    let key = KeyPair::from_pem(&read("server.key")).expect("a key");
    (read("ca.pem"), Shown { chain: vec![certificate("server.pem"), certificate("ca.pem")], key })
}

/// What an administrator pinned is trusted whoever signed it and whatever it is for, and nothing else is.
#[test]
fn a_pin_says_who_the_endpoint_is() {
    let pins = |shown: &Shown| {
        let certificate = Certificate::parse(&shown.chain[0]).expect("a certificate");
        [format!("certificate:{}", certificate.sha256), format!("spki:{}", certificate.spki_sha256)]
    };
    let again = |shown: &Shown| Shown {
        chain: shown.chain.clone(),
        key: KeyPair::try_from(shown.key.serialize_der()).expect("a key"),
    };
    let alone = self_signed(&server(&["other.example"]));
    let as_ca = self_signed(&authority("CA", &|_| {}));
    let ca = root("good CA");
    for shown in [&alone, &as_ca] {
        for (pin, others) in pins(shown).iter().zip(pins(&self_signed(&server(&["localhost"])))) {
            welcome(pin, &pinned(pin), again(shown));
            let because = format!("its fingerprint is {pin}, pinned is {others}");
            refused(&pinned(&others), "localhost", again(shown), &because);
            // With authorities as well, both must hold.
            let both = EndpointTls { ca_pem: Some(ca.pem()), ..pinned(pin) };
            refused(&both, "localhost", again(shown), "the certificate");
        }
    }
    let good = signed(&server(&["localhost"]), &ca);
    for pin in pins(&good) {
        welcome(&pin, &EndpointTls { ca_pem: Some(ca.pem()), ..pinned(&pin) }, again(&good));
        let stolen = Shown { key: key(), ..again(&good) };
        refused(&pinned(&pin), "localhost", stolen, "does not have the key of the certificate");
    }
    let late = self_signed(&localhost(&past));
    let early = self_signed(&localhost(&future));
    for (shown, because) in [(late, "the certificate expired at 2002-01-01"), (early, "not valid before 2400-01-01")] {
        for pin in pins(&shown) {
            refused(&pinned(&pin), "localhost", again(&shown), because);
        }
    }
}

/// A server that wants to know who we are is shown the certificate of the settings, or the endpoint's own.
#[test]
fn a_client_certificate_is_shown_where_it_is_required() {
    let scratch = Scratch::new("client");
    let (ca, clients, strangers) = (root("good CA"), root("clients"), root("strangers"));
    let client = |name: &str, ca: &Ca| {
        let key = key();
        let (certificate, key_file) = (scratch.join(&format!("{name}.pem")), scratch.join(&format!("{name}.key")));
        let pem = named(name, &[]).signed_by(&key, ca).expect("a certificate").pem();
        fs::write(&certificate, pem).expect("a file");
        fs::write(&key_file, key.serialize_pem()).expect("a file");
        ClientFiles { certificate, key: key_file }
    };
    let (ours, theirs) = (client("ours", &clients), client("theirs", &strangers));
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let (certificate, key) = (text(&ours.certificate), text(&ours.key));
    let with = [("tls.clientCertificateFile", certificate.as_str()), ("tls.clientKeyFile", key.as_str())];
    let trusted = trusting(&ca.pem());
    let chosen = |files: &ClientFiles| EndpointTls { client: Some(files.clone()), ..trusted.clone() };

    for version in [&TLS12, &TLS13] {
        let go = |settings: &[(&str, &str)], tls: &EndpointTls| {
            let shown = signed(&server(&["localhost"]), &ca);
            visit(settings, "localhost", tls, config(shown, &[version], Some(&clients)))
        };
        for (settings, tls) in [(&with[..], trusted.clone()), (&[], chosen(&ours))] {
            let (failed, visit) = go(settings, &tls);
            assert!(visit.handshake.is_ok() && visit.bytes > 0, "{visit:?}, {failed:?}");
            assert_eq!(visit.client_certificates, 1);
        }
        for (settings, tls, because) in [
            (&[][..], trusted.clone(), "requires a client certificate"),
            // The endpoint's own goes before that of the settings.
            (&with, chosen(&theirs), "refuses our client certificate"),
        ] {
            let (failed, visit) = go(settings, &tls);
            assert_eq!(failed.cause, Cause::Tls, "{failed:?}");
            assert!(failed.reason.contains(because), "{because}: {failed:?}");
            // TLS 1.3 lets the client speak before it is judged: the upgrade request, and the token is not in that.
            visit.handshake.expect_err(because);
        }
    }
}

/// A choice that cannot work is refused when the endpoint is added; if it is spoilt later, the attempt says so.
#[test]
fn a_file_that_cannot_be_used_is_named() {
    let scratch = Scratch::new("choice");
    let ca = root("good CA");
    let ca_file = scratch.join("ca.pem");
    fs::write(&ca_file, ca.pem()).expect("a file");
    let choice = EndpointTls { ca_file: Some(ca_file.clone()), ..EndpointTls::default() };
    let good = || config(signed(&server(&["localhost"]), &ca), &[&TLS13], None);
    let (port, visits) = serve(vec![good(), good()]);
    let backup = backup(&[], "localhost", port, &choice);
    assert!(visits.recv_timeout(DEADLINE).expect("a visit").bytes > 0);
    fs::write(&ca_file, "").expect("a file");
    backup.host.wait_until("the file's failure", |seen| {
        let reason =
            |reason: &str| reason.starts_with("caFile: ") && reason.ends_with("ca.pem holds no usable certificate");
        seen.events.iter().find(|told| reason(&told.event.reason)).cloned()
    });

    let details = Details::new("h2", "wss://localhost/", "g", 1, Secret::new("CANARY".into())).expect("good details");
    let refused = backup.connector.add_endpoint(details.with_tls(choice).expect("a good choice"));
    let error = refused.expect_err("an empty file").to_string();
    assert!(error.contains("caFile") && error.contains("ca.pem"), "{error}");
    assert_eq!(backup.connector.endpoints().expect("a list").len(), 1);
}

/// Each connection is verified, also the next to a server that knows us and would resume the session before.
#[test]
fn a_certificate_that_went_bad_is_refused_at_the_next_connection() {
    let ca = root("good CA");
    let sessions = ServerSessionMemoryCache::new(16);
    let configs = [localhost(&|_| {}), localhost(&past)].map(|params| {
        let mut config = config(signed(&params, &ca), &[&TLS12, &TLS13], None);
        config.session_storage = sessions.clone();
        config
    });
    let (port, visits) = serve(configs.into());
    let tls = trusting(&ca.pem());
    let scratch = Scratch::new("bad");
    let ca_file = scratch.join("ca.pem");
    fs::write(&ca_file, tls.ca_pem.as_deref().unwrap_or_default()).expect("a file");
    let settings = [("tls.caFile", ca_file.to_str().expect("UTF-8"))];
    let backup = backup(&settings, "localhost", port, &EndpointTls::default());
    let visit = || visits.recv_timeout(DEADLINE).expect("a visit");
    let first = visit();
    assert!(first.bytes > 0, "{first:?}");
    let second = visit();
    assert!(second.handshake.is_err() && second.after_greeting < A_REFUSAL, "{second:?}");
    let reason = backup.host.event(EventKind::ConnectFailed, 2).event.reason;
    assert!(reason.contains("the certificate expired"), "{reason}");
}

/// Without a CA file the system's authorities count, which know nothing of the test's: refused, and the token is not
/// sent.
#[test]
fn without_a_ca_file_the_systems_authorities_decide() {
    let scratch = Scratch::new("system");
    let mut cloud = Cloud::start(&scratch, &[]);
    let backup = Backup::new(None, &[("connect.backoffBase", "60000")], ok);
    backup.connector.add_endpoints_file(&cloud.endpoint_file()).expect("good endpoint details");
    backup.connector.start().expect("it starts");
    let failed = backup.host.event(EventKind::ConnectFailed, 1).event;
    assert!(failed.reason.contains("is not trusted: validate the endpoint"), "{failed:?}");
    let closed = cloud.wait_for("closed", 1);
    assert!(closed["reason"].as_str().is_some_and(|reason| reason.contains("TLS")), "{closed}");
    nothing_more(&mut cloud, "connect");
    assert_eq!(count(&mut cloud, "connect"), 0);
    backup.stop();
    cloud.finish();
}
