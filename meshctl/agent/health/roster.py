"""Whether there is a roster that this node believes."""

from __future__ import annotations

from pathlib import Path

from meshctl.config import Config
from meshctl.lists import ListError, Roster, read_roster
from meshctl.wire import Fact


def read(config: Config) -> tuple[Fact, Roster]:
    """Return its version, and the roster itself: an empty one where none can be believed."""
    file = Path(config.mesh.roster)
    try:
        roster = read_roster(file.read_bytes(), config.mesh.community)
    except (OSError, ListError) as fault:
        error = f"{file} cannot be believed: {fault}. Copy the community's newest roster there."
        return Fact(ok=False, error=error[:500]), Roster(0)
    return Fact(ok=True, value=roster.version, unit="version"), roster
