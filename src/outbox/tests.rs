//! Rules of the outbox, one story each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Accepted, Outbox, Outcome, Report};
use crate::error::Error;
use crate::settings::Settings;
use crate::time::Now;

fn at(start: Instant, milliseconds: u64) -> Now {
    Now { instant: start + Duration::from_millis(milliseconds), epoch_seconds: 0 }
}

fn element(number: u64) -> String {
    format!("{{\"n\":{number}}}")
}

fn accept(outbox: &mut Outbox, element: &str) -> Result<u64, Error> {
    match outbox.accept(0, Arc::from(element))? {
        Accepted::As(sequence) => Ok(sequence),
        Accepted::WithChange(_) => panic!("there is no store"),
    }
}

/// The id and the numbers that a message carries.
fn read(message: &str) -> (String, Vec<u64>) {
    let message: Value = serde_json::from_str(message).unwrap();
    let numbers = message["payload"].as_array().unwrap().iter().map(|e| e["n"].as_u64().unwrap()).collect();
    (message["id"].as_str().unwrap().to_owned(), numbers)
}

fn outbox(change: impl FnOnce(&mut Settings)) -> (Outbox, Arc<str>) {
    let mut settings = Settings::default();
    change(&mut settings);
    let mut outbox = Outbox::new(&settings, true);
    let group: Arc<str> = Arc::from("g");
    outbox.add_group(&group);
    (outbox, group)
}

#[test]
fn messages_fill_up_to_their_bounds_and_keep_the_order() {
    let (mut outbox, group) = outbox(|s| (s.batch_count, s.window) = (3, 2));
    for number in 1..=8 {
        assert_eq!(accept(&mut outbox, &element(number)).unwrap(), number);
    }
    let now = at(Instant::now(), 0);
    let first = read(&outbox.poll_transmit(now, &group).unwrap());
    let second = read(&outbox.poll_transmit(now, &group).unwrap());
    assert_eq!((first.1, second.1), (vec![1, 2, 3], vec![4, 5, 6]));
    assert_eq!(outbox.poll_transmit(now, &group), None, "the window is full");
    assert!(outbox.acknowledge(&group, &second.0), "acknowledgements may come out of order");
    let third = read(&outbox.poll_transmit(now, &group).unwrap());
    assert_eq!(third.1, [7, 8]);
}

#[test]
fn a_message_is_not_filled_beyond_its_bytes_but_a_large_one_goes_alone() {
    let (mut outbox, group) = outbox(|s| s.batch_bytes = 20);
    for _ in 0..3 {
        accept(&mut outbox, &element(1)).unwrap();
    }
    accept(&mut outbox, &format!("{{\"n\":9,\"x\":\"{}\"}}", "y".repeat(50))).unwrap();
    let now = at(Instant::now(), 0);
    let mut sizes = Vec::new();
    while let Some(message) = outbox.poll_transmit(now, &group) {
        sizes.push(read(&message).1.len());
    }
    assert_eq!(sizes, [2, 1, 1]);
}

#[test]
fn an_unacknowledged_message_comes_again_with_its_id_and_only_when_due() {
    let (mut outbox, group) = outbox(|s| s.acknowledge_timeout = Duration::from_secs(5));
    accept(&mut outbox, &element(1)).unwrap();
    let start = Instant::now();
    let sent = outbox.poll_transmit(at(start, 0), &group).unwrap();
    assert_eq!(outbox.next_timeout(&group), Some(start + Duration::from_secs(5)));
    assert_eq!(outbox.poll_transmit(at(start, 4999), &group), None);
    assert_eq!(read(&outbox.poll_transmit(at(start, 5000), &group).unwrap()), read(&sent));
    outbox.connection_opened(&group);
    assert_eq!(read(&outbox.poll_transmit(at(start, 5001), &group).unwrap()), read(&sent), "new connection: at once");
}

#[test]
fn a_late_repeated_or_made_up_acknowledgement_changes_nothing() {
    let (mut outbox, group) = outbox(|_| ());
    accept(&mut outbox, &element(1)).unwrap();
    let (id, _) = read(&outbox.poll_transmit(at(Instant::now(), 0), &group).unwrap());
    assert!(!outbox.acknowledge(&group, "made up"));
    assert!(!outbox.acknowledge("other group", &id));
    assert!(outbox.acknowledge(&group, &id));
    assert!(!outbox.acknowledge(&group, &id));
    assert_eq!((outbox.counts().delivered, outbox.counts().pending), (1, 0));
}

#[test]
fn a_group_that_is_away_does_not_hold_up_another_and_gets_everything_later() {
    let (mut outbox, near) = outbox(|_| ());
    let far: Arc<str> = Arc::from("far");
    outbox.add_group(&far);
    let now = at(Instant::now(), 0);
    for number in 1..=2 {
        accept(&mut outbox, &element(number)).unwrap();
        let (id, numbers) = read(&outbox.poll_transmit(now, &near).unwrap());
        assert_eq!(numbers, [number]);
        assert!(outbox.acknowledge(&near, &id));
    }
    assert_eq!(read(&outbox.poll_transmit(now, &far).unwrap()).1, [1, 2]);
}

#[test]
fn a_group_added_later_starts_from_then() {
    let (mut outbox, _) = outbox(|_| ());
    accept(&mut outbox, &element(1)).unwrap();
    let late: Arc<str> = Arc::from("late");
    outbox.add_group(&late);
    accept(&mut outbox, &element(2)).unwrap();
    assert_eq!(read(&outbox.poll_transmit(at(Instant::now(), 0), &late).unwrap()).1, [2]);
}

#[test]
fn a_full_outbox_refuses_by_name_and_drops_nothing() {
    let (mut outbox, group) = outbox(|s| s.outbox_max_count = 2);
    accept(&mut outbox, &element(1)).unwrap();
    accept(&mut outbox, &element(2)).unwrap();
    assert!(matches!(accept(&mut outbox, &element(3)), Err(Error::QueueFull { limit: "outbox.maxCount" })));
    let (id, numbers) = read(&outbox.poll_transmit(at(Instant::now(), 0), &group).unwrap());
    assert_eq!(numbers, [1, 2]);
    outbox.acknowledge(&group, &id);
    assert!(accept(&mut outbox, &element(3)).is_err(), "delivered, but the host has not been told yet");
    let report = outbox.poll_report().unwrap();
    outbox.report_told(&report);
    assert_eq!(accept(&mut outbox, &element(3)).unwrap(), 3);
}

#[test]
fn bytes_are_bounded_too_and_an_oversized_notification_names_the_setting() {
    let (mut outbox, _) = outbox(|s| (s.outbox_max_bytes, s.notification_max_bytes) = (10, 9));
    accept(&mut outbox, &element(1)).unwrap();
    assert!(matches!(accept(&mut outbox, &element(2)), Err(Error::QueueFull { limit: "outbox.maxBytes" })));
    assert!(accept(&mut outbox, &element(12345)).unwrap_err().to_string().contains("notification.maxBytes"));
}

#[test]
fn whatever_is_left_is_reported_once() {
    let (mut outbox, group) = outbox(|s| s.batch_count = 2);
    for number in 1..=5 {
        accept(&mut outbox, &element(number)).unwrap();
    }
    let now = at(Instant::now(), 0);
    let (id, _) = read(&outbox.poll_transmit(now, &group).unwrap());
    outbox.poll_transmit(now, &group).unwrap();
    outbox.acknowledge(&group, &id);
    outbox.remove_group(&group);
    outbox.shut_down();
    let report = |first, last, outcome| Report { group_id: group.clone(), first, last, outcome };
    let reports: Vec<Report> = std::iter::from_fn(|| outbox.poll_report()).collect();
    let expected = [report(1, 2, Outcome::Delivered), report(3, 5, Outcome::GroupRemoved)];
    assert_eq!(reports, expected);
    assert!(matches!(accept(&mut outbox, &element(6)), Err(Error::NoEndpoint)));
}
