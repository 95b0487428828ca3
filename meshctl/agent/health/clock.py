"""Whether the wall clock can be believed."""

from __future__ import annotations

from meshctl.agent.clock import SystemClock
from meshctl.config import Config
from meshctl.wire import Fact


def probe(config: Config) -> Fact:  # noqa: ARG001  # every probe is called alike
    """1 when the kernel says the clock is synchronised, else 0. Nothing depends on it: boards have no clock."""
    return Fact(ok=True, value=float(SystemClock().read().trusted), unit="trusted")
