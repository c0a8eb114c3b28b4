"""What all connectors have in common: how they are made, and all that waits for nobody."""

import ctypes
import threading
import warnings
import weakref
from typing import Any, Callable, Mapping, Optional, Type, TypeVar, Union

from . import _library as c
from . import _options
from ._callbacks import logger, register
from ._layout import Text, empty, exact, from_c, to_c
from ._options import Setting, StoreKey
from .endpoints import Endpoints, Inspection, Path, made, path_text
from .enums import Status
from .request import Handler, Request, Requests
from .values import Audit, Delivery, Dial, Drained, Endpoint, EndpointInfo, Event, GroupCounts, Health, Image, Job
from .values import Log, Stats, Tls

Value = TypeVar("Value")


class BaseConnector:
    """Sessions to cloud applications, and everything that goes over them. May be used from any thread.

    ``settings`` are by the keys of the README; ``properties`` is a file of such keys that is read before. What comes
    back is told to the callbacks, on the threads that the C header names. An exception in one goes to the logger
    "nbwss"; a request is then answered with 500. If a callback has a method ``released``, it is called after the last
    call. ``on_dial`` returns a connected socket or its descriptor, which the library closes. ``store_key`` is the key
    for the tokens in ``endpoint.store.path``: 32 bytes, or a function that gives them.
    """

    _requests: Type[Requests] = Requests
    _own_settings: Mapping[str, Setting] = {}

    def __init__(
        self,
        settings: Optional[Mapping[str, Setting]] = None,
        *,
        properties: Optional[Path] = None,
        store_key: Optional[StoreKey] = None,
        on_request: Optional[Handler] = None,
        on_delivery: Optional[Callable[[Delivery], object]] = None,
        on_event: Optional[Callable[[Event], object]] = None,
        on_log: Optional[Callable[[Log], object]] = None,
        on_audit: Optional[Callable[[Audit], object]] = None,
        on_cancel: Optional[Callable[[Request], object]] = None,
        on_dial: Optional[Callable[[Dial], Any]] = None,
    ) -> None:
        library = c.library()
        others = {
            "delivery": on_delivery,
            "event": on_event,
            "log": on_log,
            "audit": on_audit,
            "cancel": on_cancel,
            "dial": on_dial,
        }
        options = made(int, library.nbwss_options_new)
        try:
            self.unknown_settings = _options.load(options, properties) if properties is not None else []
            _options.set_all(options, {**(settings or {}), **self._own_settings})
            _options.set_store_key(options, store_key)
            for kind, callback in others.items():
                _options.set_callback(options, kind, callback)
            self._handlers: Optional[Requests] = None
            if on_request is not None:
                self._handlers = self._requests(on_request)
                register(options, "request", self._handlers.take, on_request)
            self._handle = made(int, library.nbwss_connector_new, options)
        finally:
            library.nbwss_options_free(options)
        # Also at the end of the interpreter, which must not find callbacks under way.
        self._net = weakref.finalize(self, _end, self._handle)

    def start(self) -> None:
        """Starts dialling: a session for every server group."""
        c.library().nbwss_connector_start(self._handle)

    def stop(self) -> None:
        """Ends all sessions and dials no more. Does not wait; notifications stay."""
        c.library().nbwss_connector_stop(self._handle)

    def stats(self) -> Stats:
        """Totals since the connector was made."""
        return self._value(Stats, c.library().nbwss_connector_stats)

    def health(self) -> Health:
        """How the server groups are connected."""
        return self._value(Health, c.library().nbwss_connector_health)

    def set_policy(self, rules: str) -> None:
        """Replaces the rules for REST calls."""
        c.library().nbwss_connector_set_policy_n(self._handle, Text.of(rules))

    def group_start(self, group_id: str) -> None:
        """Starts a server group that was stopped on its own."""
        c.library().nbwss_group_start_n(self._handle, Text.of(group_id))

    def group_stop(self, group_id: str) -> None:
        """Stops one server group; its notifications stay."""
        c.library().nbwss_group_stop_n(self._handle, Text.of(group_id))

    def group_stats(self, group_id: str) -> GroupCounts:
        """What waits for a server group, and what became of the rest."""
        return self._value(GroupCounts, c.library().nbwss_group_stats_n, Text.of(group_id))

    def group_forget(self, group_id: str) -> None:
        """Gives up what waits for a server group that has no endpoint and will have none."""
        c.library().nbwss_group_forget_n(self._handle, Text.of(group_id))

    def endpoint_add(self, endpoint: Endpoint) -> None:
        """Adds an endpoint, activated."""
        c.library().nbwss_endpoint_add(self._handle, to_c(endpoint))

    def endpoint_add_json(self, json: str) -> None:
        """Adds the endpoint, or all endpoints of the array, in a JSON text: all or none."""
        c.library().nbwss_endpoint_add_json_n(self._handle, Text.of(json))

    def endpoint_add_file(self, path: Path) -> None:
        """As ``endpoint_add_json``, from a file."""
        c.library().nbwss_endpoint_add_file_n(self._handle, path_text(path))

    def endpoints_add(self, endpoints: Endpoints, tls: Optional[Tls] = None) -> None:
        """Adds all endpoints of a list or none."""
        c.library().nbwss_endpoints_add(self._handle, endpoints.handle, _to_c_or_null(tls))

    def endpoint_remove(self, host_name: str) -> None:
        """Removes an endpoint and closes its session."""
        c.library().nbwss_endpoint_remove_n(self._handle, Text.of(host_name))

    def endpoint_activate(self, host_name: str) -> None:
        """Activates an endpoint that was deactivated."""
        c.library().nbwss_endpoint_activate_n(self._handle, Text.of(host_name))

    def endpoint_deactivate(self, host_name: str) -> None:
        """Deactivates an endpoint: its session is closed, and it is not tried."""
        c.library().nbwss_endpoint_deactivate_n(self._handle, Text.of(host_name))

    def endpoint_set_token(self, host_name: str, token: str) -> None:
        """Gives an endpoint a new token and dials it anew."""
        c.library().nbwss_endpoint_set_token_n(self._handle, Text.of(host_name), Text.of(token))

    def endpoint_set_tls(self, host_name: str, tls: Optional[Tls]) -> None:
        """Gives an endpoint another choice for TLS and dials it anew."""
        c.library().nbwss_endpoint_set_tls_n(self._handle, Text.of(host_name), _to_c_or_null(tls))

    def endpoint_set_priority(self, host_name: str, priority: int) -> None:
        """Gives an endpoint another priority."""
        number = exact(ctypes.c_int32, priority)
        c.library().nbwss_endpoint_set_priority_n(self._handle, Text.of(host_name), number)

    def endpoint_reconnect(self, host_name: str) -> None:
        """Connects the endpoint's server group anew, now."""
        c.library().nbwss_endpoint_reconnect_n(self._handle, Text.of(host_name))

    def endpoint_get(self, host_name: str) -> EndpointInfo:
        """One endpoint as it is now."""
        with made(Endpoints, c.library().nbwss_endpoint_get_n, self._handle, Text.of(host_name)) as endpoints:
            return endpoints[0]

    def endpoint_list(self) -> Endpoints:
        """All endpoints as they are now, ordered by host name."""
        return made(Endpoints, c.library().nbwss_endpoint_list, self._handle)

    def notify_job(self, job: Job) -> int:
        """Accepts a job notification for every server group. Gives its number in the delivery reports."""
        return self._notified(c.library().nbwss_notify_job, to_c(job))

    def job_queued(self, job: Job) -> int:
        """Tells that a job waits, and fills in what follows from that."""
        return self._job_told(c.library().nbwss_job_queued, job)

    def job_active(self, job: Job) -> int:
        """Tells that a job runs."""
        return self._job_told(c.library().nbwss_job_active, job)

    def job_done(self, job: Job, status: int = 0) -> int:
        """Tells that a job has ended, with this status: 0 for success."""
        return self._job_told(c.library().nbwss_job_done, job, exact(ctypes.c_int64, status))

    def notify_image(self, image: Image) -> int:
        """Accepts an image notification."""
        return self._notified(c.library().nbwss_notify_image, to_c(image))

    def notify_json(self, notification: str) -> int:
        """Accepts a notification in JSON, for fields that this package does not know."""
        return self._notified(c.library().nbwss_notify_json_n, Text.of(notification))

    def _value(self, kind: Type[Value], get: Callable[..., Any], *arguments: Any) -> Value:
        struct = empty(kind)
        get(self._handle, *arguments, ctypes.byref(struct))
        return from_c(kind, struct)

    def _notified(self, notify: Callable[..., Any], *arguments: Any) -> int:
        sequence = ctypes.c_uint64()
        notify(self._handle, *arguments, ctypes.byref(sequence))
        return sequence.value

    def _job_told(self, tell: Callable[..., Any], job: Job, *arguments: Any) -> int:
        struct = to_c(job)
        sequence = self._notified(tell, struct, *arguments)
        vars(job).update(vars(from_c(Job, struct)))
        return sequence

    def _add_url(self, url: str) -> None:
        c.library().nbwss_endpoint_add_url_n(self._handle, Text.of(url))

    def _fetch(self, url: str) -> Endpoints:
        return made(Endpoints, c.library().nbwss_endpoints_fetch_n, self._handle, Text.of(url))

    def _validate(self, url: str, tls: Optional[Tls]) -> Inspection:
        validate = c.library().nbwss_endpoint_validate_n
        return made(Inspection.copy, validate, self._handle, Text.of(url), _to_c_or_null(tls))

    def _diagnose(self, host_name: str, connect: bool) -> Inspection:
        diagnose = c.library().nbwss_endpoint_diagnose_n
        return made(Inspection.copy, diagnose, self._handle, Text.of(host_name), connect)

    def _drain(self, timeout_ms: int) -> Drained:
        return self._value(Drained, c.library().nbwss_connector_drain, timeout_ms)

    def _wait(self, timeout_ms: int) -> None:
        c.library().nbwss_connector_wait(self._handle, timeout_ms)

    def _poll(self, timeout_ms: int) -> int:
        ran = ctypes.c_size_t()
        c.library().nbwss_connector_poll(self._handle, timeout_ms, ctypes.byref(ran))
        return ran.value

    def _poll_fd(self) -> int:
        descriptor = ctypes.c_ssize_t()
        c.library().nbwss_connector_poll_fd(self._handle, ctypes.byref(descriptor))
        return descriptor.value

    def _destroy(self) -> None:
        if self._net.alive:
            c.library().nbwss_connector_destroy(self._handle)
            self._net.detach()


def _to_c_or_null(tls: Optional[Tls]) -> Any:
    return None if tls is None else to_c(tls)


def _end(handle: int) -> None:
    """Destroys a connector that its owner has not."""
    try:
        c.library().nbwss_connector_destroy(handle)
    except c.Error as error:
        if error.status in (Status.FORKED, Status.BAD_HANDLE):
            return
        if error.status == Status.ILLEGAL_STATE:
            # Its last reference went in a callback.
            threading.Thread(target=_end, args=(handle,)).start()
            return
        logger.error("a connector that nobody has destroyed: %s", error)
    warnings.warn("a connector was not destroyed", ResourceWarning)
