"""What parts with a file of their own need to know of the mesh: who keeps the lists, and how to reach others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.membership import Membership
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.mesh.sessions import Post
from meshctl.lists import Member


@dataclass(frozen=True)
class Place:
    """This node, ``name``, among ``names``, the nodes of the roster in order.

    ``keeper`` is the hub's node where that is another one, ``None`` where this node keeps lists itself.
    """

    name: str
    names: tuple[str, ...]
    keeper: Member | None

    @property
    def keeps_keys(self) -> bool:
        """Whether lasting keys may be on this node's disk: not beside the list, unless there is no other node."""
        return self.keeper is not None or len(self.names) < 2


class Circle(Protocol):
    """The network around this node."""

    @property
    def membership(self) -> Membership:
        """Who is joined anywhere."""

    def place(self) -> Place:
        """Return where this node stands in the newest roster."""

    def post(self, name: str, message: Message) -> bool:
        """Send a message to a node that is reached now; say whether it is."""

    def post_all(self, message: Message) -> None:
        """Send a message to every node that is reached now."""

    def listen(self, kind: str, hear: Callable[[str, Message, Post], None]) -> None:
        """Have messages of a kind heard."""

    def greet(self, say: Callable[[str, Post], None]) -> None:
        """Have something said to each node that is reached anew."""


class OverMesh:
    """The circle of a node that has a mesh."""

    def __init__(self, name: str, mesh: Mesh) -> None:
        self._name, self._mesh = name, mesh

    @property
    def membership(self) -> Membership:
        """Who is joined anywhere."""
        return self._mesh.membership

    def place(self) -> Place:
        """Return where this node stands in the newest roster; a node that is in none is alone."""
        lists = self._mesh.lists
        if lists.own is None or lists.roster is None:
            return Place(self._name, (self._name,), None)
        hub = lists.roster.hub
        keeper = None if hub is None or hub.name == self._name else hub
        return Place(self._name, tuple(one.name for one in lists.roster.members), keeper)

    def post(self, name: str, message: Message) -> bool:
        """Send a message to a node that is reached now; say whether it is."""
        return self._mesh.sessions.post(name, message)

    def post_all(self, message: Message) -> None:
        """Send a message to every node that is reached now."""
        for name in self._mesh.sessions.up():
            self._mesh.sessions.post(name, message)

    def listen(self, kind: str, hear: Callable[[str, Message, Post], None]) -> None:
        """Have messages of a kind heard."""
        self._mesh.hears[kind] = hear

    def greet(self, say: Callable[[str, Post], None]) -> None:
        """Have something said to each node that is reached anew."""
        self._mesh.on_opened.append(say)
