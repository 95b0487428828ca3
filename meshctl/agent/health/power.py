"""Whether the power supply is strong enough."""

from __future__ import annotations

from pathlib import Path

from meshctl.config import Config
from meshctl.wire import Fact

_HWMON = Path("/sys/class/hwmon")


def probe(config: Config) -> Fact:  # noqa: ARG001  # every probe is called alike
    """Read the Raspberry Pi's under-voltage alarm (kernel driver raspberrypi-hwmon, in0_lcrit_alarm)."""
    for monitor in sorted(_HWMON.glob("hwmon*")):
        if (monitor / "name").read_text().strip() == "rpi_volt":
            return parse((monitor / "in0_lcrit_alarm").read_text())
    return Fact(ok=False, error="not here")


def parse(alarm: str) -> Fact:
    """Return what the alarm's text means."""
    if alarm.strip() == "0":
        return Fact(ok=True, value=0, unit="alarm")
    return Fact(ok=False, value=1, unit="alarm", error="The power supply is too weak. Use the board's own.")
