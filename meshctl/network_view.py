"""How the network is doing, for everybody: the shape of the verb `network`. Boxes and lines, never a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from meshctl.fields import FieldError, read_table
from meshctl.wire import WireError

Kind = Literal["internet", "box"]


@dataclass(frozen=True)
class Box:
    """One node: whether it has an internet line, and whether it is reached from here now."""

    name: str
    line: bool
    up: bool


@dataclass(frozen=True)
class Outage:
    """A time in which the internet, or the box ``name``, was not reached from here.

    ``began_ago`` is in seconds, ``None`` where no clock that was right says it. ``lasted`` is ``None`` while it lasts,
    and where its end was not seen, as when this box lost its power meanwhile: ``over`` tells these two apart.
    """

    what: Kind
    name: str
    began_ago: float | None
    lasted: float | None
    over: bool


@dataclass(frozen=True)
class NetworkView:
    """The network as the node ``here`` sees it.

    ``boxes`` begins with this node. ``internet`` says whether the line that people here use works, ``None`` where
    that is not known yet; ``since`` is for how many seconds it has been down, ``None`` while it works.
    ``outages`` are those of the last 30 days, the latest first, 20 at most.
    """

    here: str
    boxes: tuple[Box, ...]
    internet: bool | None
    since: float | None = None
    outages: tuple[Outage, ...] = ()


def network_view(reply: Mapping[str, Any]) -> NetworkView:
    """Read the reply of `network`. Raises `WireError`."""
    try:
        return read_table(NetworkView, reply.get("network"))
    except FieldError as fault:
        raise WireError("wrong-shape", str(fault)) from fault
