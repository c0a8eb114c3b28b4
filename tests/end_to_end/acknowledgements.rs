//! Acknowledgements that are late, doubled or made up.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::recorder::{Backup, job, ok};
use crate::support::{Cloud, Scratch};
use crate::{count, jobs, named};

/// A message that is not acknowledged comes again with the same id and content, no sooner than the setting says, and
/// has one delivery report in the end.
#[test]
fn what_is_not_acknowledged_is_sent_again_with_the_same_id() {
    let scratch = Scratch::new("resend");
    let mut cloud = Cloud::start(&scratch, &["--drop-acks", "3"]);
    let settings = [("notification.scheduledRate", "1"), ("notification.batchCount", "1")];
    let backup = Backup::connected(&cloud, &settings, ok);
    for id in 1..=3 {
        backup.connector.notify_job(&job(id)).expect("accepted");
    }
    backup.all_delivered(3);

    let mut sent: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in named(&mut cloud, "notification") {
        sent.entry(event["id"].as_str().expect("an id").to_owned()).or_default().push(event);
    }
    assert_eq!(sent.len(), 3, "{sent:#?}");
    for times in sent.values() {
        let [first, again] = times.as_slice() else { panic!("not sent twice: {times:#?}") };
        assert_eq!((&first["acknowledged"], &again["acknowledged"]), (&false.into(), &true.into()));
        assert_eq!((jobs(first), &first["connection"]), (jobs(again), &again["connection"]));
        let pause = again["at"].as_f64().expect("a time") - first["at"].as_f64().expect("a time");
        assert!((0.9..10.0).contains(&pause), "sent again after {pause} s");
    }
    assert_eq!(count(&mut cloud, "connected"), 1);
    backup.stop();
    cloud.finish();
}

/// Acknowledgements that come twice, or with an id that never was, change nothing.
#[test]
fn doubled_and_unknown_acknowledgements_are_ignored() {
    let scratch = Scratch::new("acks");
    let mut cloud = Cloud::start(&scratch, &["--duplicate-acks", "--unknown-acks"]);
    let backup = Backup::connected(&cloud, &[("notification.batchCount", "1")], ok);
    for id in 1..=5 {
        backup.connector.notify_job(&job(id)).expect("accepted");
    }
    backup.all_delivered(5);
    // Two for each, and all of them came before this call.
    assert_eq!(cloud.ask("GET", "/after", "")["statusCode"], 200);
    let ignored = |seen: &crate::recorder::Seen| {
        seen.log.iter().filter(|line| line.text.contains("acknowledgement of an id that is not in flight")).count()
    };
    backup.host.wait_until("ten ignored acknowledgements", |seen| (ignored(seen) == 10).then_some(()));
    backup.all_delivered(5);
    assert_eq!(count(&mut cloud, "notification"), 5);
    assert_eq!((count(&mut cloud, "connected"), count(&mut cloud, "closed")), (1, 0));
    backup.stop();
    cloud.finish();
}
