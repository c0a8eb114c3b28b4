//! The phases of a dial: each has a deadline and leaves a record. A connection that is wanted and one that is made
//! only to see how far it gets go through the same ones.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::failure::ConnectError;
use crate::error::with_causes;

/// What is being done, in the order in which it is done. Which of them a connection needs depends on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Asking for the addresses of a name.
    Resolve,
    /// Reaching one of the addresses.
    Tcp,
    /// Having a proxy reach the endpoint.
    Proxy,
    /// Having the host reach the endpoint.
    HostDial,
    /// Agreeing on keys and verifying the endpoint.
    Tls,
    /// From HTTP to WebSocket.
    Upgrade,
    /// The message with the token, and its answer.
    Connect,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Resolve => "name resolution",
            Phase::Tcp => "TCP connection",
            Phase::Proxy => "proxy",
            Phase::HostDial => "the host's dial callback",
            Phase::Tls => "TLS handshake",
            Phase::Upgrade => "WebSocket upgrade",
            Phase::Connect => "CONNECT",
        })
    }
}

/// One phase that has ended.
#[derive(Debug, Clone)]
pub struct Step {
    /// What was done.
    pub phase: Phase,
    /// With whom: a name, an address or a proxy.
    pub peer: String,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, where it did.
    pub failure: Option<String>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.failure.is_none() { "done" } else { "failed" };
        write!(f, "{} ({}) {outcome} in {} ms", self.phase, self.peer, self.took.as_millis())
    }
}

/// The phases of one dial so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    steps: Vec<Step>,
}

impl Trace {
    /// Does the work of a phase, until the deadline.
    pub(super) async fn run<T>(
        &mut self,
        phase: Phase,
        peer: &str,
        deadline: Instant,
        work: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let start = Instant::now();
        let result = timeout_at(deadline, work).await.unwrap_or(Err(ConnectError::Timeout { phase }));
        self.record(phase, peer, start.elapsed(), result.as_ref().err().map(|error| with_causes(error)));
        result
    }

    /// A phase that was run elsewhere.
    pub(crate) fn record(&mut self, phase: Phase, peer: &str, took: Duration, failure: Option<String>) {
        self.steps.push(Step { phase, peer: peer.to_owned(), took, failure });
    }

    /// Names the peer of the last phase better, now that it is known.
    pub(super) fn name_peer(&mut self, peer: String) {
        if let Some(step) = self.steps.last_mut() {
            step.peer = peer;
        }
    }

    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// In the order in which they ended.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_phase_leaves_a_step_and_the_deadline_holds() {
        let mut trace = Trace::default();
        let soon = Instant::now() + Duration::from_millis(50);
        let done = trace.run(Phase::Resolve, "cloud", soon, async { Ok(7) }).await;
        assert_eq!(done.unwrap(), 7);
        trace.name_peer("the cloud".into());
        let refused = ConnectError::NoAddress { host: "cloud".into() };
        assert!(trace.run(Phase::Tcp, "cloud:1", soon, async { Err::<(), _>(refused) }).await.is_err());
        let hangs = std::future::pending::<Result<(), ConnectError>>();
        let error = trace.run(Phase::Tls, "cloud", soon, hangs).await.unwrap_err();
        assert_eq!((error.phase(), error.is_timeout()), (Phase::Tls, true));
        assert_eq!(error.to_string(), "TLS handshake took longer than connect.timeout");
        trace.record(Phase::Connect, "cloud", Duration::from_millis(3), None);

        let steps: Vec<_> = trace.steps().iter().map(|step| (step.peer.as_str(), step.failure.as_deref())).collect();
        let expected = [
            ("the cloud", None),
            ("cloud:1", Some("cloud has no address")),
            ("cloud", Some("TLS handshake took longer than connect.timeout")),
            ("cloud", None),
        ];
        assert_eq!(steps, expected);
        assert!(trace.steps()[2].took >= Duration::from_millis(40), "{:?}", trace.steps()[2]);
        assert_eq!(trace.steps()[3].to_string(), "CONNECT (cloud) done in 3 ms");
    }
}
