"""When a service that ended starts again: pure, so that it can be read and tested."""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
SETTLED = 10.0
MOST_FAILURES = 6


@dataclass(frozen=True)
class Past:
    """How a service has fared. ``failures`` counts starts in a row that did not come to anything."""

    failures: int = 0
    restarts: int = 0


def after_end(past: Past, lived: float, was_ready: bool) -> tuple[Past, float | None]:
    """Return the new past and the seconds until the next start, or ``None`` where it is given up.

    A service that had become ready, or lived for `SETTLED` seconds, is started again after
    `FIRST_DELAY` however often it is killed; one that never gets ready backs off and is given up.
    """
    if was_ready or lived >= SETTLED:
        return Past(failures=0, restarts=past.restarts + 1), FIRST_DELAY
    failures = past.failures + 1
    if failures >= MOST_FAILURES:
        return replace(past, failures=failures), None
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failures - 1))
    return Past(failures=failures, restarts=past.restarts + 1), delay
