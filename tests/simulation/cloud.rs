//! A simulated cloud application: one per server group, reached over any of the group's endpoints.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

/// What the application does wrong, drawn for each history and changed when calm returns. Percentages.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    pub drops_acknowledgement: u8,
    pub repeats_acknowledgement: u8,
    pub makes_up_acknowledgement: u8,
    pub delays_acknowledgement: u8,
    pub refuses_token: u8,
    pub turns_away: u8,
    pub leaves_connect: u8,
    pub sends_garbage: u8,
    /// Messages with a multiple of this and one in them, up to 10, are never acknowledged; 0 for none.
    pub poison: u64,
}

impl Manners {
    /// What is never acknowledged never is.
    pub fn good(self) -> Manners {
        Manners { poison: self.poison, ..Manners::GOOD }
    }

    const GOOD: Manners = Manners {
        drops_acknowledgement: 0,
        repeats_acknowledgement: 0,
        makes_up_acknowledgement: 0,
        delays_acknowledgement: 0,
        refuses_token: 0,
        turns_away: 0,
        leaves_connect: 0,
        sends_garbage: 0,
        poison: 0,
    };

    pub fn draw(random: &mut fastrand::Rng) -> Manners {
        // Half of the histories have good manners in each respect, the others up to the bound.
        let mut up_to = |bound: u8| if random.bool() { 0 } else { random.u8(0..bound) };
        Manners {
            drops_acknowledgement: up_to(60),
            repeats_acknowledgement: up_to(30),
            makes_up_acknowledgement: up_to(30),
            delays_acknowledgement: up_to(30),
            refuses_token: up_to(30),
            turns_away: up_to(40),
            leaves_connect: up_to(40),
            sends_garbage: up_to(5),
            poison: if random.u8(0..4) == 0 { random.u64(2..12) } else { 0 },
        }
    }
}

/// Everything one application has seen, and what it checks while seeing it.
pub struct Cloud {
    pub manners: Manners,
    /// Numbers of the notifications that came, which is the order in which each came first.
    pub received: Vec<u64>,
    /// The connector's process was killed and did not save that it had let go of superseded states: it goes on from
    /// before them.
    pub goes_back: bool,
    messages: HashMap<String, Value>,
    pub repeated: u64,
    /// First answer to each command id: later ones must be the same.
    answers: HashMap<String, Value>,
}

/// What the application sends back: at once, or after a delay, when what comes later may have been sent before.
pub type Reaction = (Option<Duration>, String);

impl Cloud {
    pub fn new(manners: Manners) -> Cloud {
        Cloud {
            manners,
            received: Vec::new(),
            goes_back: false,
            messages: HashMap::new(),
            repeated: 0,
            answers: HashMap::new(),
        }
    }

    /// Takes a message of the connector's. Returns what it sends, and the command ids that were answered.
    pub fn take(
        &mut self,
        random: &mut fastrand::Rng,
        authenticated: &mut bool,
        text: &str,
    ) -> (Vec<Reaction>, Option<(String, i64)>) {
        let mut chance = |percent: u8| random.u8(0..100) < percent;
        let message: Value = serde_json::from_str(text).expect("the connector writes JSON");
        let id = message["id"].as_str().expect("an id").to_owned();
        let mut out = Vec::new();
        let mut answered = None;
        let soon = None;
        match (message["type"].as_str(), message["subType"].as_str()) {
            (Some("CONNECT"), Some("REQUEST")) => {
                assert!(!*authenticated, "CONNECT twice");
                if !chance(self.manners.leaves_connect) {
                    let valid = message["payload"]["token"] == "good" && !chance(self.manners.refuses_token);
                    *authenticated = valid;
                    out.push((soon, envelope(&id, "CONNECT", "RESPONSE", json!({"valid": valid}))));
                }
            }
            (Some("NOTIFICATION"), Some("REQUEST")) => {
                assert!(*authenticated, "a notification before the answer to CONNECT");
                self.remember(&id, &message["payload"]);
                if chance(self.manners.makes_up_acknowledgement) {
                    out.push((soon, acknowledgement("MADE-UP")));
                }
                let is_poison = |n: u64| self.manners.poison > 0 && n <= 10 && n % self.manners.poison == 1;
                let numbers = message["payload"].as_array().into_iter().flatten();
                let poison = numbers.filter_map(|element| element["n"].as_u64()).any(is_poison);
                if !chance(self.manners.drops_acknowledgement) && !poison {
                    let late = chance(self.manners.delays_acknowledgement);
                    let repeats = chance(self.manners.repeats_acknowledgement);
                    let delay = late.then(|| Duration::from_millis(random.u64(0..7000)));
                    out.push((delay, acknowledgement(&id)));
                    if repeats {
                        out.push((delay, acknowledgement(&id)));
                    }
                }
            }
            (Some("COMMAND"), Some("RESPONSE")) => {
                assert!(*authenticated, "an answer before the answer to CONNECT");
                let status = message["payload"]["statusCode"].as_i64().expect("a status");
                if status != 503 {
                    let first = self.answers.entry(id.clone()).or_insert_with(|| message["payload"].clone());
                    assert_eq!(*first, message["payload"], "two different answers to {id}");
                }
                answered = Some((id, status));
            }
            other => panic!("the connector sent {other:?}"),
        }
        if *authenticated && random.u8(0..100) < self.manners.sends_garbage {
            out.push((soon, "{\"version\":\"1.0\"".to_owned()));
        }
        (out, answered)
    }

    fn remember(&mut self, id: &str, payload: &Value) {
        if let Some(before) = self.messages.insert(id.to_owned(), payload.clone()) {
            assert_eq!(before, *payload, "one id, two messages");
            self.repeated += 1;
            return;
        }
        for element in payload.as_array().expect("an array") {
            let number = element["n"].as_u64().expect("our number");
            match self.received.binary_search(&number) {
                // After a restart, or alone because its message was split.
                Ok(_) => self.repeated += 1,
                Err(place) => {
                    let is_last = place == self.received.len();
                    assert!(is_last || self.goes_back, "{number} came after {:?}", self.received.last());
                    self.received.insert(place, number);
                }
            }
        }
    }
}

/// A REST call with this id.
pub fn command(id: &str) -> String {
    let payload = json!({"uri": format!("/call/{id}"), "method": "GET", "headers": {"a": "b"}});
    envelope(id, "COMMAND", "REQUEST", payload)
}

fn acknowledgement(id: &str) -> String {
    envelope(id, "NOTIFICATION", "RESPONSE", json!([{"status": "OK"}]))
}

fn envelope(id: &str, kind: &str, sub_kind: &str, payload: Value) -> String {
    json!({"version": "1.0", "id": id, "type": kind, "subType": sub_kind, "timeStamp": 1, "payload": payload})
        .to_string()
}
