"""How often something may be tried, so that passes cannot be guessed and nobody is kept waiting."""

from __future__ import annotations

from collections import deque


class Tries:
    """At most ``each`` tries by one key and ``together`` by all, within a sliding span of seconds."""

    def __init__(self, each: int, together: int, seconds: float) -> None:
        self._each, self._together, self._seconds = each, together, seconds
        self._log: deque[tuple[float, str]] = deque()

    def allow(self, key: str, now: float) -> bool:
        """Count one try and say whether it may go ahead; a refused try is not counted."""
        while self._log and self._log[0][0] <= now - self._seconds:
            self._log.popleft()
        mine = sum(1 for _, other in self._log if other == key)
        if mine >= self._each or len(self._log) >= self._together:
            return False
        self._log.append((now, key))
        return True
