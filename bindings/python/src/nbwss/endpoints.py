"""Endpoint details before they are added, endpoints as they are, and what is seen on the way to one."""

import contextlib
import ctypes
import os
import weakref
from dataclasses import dataclass
from typing import Any, Callable, Sequence, Tuple, Type, TypeVar, Union, overload

from . import _library as c
from ._layout import Text, empty, from_c
from .values import Certificate, EndpointInfo, InspectionResult, Step

Path = Union[str, "os.PathLike[str]"]
Item = TypeVar("Item")


def path_text(path: Path) -> Text:
    return Text.of(os.fspath(path))


class Endpoints(Sequence[EndpointInfo]):
    """A list of endpoints: as they were at one moment, or as they are to be added. A context manager that frees it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.close = weakref.finalize(self, _free, handle)
        self._infos = every(EndpointInfo, handle, c.library().nbwss_endpoints_count, c.library().nbwss_endpoints_get)

    @classmethod
    def read_json(cls, json: str) -> "Endpoints":
        """Reads the endpoint, or all endpoints of the array, in a JSON text, without adding anything."""
        return made(cls, c.library().nbwss_endpoints_read_json_n, Text.of(json))

    @classmethod
    def read_file(cls, path: Path) -> "Endpoints":
        """As ``read_json``, from a file."""
        return made(cls, c.library().nbwss_endpoints_read_file_n, path_text(path))

    def token(self, index: int) -> str:
        """The token of one endpoint: the only function that shows one. Python cannot wipe it."""
        length, handle, read = ctypes.c_size_t(), self.handle, c.library().nbwss_endpoints_token
        read(handle, index, None, 0, ctypes.byref(length))
        buffer = ctypes.create_string_buffer(length.value)
        read(handle, index, buffer, length.value, ctypes.byref(length))
        token = buffer.raw.decode()
        ctypes.memset(buffer, 0, length.value)
        return token

    def __len__(self) -> int:
        return len(self._infos)

    @overload
    def __getitem__(self, index: int) -> EndpointInfo: ...

    @overload
    def __getitem__(self, index: slice) -> Tuple[EndpointInfo, ...]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[EndpointInfo, Tuple[EndpointInfo, ...]]:
        return self._infos[index]

    def __enter__(self) -> "Endpoints":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _free(handle: int) -> None:
    # In a child made by fork there is nothing to free.
    with contextlib.suppress(c.Error):
        c.library().nbwss_endpoints_free(handle)


@dataclass(frozen=True)
class Inspection:
    """What was seen on the way to an endpoint. Holds no secret."""

    result: InspectionResult
    certificates: Tuple[Certificate, ...]  # the endpoint's own first
    steps: Tuple[Step, ...]
    text: str  # all of it, for a person

    @classmethod
    def copy(cls, handle: int) -> "Inspection":
        """Copies the library's, and frees it."""
        library, text, result = c.library(), Text(), empty(InspectionResult)
        try:
            library.nbwss_inspection_text(handle, ctypes.byref(text))
            library.nbwss_inspection_get_result(handle, ctypes.byref(result))
            certificates = library.nbwss_inspection_certificate_count, library.nbwss_inspection_certificate
            steps = library.nbwss_inspection_step_count, library.nbwss_inspection_step
            return cls(
                from_c(InspectionResult, result),
                every(Certificate, handle, *certificates),
                every(Step, handle, *steps),
                str(text),
            )
        finally:
            library.nbwss_inspection_free(handle)


def made(use: Callable[[int], Item], make: Callable[..., Any], *arguments: Any) -> Item:
    """What a function of the library that gives a handle has made."""
    handle = ctypes.c_void_p()
    make(*arguments, ctypes.byref(handle))
    assert handle.value is not None, "the library gives a handle with NBWSS_OK"
    return use(handle.value)


def every(kind: Type[Item], handle: int, count: Callable[..., Any], get: Callable[..., Any]) -> Tuple[Item, ...]:
    """All that a handle has of one kind."""
    number, struct = ctypes.c_size_t(), empty(kind)
    count(handle, ctypes.byref(number))

    def item(index: int) -> Item:
        get(handle, index, ctypes.byref(struct))
        return from_c(kind, struct)

    return tuple(map(item, range(number.value)))
