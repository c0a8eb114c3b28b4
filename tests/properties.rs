//! Properties that hold for whatever a peer sends, tried on the known tricks, on their mixtures, and on mutated
//! messages. Seeds are fixed: a failure repeats. `make fuzz` looks further with the same properties.

#[path = "support/invariants.rs"]
mod invariants;

use std::panic::catch_unwind;

use nbwss::protocol::{Response, ResponseFormat, command_response};

const URIS: &str = include_str!("corpus/uris.txt");
const MESSAGES: &str = include_str!("corpus/messages.txt");

/// Runs a property and says for which input it failed.
fn holds<T: AsRef<[u8]> + std::panic::RefUnwindSafe>(input: &T, property: impl Fn(&T) + std::panic::RefUnwindSafe) {
    let held = catch_unwind(|| property(input));
    assert!(held.is_ok(), "fails for {:?}", String::from_utf8_lossy(input.as_ref()));
}

#[test]
fn no_spelling_of_a_path_gets_past_the_policy() {
    for trick in URIS.lines() {
        holds(&trick.to_owned(), |uri| invariants::uri(uri));
    }
    const PARTS: [&str; 34] = [
        "/", "/", "/", "//", "secret", "secret", "public", ".", "..", "%2e", "%2E%2e", "%2f", "%5c", "\\", ";", ";x=1",
        "%00", "%", "%25", "%252e", "%252f", "?", "#", "%73ecret", "s%65cret", "%c3%a9", "%c0%ae", "a", "%41", " ",
        "é", "@", ":", "http://h",
    ];
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..400_000 {
        let start = if random.u8(0..8) == 0 { "" } else { "/" };
        let rest: String = (0..random.usize(0..9)).map(|_| PARTS[random.usize(0..PARTS.len())]).collect();
        holds(&format!("{start}{rest}"), |uri| invariants::uri(uri));
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
