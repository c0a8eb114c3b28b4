//! Rules of the outbox, one story each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Accepted, GroupCounts, Outbox, Outcome, Report, Saved};
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

/// Sends and ignores until the group has nothing more to say, then lets the time of one acknowledgement pass.
fn ignored(outbox: &mut Outbox, group: &str, start: Instant, seconds: &mut u64) -> Vec<(String, Vec<u64>)> {
    let sent =
        std::iter::from_fn(|| outbox.poll_transmit(at(start, *seconds * 1000), group)).map(|m| read(&m)).collect();
    *seconds += 5;
    sent
}

#[test]
fn one_that_is_never_acknowledged_is_found_in_its_message_and_given_up_and_the_rest_is_delivered() {
    let (mut outbox, group) = outbox(|s| (s.batch_count, s.window, s.max_attempts) = (4, 1, 3));
    for number in 1..=9 {
        accept(&mut outbox, &element(number)).unwrap();
    }
    let (start, mut seconds) = (Instant::now(), 0);
    let mut attempts = 0;
    while !outbox.is_idle() && seconds < 1000 {
        for (id, numbers) in ignored(&mut outbox, &group, start, &mut seconds) {
            attempts += u32::from(numbers.contains(&3));
            if !numbers.contains(&3) {
                outbox.acknowledge(&group, &id);
            }
        }
        while let Some(report) = outbox.poll_report() {
            let expected = if report.first == 3 { Outcome::NeverAcknowledged } else { Outcome::Delivered };
            assert_eq!(report.outcome, expected);
            outbox.report_told(&report);
        }
    }
    assert_eq!((outbox.counts().delivered, outbox.counts().abandoned), (8, 1));
    assert!(attempts < 20, "{attempts}");
}

/// The outbox counts from the oldest that is not settled. So one alone may fill it, and then there are no others by whose
/// acknowledgement it could be told.
#[test]
fn one_that_is_never_acknowledged_does_not_hold_a_full_outbox_for_ever() {
    let (mut outbox, group) = outbox(|s| (s.batch_count, s.max_attempts, s.outbox_max_count) = (1, 3, 8));
    for number in 1..=8 {
        accept(&mut outbox, &element(number)).unwrap();
    }
    let (start, mut seconds) = (Instant::now(), 0);
    let mut attempt = 0;
    while matches!(accept(&mut outbox, &element(9)), Err(Error::QueueFull { .. })) {
        attempt += 1;
        assert!(attempt < 10);
        for (id, numbers) in ignored(&mut outbox, &group, start, &mut seconds) {
            assert!(attempt == 1 || numbers == [1], "{numbers:?}");
            if numbers != [1] {
                outbox.acknowledge(&group, &id);
            }
        }
        while let Some(report) = outbox.poll_report() {
            outbox.report_told(&report);
        }
    }
    assert_eq!((outbox.counts().delivered, outbox.counts().abandoned), (7, 1));
}

#[test]
fn a_peer_that_acknowledges_nothing_loses_nothing() {
    let (mut outbox, group) = outbox(|s| (s.batch_count, s.max_attempts) = (1, 2));
    for number in 1..=100 {
        accept(&mut outbox, &element(number)).unwrap();
    }
    let (start, mut seconds) = (Instant::now(), 0);
    for _ in 0..50 {
        ignored(&mut outbox, &group, start, &mut seconds);
    }
    assert_eq!(outbox.counts().pending, 100);
    assert!(outbox.group_counts(&group).unwrap().in_flight <= 16, "suspects do not open the window without end");
    let mut received = Vec::new();
    while !outbox.is_idle() && seconds < 1000 {
        for (id, numbers) in ignored(&mut outbox, &group, start, &mut seconds) {
            received.extend(numbers);
            outbox.acknowledge(&group, &id);
        }
        while let Some(report) = outbox.poll_report() {
            assert_eq!(report.outcome, Outcome::Delivered);
            outbox.report_told(&report);
        }
    }
    assert_eq!(received, (1..=100).collect::<Vec<u64>>());
}

#[test]
fn what_is_too_much_for_a_group_that_is_away_is_let_go_with_a_report_and_only_that() {
    type Change = fn(&mut Settings);
    let cases: [(Change, &str); 3] = [
        (|s| s.retention_max_age = Duration::from_secs(6), "outbox.retention.maxAge"),
        (|s| s.retention_max_count = 4, "outbox.retention.maxCount"),
        (|s| s.retention_max_bytes = 4 * 7, "outbox.retention.maxBytes"),
    ];
    for (change, setting) in cases {
        let (mut outbox, group) = outbox(change);
        outbox.connection_opened(&group);
        for number in 0..10 {
            outbox.accept(number as i64, Arc::from(element(number))).unwrap();
        }
        outbox.expire(11);
        assert_eq!(outbox.counts().pending, 10, "while it is connected nothing is let go");
        outbox.poll_transmit(at(Instant::now(), 0), &group).unwrap();
        outbox.connection_closed(&group);
        outbox.expire(11);
        let reports: Vec<Report> = std::iter::from_fn(|| outbox.poll_report()).collect();
        let expected = Report { group_id: group.clone(), first: 1, last: 6, outcome: Outcome::Expired { setting } };
        assert_eq!(reports, [expected], "{setting}");
        assert_eq!(outbox.next_expiry(), (setting == "outbox.retention.maxAge").then_some(12));
        outbox.connection_opened(&group);
        assert_eq!(read(&outbox.poll_transmit(at(Instant::now(), 0), &group).unwrap()).1, [6, 7, 8, 9]);
    }
}

#[test]
fn superseded_states_of_a_job_are_let_go_when_the_group_is_back() {
    let (mut outbox, group) = outbox(|s| s.collapse_jobs = true);
    let job = |id: u64, n: u64| format!("{{\"n\":{n},\"object\":\"JOB\",\"data\":[{{\"jobId\":{id}}}]}}");
    for (n, id) in [(1, 7), (2, 8), (3, 7), (4, 9), (5, 7)] {
        accept(&mut outbox, &job(id, n)).unwrap();
    }
    outbox.connection_opened(&group);
    let (id, numbers) = read(&outbox.poll_transmit(at(Instant::now(), 0), &group).unwrap());
    assert_eq!(numbers, [2, 4, 5]);
    outbox.acknowledge(&group, &id);
    let ends = std::iter::from_fn(|| outbox.poll_report()).map(|r| (r.first, r.last, r.outcome)).collect::<Vec<_>>();
    let (gone, done) = (Outcome::Superseded, Outcome::Delivered);
    assert_eq!(ends, [(1, 1, gone), (3, 3, gone), (2, 2, done), (4, 5, done)]);
    for n in 6..=7 {
        accept(&mut outbox, &job(7, n)).unwrap();
    }
    assert_eq!(read(&outbox.poll_transmit(at(Instant::now(), 0), &group).unwrap()).1, [6, 7], "not away: all are told");
}

#[test]
fn what_is_kept_without_an_endpoint_is_for_the_first_group_only() {
    let mut settings = Settings::default();
    settings.set("outbox.keepWithoutEndpoint", "true").unwrap();
    let mut outbox = Outbox::new(&settings, true);
    accept(&mut outbox, &element(1)).unwrap();
    assert_eq!(outbox.groups().count(), 0);
    for group in ["first", "second"] {
        outbox.add_group(&Arc::from(group));
    }
    accept(&mut outbox, &element(2)).unwrap();
    let now = at(Instant::now(), 0);
    assert_eq!(read(&outbox.poll_transmit(now, "first").unwrap()).1, [1, 2]);
    assert_eq!(read(&outbox.poll_transmit(now, "second").unwrap()).1, [2]);
}

/// An outbox with a store that is empty yet.
fn with_store(sync: bool) -> Outbox {
    let settings = Settings { store_sync: sync, ..Settings::default() };
    let mut outbox = Outbox::restored(&settings, true, &Saved::default());
    outbox.add_group(&Arc::from("g"));
    outbox
}

fn failure() -> Error {
    Error::Store { path: "disk".into(), why: "it fails".into(), source: None }
}

fn reports(outbox: &mut Outbox) -> Vec<(String, u64, u64, Outcome)> {
    std::iter::from_fn(|| outbox.poll_report())
        .map(|report| (report.group_id.to_string(), report.first, report.last, report.outcome))
        .collect()
}

/// Two notifications are being written and three wait for their turn when the group is removed.
#[test]
fn what_is_on_its_way_to_the_store_when_its_group_is_removed_has_its_report() {
    for (sync, fails) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut outbox = with_store(sync);
        outbox.add_group(&Arc::from("other"));
        let take = |outbox: &mut Outbox, number| outbox.accept(0, Arc::from(element(number))).unwrap();
        (1..=2).for_each(|number| _ = take(&mut outbox, number));
        let change = outbox.begin_change().unwrap();
        (3..=5).for_each(|number| _ = take(&mut outbox, number));
        outbox.remove_group("g");
        assert_eq!(reports(&mut outbox).is_empty(), sync, "accepted at once, or not yet");
        outbox.end_change(change, &if fails { Err(failure()) } else { Ok(false) });
        let change = outbox.begin_change().unwrap();
        outbox.end_change(change, &Ok(false));
        reports(&mut outbox);
        // Those that were refused gave their numbers to others.
        let accepted = if sync && fails { 3 } else { 5 };
        let counts = outbox.counts();
        assert_eq!((counts.abandoned, counts.pending), (accepted, accepted), "sync {sync}, fails {fails}");
        outbox.remove_group("other");
        assert_eq!(reports(&mut outbox), [("other".to_owned(), 1, accepted, Outcome::GroupRemoved)]);
    }
}

#[test]
fn a_group_added_later_gets_nothing_that_was_on_its_way_to_the_store() {
    for (sync, fails) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut outbox = with_store(sync);
        let take = |outbox: &mut Outbox, number| outbox.accept(0, Arc::from(element(number))).unwrap();
        (1..=2).for_each(|number| _ = take(&mut outbox, number));
        let change = outbox.begin_change().unwrap();
        take(&mut outbox, 3);
        outbox.add_group(&Arc::from("late"));
        assert_eq!(outbox.group_counts("late").unwrap().bytes, 0);
        take(&mut outbox, 4);
        outbox.end_change(change, &if fails { Err(failure()) } else { Ok(false) });
        let change = outbox.begin_change().unwrap();
        outbox.end_change(change, &Ok(false));
        outbox.connection_opened("late");
        let message = outbox.poll_transmit(at(Instant::now(), 0), "late").unwrap();
        assert_eq!(read(&message).1, [4], "sync {sync}, fails {fails}");
    }
}

/// What is refused has its answer already; only what was accepted is reported at the end.
#[test]
fn what_never_reached_the_store_is_reported_if_it_was_accepted() {
    for sync in [false, true] {
        let mut outbox = with_store(sync);
        outbox.accept(0, Arc::from(element(1))).unwrap();
        let change = outbox.begin_change().unwrap();
        outbox.end_change(change, &Err(failure()));
        assert!(outbox.accept(0, Arc::from(element(2))).is_err());
        outbox.close_store();
        outbox.shut_down();
        let lost = [("g".to_owned(), 1, 1, Outcome::Shutdown)];
        assert_eq!(reports(&mut outbox), if sync { &lost[1..] } else { &lost });
    }
}

/// Those over the bound on their number are let go without being read; for the others as much is read at a time as for a
/// group that is there.
#[test]
fn a_group_that_is_away_lets_go_as_fast_as_others_bring() {
    type Change = fn(&mut Settings);
    let cases: [(Change, &str, usize); 3] = [
        (|s| s.retention_max_count = 3, "outbox.retention.maxCount", 1),
        (|s| s.retention_max_bytes = 3 * 8, "outbox.retention.maxBytes", 1000),
        (|s| s.retention_max_age = Duration::from_secs(60), "outbox.retention.maxAge", 1000),
    ];
    for (change, setting, max_bytes) in cases {
        let mut settings = Settings { batch_bytes: 1000, ..Settings::default() };
        change(&mut settings);
        let mut outbox = Outbox::restored(&settings, true, &Saved::default());
        outbox.add_group(&Arc::from("g"));
        let mut records = Vec::new();
        for number in 10..=99 {
            let now = if number < 97 { 0 } else { 60 };
            outbox.accept(now, Arc::from(element(number))).unwrap();
        }
        let change = outbox.begin_change().unwrap();
        records.extend(change.records.iter().cloned());
        outbox.end_change(change, &Ok(false));
        let mut loads = 0;
        loop {
            outbox.expire(60);
            let Some(load) = outbox.poll_load() else { break };
            loads += 1;
            assert!(loads < 4, "{setting}");
            assert!(load.max_bytes >= max_bytes, "{setting}: {load:?}");
            let some = records.iter().filter(|record| record.sequence >= load.from).take(load.max_bytes.div_ceil(8));
            outbox.loaded(&load, some.cloned().collect());
        }
        let gone = reports(&mut outbox);
        assert_eq!(gone, [("g".to_owned(), 1, 87, Outcome::Expired { setting })]);
        assert_eq!(outbox.group_counts("g").unwrap().bytes, 3 * 8);
    }
}

#[test]
fn a_groups_numbers_say_what_waits_and_what_became_of_the_rest() {
    let (mut outbox, group) = outbox(|s| (s.batch_count, s.window) = (2, 1));
    for number in 1..=5 {
        outbox.accept(100 + number as i64, Arc::from(element(number))).unwrap();
    }
    let start = Instant::now();
    let (id, _) = read(&outbox.poll_transmit(at(start, 0), &group).unwrap());
    outbox.acknowledge(&group, &id);
    outbox.poll_transmit(at(start, 0), &group).unwrap();
    outbox.poll_transmit(at(start, 5000), &group).unwrap();
    let counts = outbox.group_counts(&group).unwrap();
    let expected = GroupCounts {
        pending: 3,
        bytes: 21,
        oldest: Some(103),
        in_flight: 2,
        delivered: 2,
        abandoned: 0,
        messages: 2,
        resent: 1,
    };
    assert_eq!(counts, expected);
    assert!(outbox.group_counts("nobody").is_none());
}
