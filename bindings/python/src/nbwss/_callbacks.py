"""The way back: C functions that the library calls, each of which finds the Python function by its user data.

No exception passes through C: it goes to the log, and the library gets the answer that stands for a failure.
"""

import itertools
import logging
from typing import Any, Callable, Dict, Tuple

from . import _library as c
from .values import Log

logger = logging.getLogger("nbwss")

# What the library may call, by user data, from registration until the destructor has run.
_alive: Dict[int, Tuple[Callable[..., Any], Callable[[], None]]] = {}
_keys = itertools.count(1)


def _c_function(prototype: Any, kind: str) -> Any:
    def run(*arguments: Any) -> int:
        function, _ = _alive[arguments[-1]]
        return guarded(kind, function, *arguments[:-1])

    return prototype(run)


def guarded(kind: str, function: Callable[..., Any], *arguments: Any) -> int:
    """Runs a function of the host's. Gives 0, or what the library is to show as the failure's number."""
    try:
        function(*arguments)
        return 0
    except KeyboardInterrupt as interrupt:
        c.interrupts.append(interrupt)
    except BaseException as error:
        logger.exception("the %s callback failed", kind)
        if isinstance(error, OSError) and error.errno:
            return error.errno
    return 1


def _release(key: int) -> None:
    _, released = _alive.pop(key)
    guarded("released", released)


_destructor = c.Destructor(_release)
_KINDS = {
    kind: _c_function(prototype, kind)
    for kind, prototype in {
        "request": c.RequestFunction,
        "delivery": c.DeliveryFunction,
        "event": c.EventFunction,
        "log": c.LogFunction,
        "audit": c.AuditFunction,
        "cancel": c.CancelFunction,
        "dial": c.DialFunction,
        "store_key": c.StoreKeyFunction,
    }.items()
}


def register(options: Any, kind: str, function: Callable[..., Any], callback: object) -> None:
    """Sets one callback of options. ``function`` takes the C arguments and calls ``callback``, the host's own, whose
    method ``released``, if it has one, is called after the last call."""
    key = next(_keys)
    _alive[key] = (function, getattr(callback, "released", lambda: None))
    try:
        getattr(c.library(), f"nbwss_options_on_{kind}")(options, _KINDS[kind], key, _destructor)
    except BaseException:
        # The destructor does not run.
        del _alive[key]
        raise


def to_logging(line: Log) -> None:
    """The callback ``on_log`` for hosts that use ``logging``: each line goes to the logger "nbwss"."""
    # The library counts from ERROR, 1, to DEBUG, 4; logging from DEBUG, 10, to ERROR, 40.
    logger.log(max(logging.DEBUG, 50 - 10 * line.level), "%s", line.text)
