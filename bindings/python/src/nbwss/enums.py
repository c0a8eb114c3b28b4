"""The library's codes. The names are those of the C header without their prefix."""

from enum import IntEnum
from typing import TypeVar

Open = TypeVar("Open", bound="OpenEnum")


class OpenEnum(IntEnum):
    """Takes numbers that it has no name for: a later library may have more."""

    @classmethod
    def _missing_(cls: "type[Open]", value: object) -> "Open":
        if not isinstance(value, int):
            raise ValueError(f"{value!r} is no {cls.__name__}")
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


class Status(OpenEnum):
    """What a call came to: see ``Error.status``."""

    OK = 0
    INVALID_ARGUMENT = 1
    BAD_HANDLE = 2
    ILLEGAL_STATE = 3
    UNKNOWN_KEY = 4
    INVALID_VALUE = 5
    INVALID_ENDPOINT = 6
    DUPLICATE_ENDPOINT = 7
    NOT_FOUND = 8
    NO_ENDPOINT = 9
    INVALID_NOTIFICATION = 10
    QUEUE_FULL = 11
    TIMEOUT = 12
    EXPIRED = 13
    IO = 14
    TLS = 15
    FORKED = 16
    PANIC = 17
    INCOMPATIBLE = 18
    STORE = 19
    STORE_IN_USE = 20
    STORE_NEWER = 21
    STORE_KEY = 22
    ENDPOINT_MISSING = 23
    ENDPOINT_NOT_ENCRYPTED = 24
    ENDPOINT_BAD_URL = 25
    ENDPOINT_USER_INFO = 26
    ENDPOINT_BAD_PRIORITY = 27
    ENDPOINT_TOO_LONG = 28
    ENDPOINT_BAD_CHARACTER = 29
    ENDPOINT_NOT_UTF8 = 30
    ENDPOINT_NOT_JSON = 31
    ENDPOINT_DUPLICATE_KEY = 32
    ENDPOINT_BAD_TLS = 33
    FETCH_FAILED = 34
    ENDPOINT_HOST_NOT_ALLOWED = 35


class DeliveryOutcome(OpenEnum):
    """What became of a notification in a server group."""

    DELIVERED = 0
    ABANDONED = 1
    KEPT = 2


class EventKind(OpenEnum):
    """What happened to a connection."""

    CONNECTING = 1
    ESTABLISHED = 2
    REJECTED = 3
    CONNECT_FAILED = 4
    DISCONNECTED = 5
    CALLBACK_BLOCKS = 6
    ACTIVATED = 7
    DEACTIVATED = 8
    STORE_FAILED = 9
    STORE_RECOVERED = 10


class Cause(OpenEnum):
    """The class of a reason: what a host decides by, where the words are for people."""

    NONE = 0
    RESOLVE = 1
    TCP = 2
    PROXY = 3
    DIAL = 4
    TLS = 5
    UPGRADE = 6
    HTTP_STATUS = 7
    NO_ANSWER = 8
    TOKEN = 9
    KEEP_ALIVE = 10
    PEER_CLOSED = 11
    LOST = 12
    PROTOCOL = 13
    STOPPED = 14
    INTERNAL = 15
    STORE = 16


class LogLevel(OpenEnum):
    """How much a log line matters."""

    ERROR = 1
    WARN = 2
    INFO = 3
    DEBUG = 4


class AuditStep(OpenEnum):
    """What was decided about a REST call when it arrived, or that it ended."""

    ALLOWED = 1
    REFUSED = 2
    MALFORMED = 3
    LIMITED = 4
    REPEATED = 5
    CONFLICT = 6
    ENDED = 7


class ConnectionState(OpenEnum):
    """An endpoint's connection."""

    DISCONNECTED = 0
    CONNECTING = 1
    CONNECTED = 2
    CLOSING = 3
    REFUSED = 4


class Phase(OpenEnum):
    """A step of a connection."""

    RESOLVE = 1
    TCP = 2
    PROXY = 3
    DIAL = 4
    TLS = 5
    UPGRADE = 6
    CONNECT = 7
