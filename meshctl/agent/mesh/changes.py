"""Hears from babeld, the moment it happens, that a way to everywhere was found, lost or exchanged for another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator

from meshctl.agent.babel import SECONDS, UNREACHABLE

_WAY = re.compile(rb"(add|change|flush) (x?route \S+) (.*prefix (?:0\.0\.0\.0|::)/0 .*)")
_METRIC = re.compile(rb"metric (\d+)")


async def ways_out(port: int) -> AsyncGenerator[None, None]:
    """Yield at once, and then whenever babeld on ``[::1]`` says something new of a route to everywhere.

    With every greeting of a neighbour babeld says all its routes again, and on a radio with another metric each time:
    only who announced a route, over whom it leads, whether it is in force and whether it leads anywhere is news.
    Ends when babeld does. Many changes at once may yield many times: whoever wants to know what holds now asks again.
    Raises `OSError` where nothing listens (`TimeoutError` too), `ValueError` for a line that has no end.

    By the command ``monitor`` (babeld(8), "LOCAL CONFIGURATION INTERFACE"): what is known as ``add``, later ``add``,
    ``change`` and ``flush``, each of one neighbour or route.
    """
    known: dict[bytes, bytes] = {}
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("::1", port)
    try:
        writer.write(b"monitor\n")
        yield
        while line := await reader.readline():
            if (found := _WAY.match(line)) and _is_news(known, *found.groups()):
                yield
    finally:
        writer.close()


def _is_news(known: dict[bytes, bytes], kind: bytes, which: bytes, fields: bytes) -> bool:
    if kind == b"flush":
        return known.pop(which, None) is not None
    said = _METRIC.sub(lambda metric: b"" if int(metric[1]) < UNREACHABLE else b"nowhere", fields)
    was, known[which] = known.get(which), said
    return was != said
