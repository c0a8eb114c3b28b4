//! Where the request callback runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::host::{Host, LogLevel};
use super::request::Request;
use super::shared::Shared;
use crate::endpoint::Endpoint;
use crate::panics;

/// Takes the requests that were read in one turn.
#[derive(Clone)]
pub(super) enum Runner {
    /// The `dispatch.threads`.
    Threads,
    /// Here and now, on the thread of the sessions.
    Inline(Arc<dyn Host>),
}

impl Runner {
    pub(super) fn run(&self, shared: &Shared, endpoint: &Arc<Endpoint>, requests: &mut Vec<Request>) {
        match self {
            Runner::Threads => shared.calls.push_all(requests),
            Runner::Inline(host) => {
                for request in requests.drain(..) {
                    if shared.watchdog.begin(endpoint) {
                        shared.reports.poke();
                    }
                    call(shared, &**host, request);
                    shared.watchdog.end();
                }
            }
        }
    }
}

/// One call of the host. An unwinding callback drops the request, which answers it.
pub(super) fn call(shared: &Shared, host: &dyn Host, request: Request) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| host.on_request(request))) {
        let text = panics::text_of(&*payload);
        shared.log(LogLevel::Error, format_args!("the request callback panicked: {text}"));
    }
}
