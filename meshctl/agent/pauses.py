"""Which devices a steward has paused: for at most a day, for a reason that the person is told.

In RAM, with a copy on tmpfs: both hold hardware addresses. A paused device is a visitor to the kernel and
stays what it was to `Members`, so that it is itself again when the pause ends.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from meshctl.agent.files import on_tmpfs, write_whole
from meshctl.model import MeshctlError

COUNTED = "pauses"
"""The name under which node.db counts decisions to pause."""

LONGEST_HOURS = 24.0
SHORTEST_REASON, LONGEST_REASON = 3, 200
"""Characters."""

LAST_VERSION = 1_000_000
"""Nobody takes a higher one; at this one an end still wins, so no pause can be made endless."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_JOINERS = {"\u200c", "\u200d"}
"""They cannot be printed, yet several scripts need them inside words."""


class PauseError(MeshctlError):
    """What was asked for is no pause; the text names the field and the remedy."""

    exit_code = 2


@dataclass(frozen=True)
class Pause:
    """One pause, known among people by ``ident``; ``until`` is a deadline on this node's monotonic clock.

    ``by`` is the node that wrote this ``version``; ``over`` says that a steward ended it early. Of two
    about one device the one that `beats` the other holds, so they may be learnt in any order.
    """

    ident: str
    reason: str
    until: float
    version: int
    by: str
    over: bool = False

    def beats(self, other: Pause | None) -> bool:
        """Say whether this replaces ``other``.

        The higher version wins; at the same version an end wins over a pause, then the greater node name,
        then the earlier end: a node that was without power believes in more hours than are left.
        """
        return other is None or self.rank > other.rank

    @property
    def next_version(self) -> int:
        """The version of what replaces this."""
        return min(self.version + 1, LAST_VERSION)

    def in_force(self, now: float) -> bool:
        """Say whether it holds now."""
        return not self.over and now < self.until

    @property
    def rank(self) -> tuple[int, bool, str, float, str, str]:
        """What orders the pauses of one device: every field, so that no two that differ are equal."""
        return (self.version, self.over, self.by, -self.until, self.ident, self.reason)


class Pauses:
    """The latest pause of each device, by hardware address, until its time is over."""

    def __init__(self) -> None:
        self._held: dict[str, Pause] = {}
        self.changed = False

    def get(self, hardware: str) -> Pause | None:
        """Return the latest pause of a device, also one that was ended early."""
        return self._held.get(hardware)

    def all(self) -> dict[str, Pause]:
        """Return the latest pause of each device."""
        return dict(self._held)

    def stops(self, hardware: str) -> bool:
        """Say whether a device is paused; exact as of the last `lapse`."""
        pause = self._held.get(hardware)
        return pause is not None and not pause.over

    def stopped(self) -> frozenset[str]:
        """Return the devices that are paused; exact as of the last `lapse`."""
        return frozenset(hardware for hardware, pause in self._held.items() if not pause.over)

    def merge(self, hardware: str, pause: Pause) -> bool:
        """Take a pause in unless one that beats it is known; say whether it was taken."""
        if not pause.beats(self._held.get(hardware)):
            return False
        self._held[hardware] = pause
        self.changed = True
        return True

    def lapse(self, now: float) -> None:
        """Forget pauses whose time is over."""
        kept = {hardware: pause for hardware, pause in self._held.items() if now < pause.until}
        self.changed = self.changed or len(kept) < len(self._held)
        self._held = kept

    def next_end(self) -> float:
        """Return when the next pause ends by itself, infinity for none."""
        return min((pause.until for pause in self._held.values() if not pause.over), default=math.inf)

    def save(self, file: Path) -> None:
        """Write the copy if something changed, where the folder is in RAM."""
        if self.changed and on_tmpfs(file.parent):
            write_whole(file, json.dumps({hardware: asdict(pause) for hardware, pause in self._held.items()}))
        self.changed = False

    def load(self, file: Path, now: float) -> None:
        """Read the copy that a former agent of this boot left; a damaged one counts as none."""
        if not file.exists() or not on_tmpfs(file.parent):
            return
        try:
            table = json.loads(file.read_text(encoding="utf-8"))
            held = {str(hardware): Pause(**row) for hardware, row in table.items()}
            self._held = {hardware: pause for hardware, pause in held.items() if now < pause.until}
        except (ValueError, TypeError, AttributeError):
            file.rename(file.with_suffix(".damaged"))


def draw(known: Collection[str]) -> str:
    """Return a name for a pause that is none of the ``known`` ones: short, and nobody's."""
    while (ident := "".join(secrets.choice(_ALPHABET) for _ in range(4))) in known:
        pass
    return ident


def checked_reason(given: object) -> str:
    """Return a reason without spaces around it. Raises `PauseError`."""
    reason = given.strip() if isinstance(given, str) else ""
    plain = all(letter.isprintable() or letter in _JOINERS for letter in reason)
    if not (SHORTEST_REASON <= len(reason) <= LONGEST_REASON and plain):
        raise PauseError(
            f"reason: it has {SHORTEST_REASON} to {LONGEST_REASON} printable characters on one line. "
            "Write what the device did: its owner reads exactly this."
        )
    return reason


def checked_hours(given: object) -> float:
    """Return hours above 0 and at most `LONGEST_HOURS`. Raises `PauseError`."""
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not 0 < given <= LONGEST_HOURS:  # type: ignore[operator]
        raise PauseError(
            f"hours: it is a number above 0 and at most {LONGEST_HOURS:g}, such as 3 or 0.5. "
            "A pause that must last longer is decided anew tomorrow."
        )
    return float(given)  # type: ignore[arg-type]
