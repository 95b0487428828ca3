"""How hot the board is."""

from __future__ import annotations

import psutil

from meshctl.config import Config
from meshctl.wire import Fact

_TOO_HOT = 80.0
"""Degrees Celsius at which a Raspberry Pi begins to slow itself down."""


def probe(config: Config) -> Fact:  # noqa: ARG001  # every probe is called alike
    """Return the hottest sensor, in degrees Celsius."""
    sensors = [one.current for group in psutil.sensors_temperatures().values() for one in group]
    if not sensors:
        return Fact(ok=False, error="not here")
    hottest = max(sensors)
    if hottest >= _TOO_HOT:
        return Fact(ok=False, value=round(hottest, 1), unit="°C", error="It is too hot. Give it shade or air.")
    return Fact(ok=True, value=round(hottest, 1), unit="°C")
