//! Properties that hold for whatever a peer sends, tried on the known tricks, on their mixtures, and on mutated
//! messages. Seeds are fixed: a failure repeats. `scripts/fuzz.sh` looks further with the same properties.

#[path = "support/invariants.rs"]
mod invariants;

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use nbwss::dispatch::Policy;
use nbwss::protocol::{Response, ResponseFormat, command_response, normal_uri};

const URIS: &str = include_str!("corpus/uris.txt");
const MESSAGES: &str = include_str!("corpus/messages.txt");

/// Runs a property and says for which input it failed.
fn holds<T: AsRef<[u8]> + std::panic::RefUnwindSafe>(input: &T, property: impl Fn(&T) + std::panic::RefUnwindSafe) {
    let held = catch_unwind(|| property(input));
    assert!(held.is_ok(), "fails for {:?}", String::from_utf8_lossy(input.as_ref()));
}

/// What becomes of each known trick, by the first word of its line.
#[test]
fn each_known_trick_comes_to_what_it_should() {
    let policy = Policy::parse(invariants::POLICY).expect("valid rules");
    let mut seen = BTreeMap::new();
    for line in URIS.lines() {
        let (expected, uri) = line.split_once(' ').expect("a verdict and a uri");
        let verdict = match normal_uri(uri) {
            Err(_) => "unusable",
            Ok(normal) if policy.allows("g", "GET", &normal) => "allowed",
            Ok(_) => "denied",
        };
        assert_eq!(verdict, expected, "{uri}");
        *seen.entry(verdict).or_insert(0) += 1;
        holds(&uri.to_owned(), |uri| invariants::uri(uri));
    }
    assert!(["unusable", "denied", "allowed"].into_iter().all(|verdict| seen[verdict] >= 5), "{seen:?}");
}

#[test]
fn no_spelling_of_a_path_gets_past_the_policy() {
    const PARTS: [&str; 38] = [
        "/",
        "/",
        "/",
        "//",
        "secret",
        "secret",
        "public",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "%2f",
        "%5c",
        "\\",
        ";",
        ";x=1",
        "%00",
        "%",
        "%25",
        "%252e",
        "%252f",
        "?",
        "#",
        "%73ecret",
        "s%65cret",
        "%c3%a9",
        "%c0%ae",
        "%c0%af",
        "%e0%80%af",
        "%c1%b3ecret",
        "%ff",
        "a",
        "%41",
        " ",
        "é",
        "@",
        ":",
        "http://h",
    ];
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..400_000 {
        let start = if random.u8(0..8) == 0 { "" } else { "/" };
        let rest: String = (0..random.usize(0..9)).map(|_| PARTS[random.usize(0..PARTS.len())]).collect();
        holds(&format!("{start}{rest}"), |uri| invariants::uri(uri));
    }
}

#[test]
fn no_header_that_is_not_the_peers_to_send_is_let_through() {
    let with_header = |name: &str| {
        format!(
            r#"{{"version":"1.0","id":"1","type":"COMMAND","subType":"REQUEST","payload":{{"uri":"/a","method":"GET","headers":{{"{name}":"x"}}}}}}"#
        )
    };
    assert!(invariants::is_let_through(&with_header("x-kept")));
    for header in invariants::FORBIDDEN {
        // In each spelling that some server takes for the name.
        for name in [header.to_owned(), header.to_uppercase(), header.replace('-', "_")] {
            assert!(!invariants::is_let_through(&with_header(&name)), "{name}");
        }
    }
}

#[test]
fn no_message_does_harm() {
    let seeds: Vec<&[u8]> = MESSAGES.lines().map(str::as_bytes).collect();
    for message in &seeds {
        holds(&message.to_vec(), |message| invariants::message(message));
    }
    let mut random = fastrand::Rng::with_seed(6);
    for _ in 0..300_000 {
        let mut message = seeds[random.usize(0..seeds.len())].to_vec();
        for _ in 0..random.usize(1..6) {
            mutate(&mut random, &mut message, &seeds);
        }
        holds(&message, |message| invariants::message(message));
    }
}

/// Changes, inserts, removes or doubles something, or takes over a piece of another message.
fn mutate(random: &mut fastrand::Rng, message: &mut Vec<u8>, others: &[&[u8]]) {
    if message.is_empty() {
        message.push(b'{');
    }
    let at = random.usize(0..message.len());
    let to = (at + random.usize(0..12)).min(message.len());
    match random.u8(0..6) {
        0 => message[at] = random.u8(..),
        1 => message.insert(at, b"\"{}[]:,\\/%.;0\r\n\0"[random.usize(0..16)]),
        2 => drop(message.drain(at..to)),
        3 => {
            let piece = message[at..to].to_vec();
            drop(message.splice(at..at, piece));
        }
        4 => {
            let other = others[random.usize(0..others.len())];
            let from = random.usize(0..other.len());
            let until = (from + random.usize(0..40)).min(other.len());
            drop(message.splice(at..at, other[from..until].iter().copied()));
        }
        _ => {
            let tricks = ["\\u0000", "\\r\\n", "/../", "%2e%2e", "\\ud800", "\"x\":1,", "99999999999999999999"];
            drop(message.splice(at..at, tricks[random.usize(0..tricks.len())].bytes()));
        }
    }
}

#[test]
fn every_response_can_be_read_as_it_was_meant() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut text = |most: usize| -> String { (0..random.usize(0..most)).map(|_| random.char(..)).collect() };
        let (id, body, value) = (text(40), text(200), text(30).replace(char::is_control, ""));
        let headers = vec![("X-Value".to_owned(), value.clone())];
        let response = Response::new(200, headers, Some(body.clone().into_bytes())).expect("valid");
        let message = command_response(&id, &response, &ResponseFormat::default(), 7);
        let read: serde_json::Value = serde_json::from_str(&message).expect("JSON");
        assert_eq!(read["id"], id);
        assert_eq!(read["payload"]["response"], body);
        assert_eq!(read["payload"]["headers"]["x-value"], value);
    }
}
