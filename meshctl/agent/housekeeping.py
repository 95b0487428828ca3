"""Slow jobs, a minute or slower, by APScheduler. The tick is never among them.

APScheduler lives on the wall clock. A board without a battery starts in the past and jumps when time
is learnt: forward, it would run a year of missed jobs one by one; back, it would sleep until the
old time comes round again. So a jump makes the schedule anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC

from apscheduler.schedulers.background import BackgroundScheduler

from meshctl.model import ClockReading

log = logging.getLogger(__name__)

_JUMP = 30.0
"""Seconds by which wall and monotonic time may part before it counts as a jump."""


@dataclass(frozen=True)
class Job:
    """Something to run every so many seconds, 60 or more."""

    name: str
    seconds: int
    run: Callable[[], object]


class Housekeeping:
    """Runs jobs and heeds the clock."""

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs = jobs
        self._offset: float | None = None
        self._scheduler: BackgroundScheduler | None = None
        self.restarts = -1

    def heed(self, clock: ClockReading) -> None:
        """Call each tick: starts the schedule, and makes it anew when the wall clock jumped."""
        offset = clock.wall - clock.monotonic
        if self._offset is not None and abs(offset - self._offset) <= _JUMP:
            self._offset = offset
            return
        if self._offset is not None:
            log.info("the wall clock jumped by %.0f s: the slow jobs are scheduled anew", offset - self._offset)
        self._offset = offset
        self.stop()
        self.restarts += 1
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        for job in self._jobs:
            self._scheduler.add_job(job.run, "interval", seconds=max(60, job.seconds), id=job.name)
        self._scheduler.start()

    def stop(self) -> None:
        """End the schedule; a job that runs is not waited for."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
