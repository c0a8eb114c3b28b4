"""Waiting, in seconds."""

import math
import time
from typing import Optional

# Calls that wait are made in pieces of at most this, between which Python sees signals.
PIECE = 0.5


class Deadline:
    """A time from now; never, for None."""

    def __init__(self, seconds: Optional[float]) -> None:
        self._at = math.inf if seconds is None else time.monotonic() + seconds

    def is_over(self) -> bool:
        return time.monotonic() >= self._at

    def piece_ms(self) -> int:
        """The next piece of the time that is left."""
        return math.ceil(1000 * max(0.0, min(PIECE, self._at - time.monotonic())))
