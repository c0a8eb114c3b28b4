"""For hosts with an asyncio event loop: all callbacks run on its thread, in its turn, and what waits is awaited."""

import asyncio
import collections
import contextlib
from typing import Awaitable, Callable, Deque, Generic, Mapping, Optional, Set, TypeVar

from . import _library as c
from ._callbacks import logger
from ._options import Setting
from ._time import Deadline
from .base import BaseConnector
from .endpoints import Endpoints, Inspection
from .enums import Status
from .request import Handler, Request, Requests, Response, give, give_up
from .values import Drained, Tls

Told = TypeVar("Told")
Outcome = TypeVar("Outcome")

# How long a connector that is left waits for its sessions to be closed, before destroy cuts them off.
CLOSING = 5.0


class AsyncRequests(Requests):
    """Awaits answers in tasks."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler)
        self._tasks: "Set[asyncio.Task[None]]" = set()

    def later(self, request: Request, answer: Awaitable[Optional[Response]]) -> None:
        task = asyncio.ensure_future(self._await(request, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel(self) -> None:
        """Cancels what is awaited; those requests are answered with 503."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _await(self, request: Request, answer: Awaitable[Optional[Response]]) -> None:
        try:
            give(request, await answer)
        except asyncio.CancelledError:
            give_up(request, 503, "the host is shutting down")
            raise
        except Exception:
            logger.exception("the request callback failed")
            give_up(request)


class AsyncConnector(BaseConnector):
    """A connector for the event loop that runs where it is entered: an asynchronous context manager that destroys it.

    Callbacks run on the loop's thread, so they must not block; ``on_request`` may be a coroutine function, and a
    ``Stream`` is a callback to iterate over. Timeouts are in seconds; None is no limit. With a database, calls that wait
    for the disk are best made with ``asyncio.to_thread``.
    """

    _requests = AsyncRequests
    _own_settings: Mapping[str, Setting] = {"callbacks.poll": True}

    async def __aenter__(self) -> "AsyncConnector":
        # Set at each turn of running callbacks: what is waited for may have happened.
        self._turned = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._descriptor = self._poll_fd()
        self._loop.add_reader(self._descriptor, self._turn)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        try:
            await self._cancel_answers()
            self.stop()
            await self.wait(CLOSING)
        except c.Error as error:
            # destroy does the rest.
            logger.warning("%s", error)
        finally:
            self._loop.remove_reader(self._descriptor)
            self._destroy()
            # Those of requests that came meanwhile.
            await self._cancel_answers()

    async def drain(self, timeout: Optional[float] = None) -> Drained:
        """Waits until every accepted notification is acknowledged (or given up) and its report was made."""
        return await self._at_turns(self._drain, timeout)

    async def wait(self, timeout: Optional[float] = None) -> None:
        """After stop: waits until every session has ended."""
        await self._at_turns(self._wait, timeout)

    async def endpoint_add_url(self, url: str) -> None:
        """As ``endpoint_add_json``, from an ``https://`` URL that the cloud application generated."""
        await asyncio.to_thread(self._add_url, url)

    async def endpoints_fetch(self, url: str) -> Endpoints:
        """Reads endpoint details from such a URL, without adding anything."""
        return await asyncio.to_thread(self._fetch, url)

    async def endpoint_validate(self, url: str, tls: Optional[Tls] = None) -> Inspection:
        """Dials an endpoint that was not added yet, and shows its certificates, trusted or not."""
        return await asyncio.to_thread(self._validate, url, tls)

    async def endpoint_diagnose(self, host_name: str, connect: bool = False) -> Inspection:
        """Goes the whole way to an endpoint that was added; with ``connect`` the token is sent, too."""
        return await asyncio.to_thread(self._diagnose, host_name, connect)

    def _turn(self) -> None:
        self._poll(0)
        self._turned.set()

    async def _cancel_answers(self) -> None:
        if isinstance(self._handlers, AsyncRequests):
            await self._handlers.cancel()

    async def _at_turns(self, call: Callable[[int], Outcome], timeout: Optional[float]) -> Outcome:
        """Makes a call that waits, but without waiting, at each turn: on another thread it would run callbacks there.
        It runs callbacks here, too; therefore others that wait do not rely on turns alone."""
        deadline = Deadline(timeout)
        while True:
            self._turned.clear()
            try:
                return call(0)
            except c.Error as error:
                if error.status != Status.TIMEOUT or deadline.is_over():
                    raise
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._turned.wait(), deadline.piece_ms() / 1000)


class Stream(Generic[Told]):
    """A callback of an ``AsyncConnector`` that one task iterates over, until the connector is destroyed. It holds what
    is not read yet, however much. To be made where the loop runs::

        events: Stream[Event] = Stream()
        async with AsyncConnector(settings, on_event=events) as connector:
            async for event in events: ...
    """

    def __init__(self) -> None:
        self._told: Deque[Told] = collections.deque()
        self._over = False
        self._changed = asyncio.Event()

    def __call__(self, told: Told) -> None:
        self._told.append(told)
        self._changed.set()

    def released(self) -> None:
        """Nothing more will be told."""
        self._over = True
        self._changed.set()

    def __aiter__(self) -> "Stream[Told]":
        return self

    async def __anext__(self) -> Told:
        while not self._told:
            if self._over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._told.popleft()
