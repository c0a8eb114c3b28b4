//! The façade in safe Rust: ties the rooms together, owns the threads, and ends them.
//!
//! Threads, all named `nbwss-…`: `io` (every socket), `call-N` (the request callback), `report` (events, log
//! lines, delivery reports), with a store `store` (its file), and, while a name is being resolved, `dns`. Where the host
//! polls, its own threads do what `call-N` and `report` do.

mod bell;
mod calls;
mod cause;
mod driver;
mod endpoints;
mod host;
mod host_dial;
mod hub;
mod inspection;
mod notify;
mod polling;
mod reports;
mod request;
mod runner;
mod shared;
mod sync;
#[cfg(test)]
mod tests;
mod watchdog;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::dispatch::Policy;
use crate::endpoint::EndpointStore;
use crate::error::Error;
use crate::forward::Forwarder;
use crate::outbox::{Disk, Outbox, Store};
use crate::panics;
use crate::settings::Settings;
use crate::time::Now;
pub use crate::transport::{Certificate, Phase, Step};
use crate::transport::{Dialer, HostDial, Trust};
use bell::Bell;
pub use cause::Cause;
pub use host::{
    AuditRecord, ConnectionState, Delivery, Drained, EndpointInfo, Event, EventKind, GroupStats, Health, Host,
    LogLevel, LogLine, Stats, Trouble, Wants,
};
use host_dial::HostDialler;
pub use inspection::Inspection;
use polling::Turns;
pub use request::Request;
use runner::Runner;
use shared::{Kept, Shared, Ways};
use sync::{Latch, OurThread, after, lock, on_our_thread};
use writer::Writer;

/// A name resolution that hangs in the operating system is left behind after this long. Of a short `shutdown.timeout` at
/// most a quarter.
const RESOLVER_GRACE: Duration = Duration::from_millis(100);

/// Calls that may hang at the same time in the operating system or the host: name resolutions, dial callbacks, and reading
/// an endpoint's certificate files. With as many, endpoints of further groups wait and reach their deadline, so there is
/// one for each of more groups than are likely to hang together. A thread ends when it has had nothing to do for 10 s.
const BLOCKING_THREADS: usize = 64;

/// Of each thread. Left to itself, Rust's standard library asks the environment.
const STACK_BYTES: usize = 2 << 20;

/// A thread that panicked begins again after this long: not at once, for it may panic over the same again.
const AFTER_PANIC: Duration = Duration::from_millis(100);

/// Sessions to cloud applications, and everything that goes over them.
pub struct Connector {
    shared: Arc<Shared>,
    latch: Arc<Latch>,
    /// Where the host makes the connections.
    dialler: Option<Arc<HostDialler>>,
    /// Where the host polls.
    turns: Option<Turns>,
    /// Until `destroy` is done.
    owned: Mutex<Owned>,
}

struct Owned {
    threads: Vec<JoinHandle<()>>,
    /// Unless it is in `turns`.
    host: Option<Arc<dyn Host>>,
}

impl Connector {
    /// Makes a connector that is not started: it takes endpoints and notifications but dials nobody.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Tls`] for a file of the settings `tls.*`; [`Error::InvalidValue`] for
    /// `dispatch.forward.url`, `proxy.*`, and `dispatch.inline` with `callbacks.poll`; [`Error::Store`] and its kin for `endpoint.store.path` and `outbox.store.path`; [`Error::System`]
    /// where a thread cannot be made.
    pub fn new(settings: Settings, host: Arc<dyn Host>) -> Result<Connector, Error> {
        settings.check()?;
        let latch = Arc::<Latch>::default();
        let dialler = host.wants().dial.then(|| Arc::new(HostDialler::new(host.clone(), latch.clone())));
        let trust = Trust::load(&settings)?;
        let dialer = Dialer::new(&settings, dialler.clone().map(|dialler| dialler as Arc<dyn HostDial>))?;
        let (store, stored) = match &settings.endpoint_store {
            Some(path) => {
                let (store, stored) = EndpointStore::open(path, host.store_key()?.as_ref())?;
                (Some(store), stored)
            }
            None => (None, Vec::new()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .thread_name("nbwss-dns")
            .thread_stack_size(STACK_BYTES)
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .map_err(|source| Error::System { what: "the I/O runtime cannot be made", source })?;
        let polled = settings.callbacks_poll;
        let runner = match Forwarder::new(&settings)? {
            Some(forwarder) => Runner::Forward(Arc::new(forwarder)),
            None if settings.dispatch_inline => Runner::Inline(host.clone()),
            None if polled => Runner::Polled,
            None => Runner::Threads,
        };
        let bell = if polled { Bell::with_light() } else { Ok(Bell::default()) };
        let bell =
            bell.map_err(|source| Error::System { what: "the descriptor for polling cannot be made", source })?;
        let call_threads = if matches!(runner, Runner::Threads) { settings.dispatch_threads } else { 0 };
        let wants = host.wants();
        let (outbox, disk): (_, Option<Box<dyn Store>>) = match &settings.store_path {
            None => (Outbox::new(&settings, wants.deliveries), None),
            Some(path) => {
                let mut disk = Disk::open(path)?;
                (Outbox::restored(&settings, wants.deliveries, &disk.load()?), Some(Box::new(disk)))
            }
        };
        let writer = disk.is_some().then(Writer::new);
        let ways = Ways { trust, dialer, runtime: runtime.handle().clone() };
        let kept = Kept { endpoints: store, outbox, writer };
        let shared = Arc::new(Shared::new(settings, ways, kept, wants, bell));
        shared.enter(stored)?;
        let connector = Connector {
            shared,
            latch,
            dialler,
            turns: polled.then(|| Turns::new(host.clone())),
            owned: Mutex::new(Owned { threads: Vec::new(), host: (!polled).then(|| host.clone()) }),
        };
        let spawn_reports =
            || if polled { Ok(()) } else { connector.spawn_with_host("nbwss-report", &host, reports::run) };
        let made = disk
            .map_or(Ok(()), |disk| connector.spawn("nbwss-store", move |shared| writer::run(shared, disk)))
            .and_then(|()| connector.spawn("nbwss-io", move |shared| io_thread(runtime, shared, runner)))
            .and_then(|()| spawn_reports())
            .and_then(|()| {
                (0..call_threads)
                    .try_for_each(|n| connector.spawn_with_host(&format!("nbwss-call-{n}"), &host, calls::run))
            });
        drop(host);
        if let Err(source) = made {
            // There may be no I/O thread to do it.
            connector.shared.sessions_ended();
            let _ = connector.destroy();
            return Err(Error::System { what: "a thread cannot be made", source });
        }
        Ok(connector)
    }

    fn spawn_with_host(
        &self,
        name: &str,
        host: &Arc<dyn Host>,
        work: fn(&Shared, Arc<dyn Host>),
    ) -> std::io::Result<()> {
        let host = host.clone();
        self.spawn(name, move |shared| {
            // What it was doing is lost, and not the callbacks that come after it.
            while let Err(payload) = catch_unwind(AssertUnwindSafe(|| work(shared, host.clone()))) {
                shared.log_panic(&panics::text_of(&*payload));
                std::thread::sleep(AFTER_PANIC);
            }
        })
    }

    fn spawn(&self, name: &str, work: impl FnOnce(&Arc<Shared>) + Send + 'static) -> std::io::Result<()> {
        let (shared, latch) = (self.shared.clone(), self.latch.clone());
        latch.enter();
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(move || {
            let _ours = OurThread::enter();
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| work(&shared))) {
                shared.log_panic(&panics::text_of(&*payload));
            }
            drop(shared);
            latch.leave();
        });
        match thread {
            Ok(thread) => {
                lock(&self.owned).threads.push(thread);
                Ok(())
            }
            Err(error) => {
                self.latch.leave();
                Err(error)
            }
        }
    }

    /// A call of the host's panicked.
    pub(crate) fn log_panic(&self, text: &str) {
        self.shared.log_panic(text);
    }

    fn open(&self) -> Result<&Shared, Error> {
        if self.shared.is_closing() {
            return Err(Error::IllegalState("the connector is being destroyed"));
        }
        if let Some(text) = self.shared.broken() {
            return Err(Error::Panic(text.to_owned()));
        }
        Ok(&self.shared)
    }

    /// Starts dialling. Idempotent; also after [`Connector::stop`].
    ///
    /// # Errors
    /// [`Error::IllegalState`] after `destroy`, as for every call below.
    pub fn start(&self) -> Result<(), Error> {
        self.set_running(true)
    }

    /// Ends all sessions with a close frame and dials no more. Does not wait; idempotent. Notifications stay.
    ///
    /// # Errors
    /// As for [`Connector::start`].
    pub fn stop(&self) -> Result<(), Error> {
        self.set_running(false)
    }

    fn set_running(&self, running: bool) -> Result<(), Error> {
        let shared = self.open()?;
        {
            let mut control = lock(&shared.control);
            // `destroy` may have begun since, and what it has stopped must not be started again.
            self.open()?;
            control.running = running;
            control.supervisor.set_running(Now::read().instant, running);
        }
        shared.control_changed.notify_one();
        Ok(())
    }

    /// Starts or stops one server group. The others go on, and the group's notifications stay.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a group without an endpoint.
    pub fn set_group_running(&self, group_id: &str, running: bool) -> Result<(), Error> {
        let shared = self.open()?;
        if !lock(&shared.control).supervisor.set_group_running(Now::read().instant, group_id, running) {
            return Err(Error::NotFound { what: "server group", name: group_id.to_owned() });
        }
        shared.control_changed.notify_one();
        Ok(())
    }

    /// Replaces the rules for REST calls, from the next call on; see [`Policy`] for their form.
    ///
    /// # Errors
    /// [`Error::InvalidPolicy`] names the rule; the policy is then as it was.
    pub fn set_policy(&self, rules: &str) -> Result<(), Error> {
        let policy = Policy::parse(rules).map_err(|why| Error::InvalidPolicy(why.to_string()))?;
        self.open()?.dispatch(|dispatch| dispatch.set_policy(policy));
        Ok(())
    }

    /// After [`Connector::stop`]: waits until every session has ended.
    ///
    /// # Errors
    /// [`Error::Timeout`]; [`Error::IllegalState`] while started, on a thread of ours, or when `destroy` begins.
    pub fn wait(&self, timeout: Duration) -> Result<(), Error> {
        refuse_on_our_thread()?;
        let shared = self.open()?;
        let mut started = false;
        let quiet = self.wait_until(&shared.control, &shared.attempt_ended, after(timeout), |control| {
            started = control.running;
            started || shared.is_closing() || control.supervisor.is_quiet()
        });
        self.open()?;
        match (started, quiet) {
            (true, _) => Err(Error::IllegalState("the connector is started: call stop before wait")),
            (false, true) => Ok(()),
            (false, false) => Err(Error::Timeout("sessions are still ending")),
        }
    }

    /// Totals since the connector was made.
    ///
    /// # Errors
    /// As for [`Connector::start`].
    pub fn stats(&self) -> Result<Stats, Error> {
        let shared = self.open()?;
        let (notifications, saved_before) = {
            let outbox = lock(&shared.outbox);
            (outbox.counts(), outbox.saved())
        };
        let (calls, outstanding_requests) = shared.dispatch(|dispatch| (dispatch.counts(), dispatch.outstanding()));
        Ok(Stats {
            notifications,
            calls,
            outstanding_requests,
            blocked_callbacks: shared.watchdog.told(),
            sessions: shared.sessions(),
            saved_before,
        })
    }

    /// Ends everything within `shutdown.timeout`: requests in flight get 503, sessions a close frame, and what
    /// is not acknowledged a report. Afterwards no callback runs, and the host is dropped.
    ///
    /// # Errors
    /// [`Error::IllegalState`] on a thread of ours. [`Error::Timeout`] where a callback of the host, or the disk, has not
    /// returned: none will be begun any more, and `destroy` may be called again to wait longer.
    pub fn destroy(&self) -> Result<(), Error> {
        refuse_on_our_thread()?;
        let shared = &self.shared;
        let deadline = after(shared.settings.shutdown_timeout);
        if shared.set_closing() {
            shared.dispatch(|dispatch| dispatch.shut_down(Now::read()));
            lock(&shared.control).supervisor.set_running(Now::read().instant, false);
            shared.control_changed.notify_one();
            if let Some(dialler) = &self.dialler {
                dialler.retire();
            }
            // Whoever drains or waits finds that we are closing.
            drop(lock(&shared.outbox));
            shared.tell(&shared.outbox_settled);
            shared.tell(&shared.attempt_ended);
        }
        if !self.tell_the_rest(deadline) || !self.latch.wait(deadline) {
            shared.reports.silence();
            return Err(Error::Timeout("a callback of the host, or the disk of a database, has not returned"));
        }
        let (threads, host) = {
            let mut owned = lock(&self.owned);
            (std::mem::take(&mut owned.threads), owned.host.take())
        };
        for thread in threads {
            // Its panic, if any, was caught and logged inside.
            let _ = thread.join();
        }
        drop(host);
        // The next connector may open the database. Where a change is being written right now, it closes with its writer.
        if let Ok(mut store) = shared.store.try_lock() {
            drop(store.take());
        }
        Ok(())
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        let _ = self.destroy();
    }
}

fn io_thread(runtime: tokio::runtime::Runtime, shared: &Arc<Shared>, runner: Runner) {
    let ran = catch_unwind(AssertUnwindSafe(|| runtime.block_on(hub::run(shared.clone(), runner))));
    if let Err(payload) = ran {
        shared.breaks(panics::text_of(&*payload));
    }
    let grace = RESOLVER_GRACE.min(shared.settings.shutdown_timeout / 4);
    // A runtime that panicked itself, and not in one of its tasks, may do so again over what it left undone.
    let _ = catch_unwind(AssertUnwindSafe(|| runtime.shutdown_timeout(grace)));
    shared.sessions_ended();
}

fn refuse_on_our_thread() -> Result<(), Error> {
    if on_our_thread() {
        return Err(Error::IllegalState("a call that waits cannot be made from a callback: it would wait for itself"));
    }
    Ok(())
}
