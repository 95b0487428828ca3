"""Both clocks, and how far the wall clock can be believed."""

from __future__ import annotations

import ctypes
import time
from typing import Protocol

from meshctl.model import ClockReading

_TIME_ERROR = 5
_SIZEOF_TIMEX = 512
_EARLIEST = 1_760_000_000
"""Seconds since 1970 when this code was young: a clock before that is wrong, whatever it says."""


class Clock(Protocol):
    """Time as an argument: whoever needs it reads it here."""

    def read(self) -> ClockReading:
        """Return both clocks as they are now."""


class SystemClock:
    """The machine's clocks. The wall clock is trusted when the kernel says that it is synchronised."""

    def __init__(self) -> None:
        self._adjtimex = ctypes.CDLL(None).adjtimex

    def read(self) -> ClockReading:
        """Return both clocks; the trust is what adjtimex(2) says of synchronisation."""
        state = self._adjtimex(ctypes.create_string_buffer(_SIZEOF_TIMEX))
        wall = time.time()
        return ClockReading(time.monotonic(), wall, trusted=0 <= state < _TIME_ERROR and wall > _EARLIEST)
