//! The library as a Rust host uses it, against the example cloud application in a process of its own, over real
//! TLS. One module for each kind of story.

#[path = "../support/recorder.rs"]
mod recorder;
#[path = "../support/mod.rs"]
mod support;

mod acknowledgements;
mod administration;
mod at_once;
mod broken;
mod certificates;
mod groups;
mod main_path;
mod opening;
mod requests;
mod secrets;
mod store;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use support::Cloud;

/// How long a test watches that something does not happen. Longer than a local reconnect takes by far, and all
/// that such a claim costs.
const QUIET: Duration = Duration::from_millis(700);

/// Watches for a while that nothing more of this name happens.
fn nothing_more(cloud: &mut Cloud, name: &str) {
    let before = count(cloud, name);
    std::thread::sleep(QUIET);
    assert_eq!(count(cloud, name), before, "more {name}: {:#?}", cloud.events());
}

fn count(cloud: &mut Cloud, name: &str) -> usize {
    named(cloud, name).len()
}

/// All events of this name. What the host was told may be older than the events read so far, so this catches up first:
/// what the cloud application says on being asked comes after all that has happened.
fn named(cloud: &mut Cloud, name: &str) -> Vec<Value> {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let text = format!("asked {}", ASKED.fetch_add(1, Ordering::Relaxed));
    cloud.type_line(&format!("say {text}"));
    cloud.wait_until(&text, |events| {
        let caught_up = events.iter().any(|event| event["event"] == "say" && event["text"] == text);
        caught_up.then(|| events.iter().filter(|event| event["event"] == name).cloned().collect())
    })
}

/// The job ids of a notification, in order.
fn jobs(notification: &Value) -> Vec<i64> {
    let elements = notification["payload"].as_array().into_iter().flatten();
    let entries = elements.flat_map(|element| element["data"].as_array().into_iter().flatten());
    entries.filter_map(|entry| entry["jobId"].as_i64()).collect()
}

/// A COMMAND as text, as its sender would write it.
fn command(id: &str, method: &str, uri: &str, parameters: &str) -> String {
    let payload = serde_json::json!({ "uri": uri, "method": method, "headers": {}, "parameters": parameters });
    serde_json::json!({
        "version": "1.0", "id": id, "type": "COMMAND", "subType": "REQUEST", "timeStamp": 1_444_806_222,
        "payload": payload,
    })
    .to_string()
}

/// What a second cloud application needs to have the same CA.
fn same_ca(cloud: &Cloud) -> String {
    let dir = cloud.ca_file().parent().map(Path::to_owned).expect("a directory");
    format!("--cert-from={}", dir.display())
}
