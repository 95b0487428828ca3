"""Does things in a moment, each once, however often they were asked for until then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from meshctl.agent.kernel import KernelError

log = logging.getLogger(__name__)

_SECONDS = 0.02


class Soon:
    """Coalesces what a burst of joins or messages asks for; does nothing before `begin`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due: dict[str, asyncio.TimerHandle] = {}

    def begin(self) -> None:
        """Use the running loop from now on."""
        self._loop = asyncio.get_running_loop()

    def ask(self, what: str, do: Callable[[], None]) -> None:
        """Call ``do`` in 20 ms unless ``what`` is due already."""
        if self._loop is not None and what not in self._due:
            self._due[what] = self._loop.call_later(_SECONDS, self._run, what, do)

    def close(self) -> None:
        """Do nothing of what is due."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()

    def _run(self, what: str, do: Callable[[], None]) -> None:
        self._due.pop(what, None)
        tolerate(do)


def tolerate(do: Callable[[], None]) -> None:
    """Call ``do``; where the kernel refuses, say so: the next turn looks again and brings what is missing."""
    try:
        do()
    except KernelError as fault:
        log.error("the kernel refused: %s", fault)  # noqa: TRY400  # the text says it all
