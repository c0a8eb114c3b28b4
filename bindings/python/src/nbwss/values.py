"""What is told by the library, and what it is told: one value for each struct of the C header, with its names.

Times that end in ``_ms`` are milliseconds, in ``_us`` microseconds; others are seconds since 1970.
"""

from dataclasses import dataclass, field
from typing import Optional

from ._layout import I32, I64, U16, U32, U64
from .enums import AuditStep, Cause, ConnectionState, DeliveryOutcome, EventKind, LogLevel, Phase


@dataclass(frozen=True)
class Delivery:
    """A delivery report: exactly one for each accepted notification and each server group that existed then."""

    sequence: U64  # as notify_job and its like returned it
    group_id: str
    outcome: DeliveryOutcome
    reason: str  # empty when delivered


@dataclass(frozen=True)
class Event:
    """A change of a connection."""

    kind: EventKind
    host_name: str
    group_id: str
    reason: str  # in words, on one line
    retry_in_ms: I64  # to the server group's next attempt; -1 when none is planned
    cause: Cause
    code: I32  # a close code or an HTTP status, where the cause says so


@dataclass(frozen=True)
class Log:
    """One line for the host's log, free of secrets."""

    level: LogLevel
    time_ms: I64
    text: str


@dataclass(frozen=True)
class Audit:
    """A record for the audit: one when a REST call arrives, one when it ends."""

    step: AuditStep
    time: I64
    host_name: str
    group_id: str
    id: str
    method: str
    path: str
    status_code: I32  # at the end
    body_bytes: U64  # of the request; at the end, of the answer
    duration_us: U64  # at the end: since arrival


@dataclass(frozen=True)
class Dial:
    """A connection that the host is to make."""

    host: str
    port: U16
    timeout_ms: U32


@dataclass(frozen=True)
class Drained:
    """What a drain counted: once per notification and server group, since the connector was made."""

    delivered: U64
    pending: U64
    abandoned: U64


@dataclass(frozen=True)
class Stats:
    """Totals since the connector was made."""

    sessions: U64  # established at this moment
    notifications_delivered: U64
    notifications_pending: U64
    notifications_abandoned: U64
    calls_allowed: U64
    calls_refused: U64
    calls_malformed: U64
    calls_limited: U64
    calls_repeated: U64
    calls_conflicting: U64
    calls_expired: U64
    answers_late: U64
    answers_missing: U64
    callbacks_blocked: U64
    notifications_stored_before: U64
    requests_outstanding: U64  # that the host holds at this moment


@dataclass(frozen=True)
class Health:
    """How the server groups are connected. All is well where ``groups_connected`` equals ``groups``."""

    groups: U64
    groups_connected: U64
    endpoints: U64
    endpoints_active: U64
    endpoints_refused: U64


@dataclass(frozen=True)
class GroupCounts:
    """The notifications of one server group."""

    pending: U64
    pending_bytes: U64
    oldest_age_ms: U64
    in_flight: U64
    delivered: U64
    abandoned: U64
    messages: U64
    messages_resent: U64


@dataclass(frozen=True)
class Tls:
    """How TLS with one endpoint is done, where that differs from the settings ``tls.*``."""

    ca_pem: str = ""
    ca_file: str = ""
    pin: str = ""  # "certificate:" or "spki:" and a SHA-256
    client_certificate_file: str = ""
    client_key_file: str = ""


@dataclass(frozen=True)
class Endpoint:
    """What a cloud application hands out for its listening URL."""

    host_name: str
    url: str
    group_id: str
    token: str = field(repr=False)
    priority: I32 = 0  # the lowest is tried first
    tls: Optional[Tls] = None


@dataclass(frozen=True)
class EndpointInfo:
    """An endpoint as it was when the list was made: everything but the token."""

    host_name: str
    url: str
    group_id: str
    priority: I32
    state: ConnectionState
    active: bool
    since_ms: I64
    next_attempt_in_ms: I64  # -1 when none is planned
    last_heard_ms: I64  # ago; -1 without a session
    attempts: U64
    sessions: U64
    last_error: str
    last_error_cause: Cause
    last_error_ms: I64
    ca_pem: str
    ca_file: str
    pin: str


@dataclass(frozen=True)
class InspectionResult:
    """What became of an inspection."""

    ok: bool
    trusted: bool
    distrust: str
    ca_to_accept: str
    tls_version: str
    failure: str
    cause: Cause


@dataclass(frozen=True)
class Certificate:
    """A certificate that an endpoint showed."""

    subject: str
    issuer: str
    names: str
    serial: str
    not_before: I64
    not_after: I64
    key_type: str
    sha256: str
    spki_sha256: str
    is_ca: bool
    pem: str


@dataclass(frozen=True)
class Step:
    """One step of an inspection."""

    phase: Phase
    peer: str
    duration_us: U64
    failure: str  # empty where nothing went wrong


@dataclass
class Job:
    """What is known of a job. ``job_queued``, ``job_active`` and ``job_done`` fill in the fields of its life."""

    schedule_type: str = ""
    client_name: str = ""
    policy_name: str = ""
    policy_type: str = ""
    job_type: str = ""
    state: str = ""
    status: I64 = 0
    start_time: I64 = 0
    parent_job_id: I64 = 0
    job_id: I64 = 0


@dataclass(frozen=True)
class Image:
    """What is known of a backup image."""

    client_type: str = ""
    client_name: str = ""
    operation_id: str = ""
    backup_id: str = ""
    backup_time: I64 = 0
    created_time: I64 = 0
