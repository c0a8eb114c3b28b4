//! Callers that wait for one thread, which appends and syncs for all of them: what the outbox would be without a
//! database, an order and a promise.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, OnceLock};

pub struct Bare {
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    waiting: usize,
    /// Callers there are: the thread waits until each of them waits for it.
    callers: usize,
    ticket: Arc<OnceLock<()>>,
    over: bool,
}

/// One of the callers, as long as it lives.
pub struct Guest<'b>(&'b Bare);

impl Bare {
    pub fn new(file: File) -> Bare {
        Bare { file, state: Mutex::default(), changed: Condvar::new() }
    }

    pub fn enter(&self) -> Guest<'_> {
        self.state.lock().expect("no panic").callers += 1;
        Guest(self)
    }

    /// Returns when the bytes are on the disk.
    pub fn append(&self, bytes: &[u8]) {
        let mut state = self.state.lock().expect("no panic");
        state.bytes.extend_from_slice(bytes);
        state.waiting += 1;
        let (ticket, all) = (state.ticket.clone(), state.waiting >= state.callers);
        drop(state);
        if all {
            self.changed.notify_one();
        }
        ticket.wait();
    }

    /// The thread.
    pub fn run(&self) {
        loop {
            let not_yet = |state: &mut State| !state.over && (state.waiting == 0 || state.waiting < state.callers);
            let state = self.state.lock().expect("no panic");
            let mut state = self.changed.wait_while(state, not_yet).expect("no panic");
            if state.over {
                return;
            }
            let (bytes, ticket) = (std::mem::take(&mut state.bytes), std::mem::take(&mut state.ticket));
            state.waiting = 0;
            drop(state);
            (&self.file).write_all(&bytes).expect("written");
            self.file.sync_data().expect("synced");
            ticket.set(()).expect("set once");
        }
    }

    pub fn end(&self) {
        self.state.lock().expect("no panic").over = true;
        self.changed.notify_one();
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.state.lock().expect("no panic").callers -= 1;
        self.0.changed.notify_one();
    }
}
