"""Asks other nodes what they keep of a home. The person's pass or code goes along, sealed, and each node checks it.

So a node that somebody took over learns nothing of homes whose pass was not typed there.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.mesh.sessions import Post
from meshctl.agent.mesh.shapes import bad_shape, integer

Tables = dict[str, list[dict[str, Any]]]
"""Rows of a home, by table."""

_PATIENCE = 3.0
"""Seconds that an answer may take; whoever asked is told what is missing."""

_MOST_ROWS = 2000
_MOST_TABLES = 32


class Asking:
    """``answer`` says what this node keeps of the home that a message's pass or code opens, ``None`` for no home."""

    def __init__(self, mesh: Mesh, answer: Callable[[str, Message], Tables | None]) -> None:
        self._mesh, self._answer = mesh, answer
        self._numbers = itertools.count(1)
        self._waiting: dict[tuple[str, int], asyncio.Future[Tables | None]] = {}
        mesh.hears |= {"ask-home": self._asked, "home": self._answered}

    async def ask(self, nodes: Iterable[str], credential: Mapping[str, str]) -> dict[str, Tables | None]:
        """Return what each node keeps of a home, ``None`` for a node that is not reached or says no."""
        names = list(nodes)
        found = await asyncio.gather(*(self._ask(name, credential) for name in names))
        return dict(zip(names, found, strict=True))

    async def _ask(self, node: str, credential: Mapping[str, str]) -> Tables | None:
        number = next(self._numbers)
        future: asyncio.Future[Tables | None] = asyncio.get_running_loop().create_future()
        self._waiting[node, number] = future
        try:
            if not self._mesh.sessions.post(node, {"kind": "ask-home", "number": number, **credential}):
                return None
            return await asyncio.wait_for(future, _PATIENCE)
        except TimeoutError:
            return None
        finally:
            del self._waiting[node, number]

    def _asked(self, peer: str, message: Message, post: Post) -> None:
        post({"kind": "home", "number": integer(message, "number"), "tables": self._answer(peer, message)})

    def _answered(self, peer: str, message: Message, post: Post) -> None:  # noqa: ARG002  # one shape for all
        waiting = self._waiting.get((peer, integer(message, "number")))
        if waiting is not None and not waiting.done():
            waiting.set_result(_tables(message.get("tables")))


def _tables(value: object) -> Tables | None:
    """Read an answer. Raises `ChannelError`."""
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _MOST_TABLES:
        raise bad_shape("a home")
    for rows in value.values():
        if not isinstance(rows, list) or len(rows) > _MOST_ROWS or not all(isinstance(row, dict) for row in rows):
            raise bad_shape("a home")
    return value
