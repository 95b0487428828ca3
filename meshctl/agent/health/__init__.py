"""One small file per fact. Each probe fails alone: a probe that failed is a fact, not an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from meshctl.agent.health import clock, disk, heat, isolation, memory, power, processor, uplink
from meshctl.config import Config
from meshctl.wire import Fact

Probe = Callable[[Config], Fact]

PROBES: Mapping[str, Probe] = {
    "processor": processor.probe,
    "memory": memory.probe,
    "disk": disk.probe,
    "heat": heat.probe,
    "power": power.probe,
    "clock": clock.probe,
    "uplink": uplink.probe,
    "isolation": isolation.probe,
}


def examine(config: Config, probes: Mapping[str, Probe] = PROBES) -> dict[str, Fact]:
    """Ask every probe. One that raises becomes a failed fact with what it said."""
    facts: dict[str, Fact] = {}
    for name, probe in probes.items():
        try:
            facts[name] = probe(config)
        except Exception as fault:  # noqa: BLE001  # no probe hides another
            facts[name] = Fact(ok=False, error=f"{type(fault).__name__}: {fault}")
    return facts
