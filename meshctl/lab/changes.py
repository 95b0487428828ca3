"""What may happen to a neighbourhood: power, links and phones that move."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

State = Literal["up", "cut", "silent"]


class Changes:
    """The part of a lab that changes it; every verb returns when the change is made, not when all is settled."""

    @abstractmethod
    def ask(self, verb: str, **words: Any) -> dict[str, Any]:
        """Ask the supervisor."""

    def roam(self, phones: Sequence[str], to: str) -> None:
        """Let phones leave their nodes and associate with another, all at once."""
        self.ask("roam", phones=list(phones), to=to)

    def power_off(self, node: str) -> None:
        """Cut a node's power: its processes, its namespace and its memory are gone, its disk stays."""
        self.ask("power", node=node, on=False)

    def power_on(self, node: str) -> None:
        """Give a node its power back: it boots, and phones associate with it again."""
        self.ask("power", node=node, on=True)

    def link(self, one: str, other: str, state: State | None = None, *, loss: float | None = None) -> None:
        """Cut a mesh link, silence it with its carrier on, bring it up, or have it lose ``loss`` percent."""
        self.ask("link", a=one, b=other, state=state, loss=loss)

    def uplink(self, node: str, *, cut: bool) -> None:
        """Cut or heal a node's uplink."""
        self.ask("uplink", node=node, cut=cut)
