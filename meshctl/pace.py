"""How often something may be done by one of many: so many at once, then one by one. Time is an argument."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_KEYS = 4096


@dataclass(frozen=True)
class Allowance:
    """``most`` at once, and one more every so many ``seconds``."""

    most: int
    seconds: float


class Pace:
    """One allowance for each key, held as the moment at which it is whole again. For one thread."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._whole: dict[str, float] = {}

    def wait(self, key: str, now: float, amount: int = 1) -> float:
        """Take so many; return 0, or take none and return the seconds until there are as many."""
        most, seconds = self._allowance.most, self._allowance.seconds
        if len(self._whole) >= _MOST_KEYS:
            self._whole = {one: at for one, at in self._whole.items() if at > now}
        after = max(self._whole.get(key, now), now) + amount * seconds
        if after - now > most * seconds:
            return after - now - most * seconds
        self._whole[key] = after
        return 0.0
