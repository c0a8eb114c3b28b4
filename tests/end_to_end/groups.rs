//! Several endpoints: one connection for each server group, priorities without fail-back, and removal.

use nbwss::EventKind::{ConnectFailed, Connecting, Disconnected, Established};
use nbwss::connector::ConnectionState;
use nbwss::outbox::Outcome;
use serde_json::json;

use crate::recorder::{Backup, job, ok};
use crate::support::{Cloud, DEADLINE, Scratch};
use crate::{count, nothing_more, same_ca};

fn pair(name: &str, first: &[&str], second: &[&str]) -> (Scratch, Scratch, Cloud, Cloud) {
    let (one, two) = (Scratch::new(name), Scratch::new(name));
    let first = Cloud::start(&one, first);
    let ca = same_ca(&first);
    let flags: Vec<&str> = second.iter().copied().chain([ca.as_str()]).collect();
    let second = Cloud::start(&two, &flags);
    (one, two, first, second)
}

fn array_of(clouds: [&Cloud; 2]) -> String {
    let text = |cloud: &Cloud| std::fs::read_to_string(cloud.endpoint_file()).expect("an endpoint file");
    format!("[{}, {}]", text(clouds[0]), text(clouds[1]))
}

/// Two endpoints of two groups, added as one JSON array, are connected at once; each gets every notification, and
/// when one is removed its session is closed, its notifications are reported and the other goes on.
#[test]
fn two_groups_are_served_at_once_and_a_removed_one_is_closed() {
    let names = ["east.example.com", "west.example.com"];
    let first = ["--group", "east", "--host-name", names[0]];
    let second = ["--group", "west", "--host-name", names[1]];
    let (_one, _two, mut east, mut west) = pair("groups", &first, &second);
    let backup = Backup::new(Some(&east.ca_file()), &[], ok);
    backup.connector.add_endpoints_json(array_of([&east, &west])).expect("good endpoint details");
    backup.connector.start().expect("it starts");
    for name in names {
        backup.host.event_of(name, Established, 0);
    }
    let states = backup.connector.endpoints().expect("a list");
    assert!(states.iter().all(|endpoint| endpoint.state == ConnectionState::Connected), "{states:?}");
    for (cloud, uri) in [(&mut east, "/from-east"), (&mut west, "/from-west")] {
        assert_eq!(cloud.ask("GET", uri, "")["body"], uri);
    }
    let groups: Vec<(String, String)> =
        backup.host.look(|seen| seen.calls.iter().map(|call| (call.uri.clone(), call.group_id.clone())).collect());
    assert_eq!(groups, [("/from-east".into(), "east".into()), ("/from-west".into(), "west".into())]);

    assert_eq!(backup.connector.notify_job(&job(1)).expect("accepted"), 1);
    let drained = backup.connector.drain(DEADLINE).expect("a drain");
    assert!(drained.complete && drained.delivered == 2, "{drained:?}");

    west.type_line("acks off");
    west.ask("GET", "/acks-are-off", "");
    assert_eq!(backup.connector.notify_job(&job(2)).expect("accepted"), 2);
    west.wait_for("notification", 2);
    // Names are compared without case.
    backup.connector.remove_endpoint("WEST.example.com").expect("it is there");
    let closed = west.wait_for("closed", 1);
    assert_eq!((&closed["code"], &closed["by"]), (&json!(1000), &json!("connector")), "{closed}");
    let mut ends: Vec<(u64, String, Outcome)> = backup
        .host
        .deliveries(4)
        .iter()
        .map(|delivery| (delivery.sequence, delivery.group_id.to_string(), delivery.outcome))
        .collect();
    ends.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let expected = [
        (1, "east".to_owned(), Outcome::Delivered),
        (1, "west".to_owned(), Outcome::Delivered),
        (2, "east".to_owned(), Outcome::Delivered),
        (2, "west".to_owned(), Outcome::GroupRemoved),
    ];
    assert_eq!(ends, expected);
    nothing_more(&mut west, "connected");
    assert_eq!(east.ask("GET", "/still-there", "")["statusCode"], 200);
    assert_eq!(count(&mut east, "connected"), 1);
    backup.stop();
    east.finish();
    west.finish();
}

/// The best endpoint is tried first, the next takes over, nothing goes back while it holds, and when it ends the best
/// has its turn again; a killed one is replaced and nothing that was accepted is lost.
#[test]
fn the_lowest_priority_number_first_and_no_fail_back() {
    let names = ["best.example.com", "second.example.com"];
    let unwell = ["--priority", "1", "--host-name", names[0], "--once", "--http-status", "500"];
    let (_one, _two, mut best, mut second) = pair("priority", &unwell, &["--priority", "2", "--host-name", names[1]]);
    let backup = Backup::new(Some(&best.ca_file()), &[], ok);
    // In the array the worse one comes first: its place must not matter.
    backup.connector.add_endpoints_json(array_of([&second, &best])).expect("good endpoint details");
    let send = |id: i64| backup.connector.notify_job(&job(id)).expect("accepted");
    send(1);
    backup.connector.start().expect("it starts");
    backup.host.event(Established, 1);
    let history: Vec<_> = backup
        .host
        .look(|seen| seen.events.iter().map(|told| (told.event.host_name.clone(), told.event.kind)).collect());
    let expected = [(names[0], Connecting), (names[0], ConnectFailed), (names[1], Connecting), (names[1], Established)];
    assert_eq!(history, expected.map(|(name, kind)| (name.to_owned(), kind)));

    // The best one would answer now.
    nothing_more(&mut best, "connected");
    assert_eq!(count(&mut best, "connected"), 1);
    let states: Vec<ConnectionState> =
        backup.connector.endpoints().expect("a list").iter().map(|endpoint| endpoint.state).collect();
    assert_eq!(states, [ConnectionState::Disconnected, ConnectionState::Connected]);

    send(2);
    second.type_line("close 1012");
    backup.host.event_of(names[0], Established, 4);
    send(3);
    best.wait_until("job 3", |events| events.iter().flat_map(crate::jobs).find(|id| *id == 3));
    assert_eq!(count(&mut second, "connected"), 1);

    let so_far = backup.host.look(|seen| seen.events.len());
    drop(best);
    backup.host.event_of(names[0], Disconnected, so_far);
    send(4);
    backup.host.event_of(names[1], Established, so_far);
    backup.all_delivered(4);

    backup.connector.remove_endpoint(names[1]).expect("it is there");
    assert_eq!(second.wait_for("closed", 2)["code"], 1000);
    backup.stop();
    second.finish();
}
