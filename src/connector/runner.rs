//! Where the request callback runs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

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
    /// Here and now, on the thread of the sessions.
    Inline(Arc<dyn Host>),
    /// Not the callback: the host's own server gets the calls.
    Forward(Arc<Forwarder>),
}

impl Runner {
    pub(super) fn run(&self, shared: &Arc<Shared>, endpoint: &Arc<Endpoint>, requests: &mut Vec<Request>) {
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
    let answer = forwarder.forward(request.method(), request.uri(), &headers, request.body()).await;
    // An error means that nobody waits any more.
    let _ = match answer {
        Ok(response) => request.respond(&response),
        Err(failure) => {
            shared.log(LogLevel::Warn, format_args!("a call was not forwarded: {}", with_causes(&failure)));
            request.fail(failure.status_code(), &failure.to_string())
        }
    };
}

/// One call of the host. An unwinding callback drops the request, which answers it.
pub(super) fn call(shared: &Shared, host: &dyn Host, request: Request) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| host.on_request(request))) {
        let text = panics::text_of(&*payload);
        shared.log(LogLevel::Error, format_args!("the request callback panicked: {text}"));
    }
}
