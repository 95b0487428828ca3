"""How often something may be tried, so that passes cannot be guessed and nobody is kept waiting."""

from __future__ import annotations

from collections import deque


class Tries:
    """At most ``each`` failures by one key and ``together`` by all, within a sliding span of seconds."""

    def __init__(self, each: int, together: int, seconds: float) -> None:
        self._each, self._together, self._seconds = each, together, seconds
        self._failures: deque[tuple[float, str]] = deque()

    def may(self, key: str, now: float) -> bool:
        """Say whether this key may try."""
        while self._failures and self._failures[0][0] <= now - self._seconds:
            self._failures.popleft()
        mine = sum(1 for _, other in self._failures if other == key)
        return mine < self._each and len(self._failures) < self._together

    def failed(self, key: str, now: float) -> None:
        """Count one failure."""
        self._failures.append((now, key))
