//! Where the request callback runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;

use super::host::{Host, LogLevel};
use super::request::Request;
use super::shared::Shared;
use crate::endpoint::Endpoint;
use crate::error::with_causes;
use crate::forward::Forwarder;
use crate::panics;

/// Takes the requests that were read in one turn.
#[derive(Clone)]
pub(super) enum Runner {
    /// The `dispatch.threads`.
    Threads,
    /// The host's threads, when it polls.
    Polled,
    /// Here and now, on the thread of the sessions.
    Inline(Arc<dyn Host>),
    /// Not the callback: the host's own server gets the calls.
    Forward(Arc<Forwarder>),
}

impl Runner {
    /// Whether the callback runs on another thread, which answers one request after the other.
    pub(super) fn answers_later(&self) -> bool {
        matches!(self, Runner::Threads | Runner::Polled)
    }

    pub(super) fn run(&self, shared: &Arc<Shared>, endpoint: &Arc<Endpoint>, requests: &mut Vec<Request>) {
        match self {
            Runner::Threads => shared.calls.push_all(requests),
            Runner::Polled => {
                shared.calls.push_all(requests);
                shared.reports.bell().ring();
            }
            Runner::Inline(host) => {
                if shared.watchdog.begin(endpoint) {
                    shared.reports.bell().ring();
                }
                for request in requests.drain(..) {
                    shared.watchdog.next();
                    call(shared, &**host, request);
                }
                shared.watchdog.end();
            }
            Runner::Forward(forwarder) => {
                for request in requests.drain(..) {
                    tokio::spawn(forward(shared.clone(), forwarder.clone(), request));
                }
            }
        }
    }
}

async fn forward(shared: Arc<Shared>, forwarder: Arc<Forwarder>, request: Request) {
    let headers: Vec<(&str, &str)> = request.headers().collect();
    let call = forwarder.forward(request.method(), request.uri(), &headers, request.body());
    let Ok(answer) = timeout_at(request.deadline().into(), call).await else { return request.expire(&shared) };
    // An error means that nobody waits any more.
    let _ = match answer {
        Ok(response) => request.respond(&response),
        Err(failure) => {
            shared.log(LogLevel::Warn, format_args!("a call was not forwarded: {}", with_causes(&failure)));
            request.fail(failure.status_code(), &failure.to_string())
        }
    };
}

/// One call of the host for a request that has waited, unless it was answered meanwhile because its deadline has passed or
/// `destroy` has begun: the peer may have asked again since, under another id.
pub(super) fn call_in_time(shared: &Shared, host: &dyn Host, request: Request, now: Instant) {
    if request.deadline() <= now || shared.is_closing() {
        request.expire(shared);
    } else {
        call(shared, host, request);
    }
}

/// One call of the host. An unwinding callback drops the request, which answers it.
fn call(shared: &Shared, host: &dyn Host, request: Request) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| host.on_request(request))) {
        let text = panics::text_of(&*payload);
        shared.log(LogLevel::Error, format_args!("the request callback panicked: {text}"));
    }
}
