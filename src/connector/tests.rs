//! What happens at moments that come by only seldom: made to come by holding a lock or the thread with the sockets.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::sync::lock;
use super::{Connector, Host, Request};
use crate::endpoint::Details;
use crate::error::Error;
use crate::secret::Secret;
use crate::settings::Settings;

/// Time enough for another thread to come to where it waits. Where it is late, a test has nothing to find.
const A_MOMENT: Duration = Duration::from_millis(200);

struct Deaf;

impl Host for Deaf {
    fn on_request(&self, _request: Request) {}
}

fn connector() -> Connector {
    Connector::new(Settings::default(), Arc::new(Deaf)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn start_that_is_overtaken_by_destroy_starts_nothing() {
    let connector = connector();
    std::thread::scope(|scope| {
        let control = lock(&connector.shared.control);
        let start = scope.spawn(|| connector.start());
        std::thread::sleep(A_MOMENT);
        connector.shared.set_closing();
        drop(control);
        assert!(matches!(start.join().unwrap(), Err(Error::IllegalState(_))));
    });
    assert!(!lock(&connector.shared.control).running);
    // What `destroy` would have done after that.
    connector.shared.control_changed.notify_one();
    connector.destroy().unwrap();
}

#[test]
fn wait_learns_of_an_endpoint_that_was_removed_before_its_turn() {
    let connector = connector();
    let ((standing, stands), (go_on, release)) = (channel(), channel::<()>());
    connector.shared.runtime.spawn(async move {
        standing.send(()).unwrap();
        release.recv().unwrap();
    });
    stands.recv().unwrap();
    connector.start().unwrap();
    let details = Details::new("a", "wss://127.0.0.1:1/", "g", 1, Secret::new("t".into())).unwrap();
    connector.add_endpoint(details).unwrap();
    connector.remove_endpoint("a").unwrap();
    connector.stop().unwrap();
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| connector.wait(Duration::from_secs(10)).unwrap());
        std::thread::sleep(A_MOMENT);
        go_on.send(()).unwrap();
    });
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
