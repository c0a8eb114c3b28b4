//! The host's dial callback as the transport sees it: counted, so that `destroy` waits for one that is under way and
//! none begins after it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::Socket;

use super::host::Host;
use super::sync::{Latch, OurThread, lock};
use crate::panics;
use crate::transport::HostDial;

pub(super) struct HostDialler {
    /// Empty as soon as the connector is being destroyed.
    host: Mutex<Option<Arc<dyn Host>>>,
    latch: Arc<Latch>,
}

impl HostDialler {
    pub(super) fn new(host: Arc<dyn Host>, latch: Arc<Latch>) -> HostDialler {
        HostDialler { host: Mutex::new(Some(host)), latch }
    }

    /// No call begins any more.
    pub(super) fn retire(&self) {
        let host = lock(&self.host).take();
        drop(host);
    }

    fn begin(&self) -> Option<Arc<dyn Host>> {
        let host = lock(&self.host);
        if host.is_some() {
            self.latch.enter();
        }
        host.clone()
    }
}

impl HostDial for HostDialler {
    fn dial(&self, host_name: &str, port: u16, timeout: Duration) -> Result<Socket, String> {
        let host = self.begin().ok_or("the connector is being destroyed")?;
        let _ours = OurThread::enter();
        let dialled = catch_unwind(AssertUnwindSafe(|| host.dial(host_name, port, timeout)));
        drop(host);
        self.latch.leave();
        dialled.unwrap_or_else(|payload| Err(format!("the dial callback panicked: {}", panics::text_of(&*payload))))
    }
}
