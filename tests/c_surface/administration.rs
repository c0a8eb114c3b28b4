//! Endpoints added, watched, changed and removed while everything runs, and connections that the host makes itself.

use super::*;

/// How the connections ended on which a token came, in order: with which code, and by whom.
fn goodbyes(events: &[Value]) -> Vec<(u64, String)> {
    let proofs = events.iter().filter(|event| event["event"] == "connect");
    let ends = proofs.filter_map(|proof| {
        events.iter().find(|event| event["event"] == "closed" && event["connection"] == proof["connection"])
    });
    let told = |end: &Value| (end["code"].as_u64().unwrap_or(0), end["by"].as_str().expect("by whom").to_owned());
    ends.map(told).collect()
}

/// The cloud application's side of `administration.c`.
fn close_one_session(cloud: &mut Cloud) {
    cloud.await_job(1, "ACTIVE");
    cloud.type_line("close 1012");
    // The first session, a diagnosis beside it, and a session after each change but the refused one.
    let ends = cloud.wait_until("eight ends", |events| Some(goodbyes(events)).filter(|ends| ends.len() == 8));
    for (number, (code, by)) in ends.iter().enumerate() {
        let expected = if number == 0 { (1012, "cloud") } else { (1000, "connector") };
        assert_eq!((*code, by.as_str()), expected, "{number}: {ends:?}");
    }
}

#[test]
fn administration() {
    online("administration", Run::Bare, &[], close_one_session);
}

#[test]
fn administration_under_valgrind() {
    online("administration", Run::Valgrind, &[], close_one_session);
}

#[test]
fn connections_that_the_host_makes() {
    online("dial", Run::Bare, &[], |_| {});
}

#[test]
fn connections_that_the_host_makes_under_valgrind() {
    online("dial", Run::Valgrind, &[], |_| {});
}
