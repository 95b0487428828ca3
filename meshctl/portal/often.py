"""How many requests one client address may send, so that a page that reloads itself keeps nobody waiting."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from flask import request
from werkzeug.exceptions import TooManyRequests

from meshctl.pace import Allowance, Pace

REQUESTS = Allowance(120, 0.05)
"""A family behind one address opens a few pages a second; twenty without end is a program."""


_OWN = ("127.0.0.1", "::1")
"""The node itself: what looks after it from there is no neighbour. The kernel takes these addresses from no cable."""


def refuse_often() -> Callable[[], None]:
    """Return what raises `TooManyRequests` for a request of who has asked too often."""
    pace, one_by_one = Pace(REQUESTS), threading.Lock()

    def refuse() -> None:
        address = request.environ.get("REMOTE_ADDR", "").removeprefix("::ffff:")
        if address in _OWN:
            return
        with one_by_one:
            left = pace.wait(address, time.monotonic())
        if left > 0:
            raise TooManyRequests(retry_after=math.ceil(left))

    return refuse
