"""Whether neighbours behind one bridge are kept apart, so that their frames reach the node and nobody else."""

from __future__ import annotations

from pathlib import Path

from meshctl.config import Config
from meshctl.wire import Fact

_NET = Path("/sys/class/net")


def probe(config: Config) -> Fact:
    """Count ports through which neighbours reach each other; "not here" where no door is a bridge of several."""
    return judge({access.device: ports_of(access.device) for access in config.access})


def ports_of(bridge: str) -> dict[str, bool]:
    """Return of each port of a bridge whether it is isolated (bridge(8)); none where it is no bridge."""
    folder = _NET / bridge / "brif"
    ports = sorted(folder.iterdir()) if folder.is_dir() else ()
    return {port.name: _is_isolated(port) for port in ports}


def _is_isolated(port: Path) -> bool:
    try:
        return (port / "isolated").read_text().strip() == "1"
    except FileNotFoundError:
        return True  # it was unplugged a moment ago: nobody is behind it


def judge(bridges: dict[str, dict[str, bool]]) -> Fact:
    """Return the fact of these bridges' ports. An isolated port reaches an open one, so one alone is a fault."""
    several = {bridge: ports for bridge, ports in bridges.items() if len(ports) > 1}
    if not several:
        return Fact(ok=False, error="not here")
    found = [(bridge, _open(ports)) for bridge, ports in several.items() if _open(ports)]
    if not found:
        return Fact(ok=True, value=0, unit="open ports")
    named = "; ".join(f"{', '.join(ports)} of {bridge}" for bridge, ports in found)
    error = f"Neighbours reach each other directly through {named}. Run: bridge link set dev PORT isolated on."
    return Fact(ok=False, value=sum(len(ports) for _, ports in found), unit="open ports", error=error)


def _open(ports: dict[str, bool]) -> list[str]:
    return [port for port, isolated in ports.items() if not isolated]
