"""Whether there is a roster that this node believes, and whether this node is on it."""

from __future__ import annotations

from meshctl.config import Config
from meshctl.lists import Roster
from meshctl.wire import Fact


def believed(config: Config, roster: Roster | None, fault: str) -> Fact:
    """Return the version of the roster in force; ``fault`` says why another one was refused."""
    if roster is None:
        error = fault or f"{config.mesh.roster} is missing. Copy the community's newest roster there."
        return Fact(ok=False, error=error[:500])
    if roster.member(config.node.name) is None:
        error = f"roster {roster.version} has no node {config.node.name}. Enrol it, or take it off the network."
        return Fact(ok=False, value=roster.version, unit="version", error=error)
    return Fact(ok=not fault, value=roster.version, unit="version", error=fault[:500])
