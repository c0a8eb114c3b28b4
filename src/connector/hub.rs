//! The I/O thread: carries out what the supervisor decides, one task per attempt.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::driver;
use super::host::LogLevel;
use super::runner::Runner;
use super::shared::{Link, Shared};
use super::sync::{after, lock};
use crate::supervisor::{Action, Aftermath};
use crate::time::Now;

/// Runs until `destroy` has begun and every attempt has ended.
pub(super) async fn run(shared: Arc<Shared>, runner: Runner) {
    loop {
        let (dials, ends, next, quiet) = {
            let mut control = lock(&shared.control);
            let control = &mut *control;
            let now = Now::read().instant;
            control.supervisor.timeout(now);
            let (mut dials, mut ends) = (Vec::new(), Vec::new());
            while let Some(action) = control.supervisor.poll_action() {
                match action {
                    Action::Dial { attempt, endpoint } => match control.registry.get(endpoint) {
                        Some(endpoint) => {
                            let link = Arc::new(Link::new(endpoint.id));
                            control.attempts.insert(attempt, link.clone());
                            dials.push((attempt, endpoint.clone(), link));
                        }
                        // Removed before its turn came.
                        None => {
                            control.supervisor.ended(now, attempt, Aftermath::Retry);
                            shared.attempt_has_ended();
                        }
                    },
                    Action::End { attempt } => ends.extend(control.attempts.get(&attempt).cloned()),
                }
            }
            (dials, ends, control.supervisor.next_timeout(), control.supervisor.is_quiet())
        };
        for (attempt, endpoint, link) in dials {
            tokio::spawn(driver::run(driver::Attempt::new(&shared, &runner, attempt, endpoint, link)));
        }
        for link in ends {
            link.end();
        }
        if quiet && shared.is_closing() {
            break;
        }
        let changed = shared.control_changed.notified();
        let too_old = shared.let_go().map(after);
        match next.into_iter().chain(too_old).min() {
            Some(next) => drop(timeout_at(Instant::from_std(next), changed).await),
            None => changed.await,
        }
    }
    shared.log(LogLevel::Debug, format_args!("connector closed"));
}
