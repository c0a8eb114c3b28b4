"""REST calls of cloud applications, and their answers."""

import ctypes
import weakref
from dataclasses import dataclass, field
from typing import Any, Awaitable, Callable, Coroutine, Dict, Mapping, Optional, Union

from . import _library as c
from ._callbacks import logger
from ._layout import Text, exact
from .enums import Status


@dataclass(frozen=True)
class Response:
    """The answer to a request."""

    status_code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Union[str, bytes, None] = field(default=None, repr=False)


# A handler answers, now or later, or gives the answer back. With an AsyncConnector it may be a coroutine function.
Answer = Union[Response, None, Awaitable[Optional[Response]]]
Handler = Callable[["Request"], Answer]


class Request:
    """A REST call that a cloud application asks for. Answered once, by ``respond`` or ``fail``, on any thread; one that
    is let go of without an answer is answered with 500."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._let_go = weakref.finalize(self, _let_go, handle)
        library = c.library()
        self.id = self._text(library.nbwss_request_id)
        self.host_name = self._text(library.nbwss_request_host_name)
        self.group_id = self._text(library.nbwss_request_group_id)
        self.method = self._text(library.nbwss_request_method)
        self.uri = self._text(library.nbwss_request_uri)
        self.headers: Mapping[str, str] = self._headers()
        body = Text()
        library.nbwss_request_body(handle, ctypes.byref(body))
        self.body: Optional[bytes] = body.bytes() if body.ptr else None
        _held[handle] = self

    def __repr__(self) -> str:
        # A query may hold a secret.
        return f"<Request {self.method} {self.uri.partition('?')[0]} of {self.host_name}>"

    def header(self, name: str) -> Optional[str]:
        """The value of the first header with this name, compared without case."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    def is_held(self) -> bool:
        """Whether it is still to be answered by the host."""
        return self._let_go.alive

    def is_wanted(self) -> bool:
        """Whether anybody still waits for the answer."""
        wanted = ctypes.c_bool()
        c.library().nbwss_request_is_wanted(self._handle, ctypes.byref(wanted))
        return wanted.value

    def respond(self, response: Response) -> None:
        """Answers the request."""
        answer = _to_c(response)
        self._let_go.detach()
        c.library().nbwss_request_respond(self._handle, answer)

    def fail(self, status_code: int, message: str) -> None:
        """Answers the request with an error, in the shape of NetBackup's errors."""
        text, status_code = Text.of(message), exact(ctypes.c_int32, status_code)
        self._let_go.detach()
        c.library().nbwss_request_fail_n(self._handle, status_code, text)

    def _text(self, read: Callable[..., Any]) -> str:
        text = Text()
        read(self._handle, ctypes.byref(text))
        return str(text)

    def _headers(self) -> Dict[str, str]:
        count, header = ctypes.c_size_t(), c.Header()
        c.library().nbwss_request_header_count(self._handle, ctypes.byref(count))
        headers = {}
        for index in range(count.value):
            c.library().nbwss_request_header_at(self._handle, index, ctypes.byref(header))
            headers[str(header.name)] = str(header.value)
        return headers


# The requests in the host's hands, for the cancel callback.
_held: "weakref.WeakValueDictionary[int, Request]" = weakref.WeakValueDictionary()


def held(handle: int) -> Optional[Request]:
    return _held.get(handle)


def _let_go(handle: int) -> None:
    logger.warning("a request was let go of without an answer")
    try:
        c.library().nbwss_request_fail_n(handle, 500, Text.of("the host let go of the request"))
    except c.Error as error:
        if error.status not in (Status.EXPIRED, Status.FORKED):
            logger.error("%s", error)


def _to_c(response: Response) -> c.CResponse:
    headers = [c.Header(Text.of(name), Text.of(value)) for name, value in response.headers.items()]
    struct = c.CResponse(ctypes.sizeof(c.CResponse), exact(ctypes.c_int32, response.status_code))
    if headers:
        struct.headers, struct.header_count = (c.Header * len(headers))(*headers), len(headers)
    if response.body is not None:
        struct.body = Text.of(response.body)
    return struct


class Requests:
    """Has the host's handler answer the requests of one connector."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def take(self, handle: int) -> None:
        request = Request(handle)
        try:
            answer = self._handler(request)
            if isinstance(answer, Awaitable):
                self.later(request, answer)
            else:
                give(request, answer)
        except BaseException:
            give_up(request)
            raise

    def later(self, request: Request, answer: Awaitable[Optional[Response]]) -> None:
        if isinstance(answer, Coroutine):
            answer.close()
        raise TypeError("only an AsyncConnector awaits answers")


def give(request: Request, answer: Optional[Response]) -> None:
    """Answers, if there is an answer yet. That nobody waits for it any more is no failure of the handler."""
    if answer is None:
        return
    try:
        request.respond(answer)
    except c.Error as error:
        if error.status != Status.EXPIRED:
            raise


def give_up(request: Request, status_code: int = 500, message: str = "the host failed") -> None:
    """Answers for a handler that has failed, unless it has answered before."""
    if request.is_held():
        try:
            request.fail(status_code, message)
        except c.Error as error:
            if error.status != Status.EXPIRED:
                raise
