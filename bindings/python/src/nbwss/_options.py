"""Settings and callbacks of a connector, as the library takes them."""

import ctypes
import os
import socket
from typing import Any, Callable, Mapping, Optional, Type, Union

from . import _library as c
from ._callbacks import register
from ._layout import Text, exact, from_c
from .endpoints import Path, path_text
from .request import Request, held
from .values import Audit, Delivery, Dial, Event, Log

Setting = Union[str, int, bool, "os.PathLike[str]"]
StoreKey = Union[bytes, Callable[[], bytes]]
Callback = Callable[..., object]

KEY_BYTES = 32
_VALUES = {"delivery": Delivery, "event": Event, "log": Log, "audit": Audit}


def load(options: Any, path: Path) -> "list[str]":
    """Reads a file of settings. Gives a line for each key that is not known."""
    unknown = Text()
    c.library().nbwss_options_load_file_n(options, path_text(path), ctypes.byref(unknown))
    return str(unknown).splitlines()


def set_all(options: Any, settings: Mapping[str, Setting]) -> None:
    library = c.library()
    for key, value in settings.items():
        if isinstance(value, bool):
            library.nbwss_options_set_bool_n(options, Text.of(key), value)
        elif isinstance(value, int):
            library.nbwss_options_set_int_n(options, Text.of(key), exact(ctypes.c_int64, value))
        else:
            library.nbwss_options_set_n(options, Text.of(key), path_text(value))


def set_store_key(options: Any, key: Optional[StoreKey]) -> None:
    if callable(key):
        register(options, "store_key", _key_giver(key), key)
    elif key is not None:
        place = (ctypes.c_uint8 * len(key)).from_buffer_copy(key)
        c.library().nbwss_options_set_store_key(options, place, len(key))
        ctypes.memset(place, 0, len(key))


def set_callback(options: Any, kind: str, callback: Optional[Callback]) -> None:
    """Sets any callback but that for requests and that for the key."""
    if callback is None:
        return
    if kind == "dial":
        function = _dialler(callback)
    elif kind == "cancel":
        function = _canceller(callback)
    else:
        function = _teller(_VALUES[kind], callback)
    register(options, kind, function, callback)


def _teller(kind: Type[Any], callback: Callback) -> Callback:
    return lambda place: callback(from_c(kind, place.contents))


def _canceller(callback: Callable[[Request], object]) -> Callback:
    def cancel(handle: int) -> None:
        request = held(handle)
        if request is not None and request.is_held():
            callback(request)

    return cancel


def _dialler(callback: Callable[[Dial], Any]) -> Callback:
    def dial(wanted: Any, place: Any) -> None:
        connection = callback(from_c(Dial, wanted.contents))
        place[0] = connection.detach() if isinstance(connection, socket.socket) else connection

    return dial


def _key_giver(callback: Callable[[], bytes]) -> Callback:
    def give(place: Any) -> None:
        key = callback()
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key has {len(key)} bytes, not {KEY_BYTES}")
        ctypes.memmove(place, key, KEY_BYTES)

    return give
