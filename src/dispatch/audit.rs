//! What an audit is told of a REST call: one record when it arrives and one when it ends. Never a body, a
//! header, or a query.

use std::sync::Arc;
use std::time::Duration;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Seconds since 1970.
    pub time: i64,
    /// The endpoint that asked.
    pub host_name: Arc<str>,
    /// Its server group.
    pub group_id: Arc<str>,
    /// The COMMAND's id.
    pub id: Box<str>,
    /// The HTTP method; empty where the call was malformed.
    pub method: Box<str>,
    /// The path in its normal form, without the query; empty where the call was malformed.
    pub path: Box<str>,
    /// Arrival or end.
    pub step: Step,
}

/// Which of the two records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// What was decided when it came.
    Arrived {
        /// Whether it went to the host, and if not, why.
        decision: Decision,
        /// Size of the body.
        request_bytes: usize,
    },
    /// How it was answered.
    Ended {
        /// HTTP status.
        status_code: u16,
        /// Size of the body.
        response_bytes: usize,
        /// Since its arrival.
        duration: Duration,
    },
}

/// What was decided about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Handed to the host.
    Allowed,
    /// The policy does not allow it: 403.
    Refused,
    /// Unusable: 400, 413, 414 or 431.
    Malformed,
    /// Over a limit, or shutting down: 429 or 503.
    Limited,
    /// Seen before: it gets the answer of the first time, or 409 where there was no room to keep that.
    Repeated,
    /// The id was seen before with another request: 409.
    Conflict,
}
