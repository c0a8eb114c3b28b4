//! Notifications that outlive the connector, in a store.

use std::time::{Duration, Instant};

use nbwss::Error;
use nbwss::EventKind::{Disconnected, Established};
use nbwss::outbox::Outcome;

use crate::jobs;
use crate::recorder::{Backup, job, ok, sequences};
use crate::support::{Cloud, Scratch};

/// What was not acknowledged is reported as kept, and delivered by the next connector under the same numbers; one that
/// is gone without its endpoint can be forgotten; a store is for one connector.
#[test]
fn what_is_kept_is_delivered_by_the_next_connector() {
    let scratch = Scratch::new("store");
    let mut cloud = Cloud::start(&scratch, &["--group", "cloud"]);
    cloud.type_line("acks off");
    cloud.wait_until("the endpoint", |_| Some(()));
    let path = scratch.join("outbox.db");
    let store = [("outbox.store.path", path.to_str().expect("UTF-8"))];
    {
        let backup = Backup::connected(&cloud, &store, ok);
        cloud.ask("GET", "/acks-are-off", "");
        for id in 1..=3 {
            assert_eq!(backup.connector.notify_job(&job(id)).expect("accepted"), id as u64);
        }
        cloud.wait_until("job 3", |events| events.iter().flat_map(jobs).find(|id| *id == 3));
        let stats = backup.connector.group_stats("cloud").expect("numbers");
        assert_eq!((stats.counts.pending, stats.counts.in_flight, stats.counts.delivered), (3, 3, 0));
        assert_eq!(backup.connector.stats().expect("numbers").saved_before, 4);
        backup.connector.destroy().expect("the end");
        let deliveries = backup.host.look(|seen| seen.deliveries.clone());
        assert_eq!(sequences(&deliveries, Outcome::Kept), [1, 2, 3]);
        assert_eq!(deliveries.len(), 3);
    }
    {
        // Nobody is dialled, but the group is known and gets what is accepted for it.
        let backup = Backup::new(Some(&cloud.ca_file()), &store, ok);
        assert_eq!(backup.connector.group_stats("cloud").expect("numbers").counts.pending, 3);
        assert_eq!(backup.connector.notify_job(&job(4)).expect("accepted"), 4);
        let mut other = nbwss::Settings::default();
        other.set("tls.caFile", cloud.ca_file().to_str().expect("UTF-8")).expect("valid");
        other.set(store[0].0, store[0].1).expect("valid");
        let refused = nbwss::Connector::new(other, backup.host.clone()).err();
        assert!(matches!(refused, Some(Error::StoreInUse(_))), "{refused:?}");
    }
    cloud.type_line("acks on");
    {
        let backup = Backup::beside(&cloud, &store, ok);
        backup.connector.start().expect("it starts");
        backup.host.event(Established, 1);
        let deliveries = backup.host.deliveries(4);
        assert_eq!(sequences(&deliveries, Outcome::Delivered), [1, 2, 3, 4]);
        assert_eq!(backup.connector.notify_job(&job(5)).expect("accepted"), 5);
        backup.host.deliveries(5);
        backup.stop();
        assert_eq!(backup.connector.notify_job(&job(6)).expect("accepted"), 6);
        assert!(matches!(backup.connector.forget_group("cloud"), Err(Error::IllegalState(_))));
    }
    let backup = Backup::new(Some(&cloud.ca_file()), &store, ok);
    assert!(matches!(backup.connector.forget_group("nobody"), Err(Error::NotFound { .. })));
    backup.connector.forget_group("cloud").expect("it is there");
    assert_eq!(sequences(&backup.host.deliveries(1), Outcome::GroupRemoved), [6]);
    assert!(matches!(backup.connector.notify_job(&job(7)), Err(Error::NoEndpoint)));
    backup.connector.destroy().expect("the end");
    cloud.finish();
}

/// A full outbox refuses at once, or after the time that it was told to wait, and takes what there is room for meanwhile.
#[test]
fn a_full_outbox_waits_as_long_as_it_is_told() {
    let scratch = Scratch::new("full");
    let mut cloud = Cloud::start(&scratch, &[]);
    let settings = [("outbox.maxCount", "1"), ("outbox.fullWait", "1000"), ("notification.scheduledRate", "1")];
    let backup = Backup::beside(&cloud, &settings, ok);
    backup.connector.notify_job(&job(1)).expect("accepted");
    let start = Instant::now();
    let refused = backup.connector.notify_job(&job(2));
    assert!(matches!(refused, Err(Error::QueueFull { limit: "outbox.maxCount" })), "{refused:?}");
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    backup.connector.start().expect("it starts");
    for id in 2..=50 {
        backup.connector.notify_job(&job(id)).expect("there is room again, soon");
    }
    backup.all_delivered(50);
    backup.stop();
    cloud.type_line("say done");
    cloud.finish();
}

/// Many wait for the space of one: each gets it when its turn comes, and none is refused before its time.
#[test]
fn those_who_wait_for_space_take_turns() {
    let scratch = Scratch::new("turns");
    let mut cloud = Cloud::start(&scratch, &[]);
    let settings = [("outbox.maxCount", "1"), ("outbox.fullWait", "20000")];
    let backup = Backup::connected(&cloud, &settings, ok);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for id in 1..=20 {
                    backup.connector.notify_job(&job(id)).expect("there is room within 20 s");
                }
            });
        }
    });
    backup.all_delivered(160);
    backup.stop();
    cloud.type_line("say done");
    cloud.finish();
}

/// A group that is away and may keep ten holds nobody up, in a store either, however much comes.
#[test]
fn an_absent_group_lets_go_as_fast_as_others_notify() {
    const COUNT: u64 = 40_000;
    let scratch = Scratch::new("lets-go");
    let cloud = Cloud::start(&scratch, &[]);
    let path = scratch.join("outbox.db");
    let settings = [
        ("outbox.store.path", path.to_str().expect("UTF-8")),
        ("outbox.store.sync", "false"),
        ("outbox.retention.maxCount", "10"),
        ("outbox.maxCount", "5000"),
        ("outbox.fullWait", "5000"),
    ];
    // Never started.
    let backup = Backup::beside(&cloud, &settings, ok);
    for id in 1..=COUNT {
        backup.connector.notify_job(&job(id as i64)).expect("there is room");
    }
    backup.host.deliveries(COUNT as usize - 10);
    let counts = backup.connector.group_stats("cloud").expect("numbers").counts;
    assert_eq!((counts.pending, counts.abandoned), (10, COUNT - 10));
    backup.connector.destroy().expect("the end");
}

/// What is too old is let go by the clock, also where nothing is dialled: never started, stopped, or deactivated.
#[test]
fn what_is_too_old_is_let_go_without_a_session() {
    let scratch = Scratch::new("too-old");
    let cloud = Cloud::start(&scratch, &[]);
    let path = scratch.join("outbox.db");
    let age = ("outbox.retention.maxAge", "1");
    let expired = Outcome::Expired { setting: "outbox.retention.maxAge" };
    for settings in [&[age][..], &[age, ("outbox.store.path", path.to_str().expect("UTF-8"))]] {
        let backup = Backup::beside(&cloud, settings, ok);
        backup.connector.notify_job(&job(1)).expect("accepted");
        assert_eq!(sequences(&backup.host.deliveries(1), expired), [1]);

        backup.connector.start().expect("it starts");
        backup.host.event(Established, 1);
        let host_name = backup.connector.endpoints().expect("a list").remove(0).details.host_name.clone();
        backup.connector.set_endpoint_active(&host_name, false).expect("it is there");
        backup.host.event(Disconnected, 1);
        backup.connector.notify_job(&job(2)).expect("accepted");
        backup.connector.notify_job(&job(3)).expect("accepted");
        assert_eq!(sequences(&backup.host.deliveries(3), expired), [1, 2, 3]);
        backup.connector.destroy().expect("the end");
    }
}
