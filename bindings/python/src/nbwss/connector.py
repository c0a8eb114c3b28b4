"""The connector for hosts with threads, and for those that poll."""

from typing import Callable, Optional, TypeVar

from . import _library as c
from ._time import Deadline
from .base import BaseConnector
from .endpoints import Endpoints, Inspection
from .enums import Status
from .values import Drained, Tls

Outcome = TypeVar("Outcome")


class Connector(BaseConnector):
    """A connector whose callbacks run on threads of the library or, with the setting ``callbacks.poll``, in ``poll``.

    A context manager that destroys it. Timeouts are in seconds; None is no limit.
    """

    def drain(self, timeout: Optional[float] = None) -> Drained:
        """Waits until every accepted notification is acknowledged (or given up) and its report was made."""
        return _in_pieces(self._drain, timeout)

    def wait(self, timeout: Optional[float] = None) -> None:
        """After stop: waits until every session has ended."""
        _in_pieces(self._wait, timeout)

    def poll(self, timeout: Optional[float] = None) -> int:
        """Runs the callbacks that wait, on this thread, or the first that come. Gives how many."""
        deadline = Deadline(timeout)
        while True:
            ran = self._poll(deadline.piece_ms())
            if ran > 0 or deadline.is_over():
                return ran

    def poll_fd(self) -> int:
        """The descriptor that is readable while callbacks wait for ``poll``."""
        return self._poll_fd()

    def destroy(self) -> None:
        """Ends everything, within the setting ``shutdown.timeout``. Once it is done, nothing is done any more."""
        self._destroy()

    def __enter__(self) -> "Connector":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._destroy()

    def endpoint_add_url(self, url: str) -> None:
        """As ``endpoint_add_json``, from an ``https://`` URL that the cloud application generated."""
        self._add_url(url)

    def endpoints_fetch(self, url: str) -> Endpoints:
        """Reads endpoint details from such a URL, without adding anything."""
        return self._fetch(url)

    def endpoint_validate(self, url: str, tls: Optional[Tls] = None) -> Inspection:
        """Dials an endpoint that was not added yet, and shows its certificates, trusted or not."""
        return self._validate(url, tls)

    def endpoint_diagnose(self, host_name: str, connect: bool = False) -> Inspection:
        """Goes the whole way to an endpoint that was added; with ``connect`` the token is sent, too."""
        return self._diagnose(host_name, connect)


def _in_pieces(call: Callable[[int], Outcome], timeout: Optional[float]) -> Outcome:
    deadline = Deadline(timeout)
    while True:
        try:
            return call(deadline.piece_ms())
        except c.Error as error:
            if error.status != Status.TIMEOUT or deadline.is_over():
                raise
