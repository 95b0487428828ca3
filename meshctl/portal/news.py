"""What is up and what is down, as pages tell it; asks the agent for no more than a page needs."""

from __future__ import annotations

from dataclasses import dataclass

from meshctl.network_view import Box, NetworkView, Outage
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.figures import LineFigures


@dataclass(frozen=True)
class News:
    """``internet`` is ``None`` where nobody knows; ``since`` is for how many seconds it has been down.

    ``boxes`` are all that are known, ``heard`` how many of them are reached from here. ``lost`` is the silent box
    that was heard last.
    """

    internet: bool | None
    since: float | None = None
    boxes: tuple[Box, ...] = ()
    heard: int = 0
    lost: Outage | None = None


UNKNOWN = News(internet=None)


def news_of(agent: AgentClient, line: LineFigures | None) -> News:
    """The news for a page about something else: while this box's own line works, that is all there is to say."""
    if line is not None and line.uplink:
        return News(internet=True)
    return told(agent.network(), line)


def told(view: NetworkView, line: LineFigures | None) -> News:
    """The news in full. A line of this box that does not work is believed before anything else."""
    internet = False if line is not None and not line.uplink else view.internet
    silent = [one for one in view.outages if one.what == "box" and not one.over]
    silent.sort(key=lambda one: float("inf") if one.began_ago is None else one.began_ago)
    heard = sum(box.up for box in view.boxes)
    return News(internet, view.since, view.boxes, heard, silent[0] if silent else None)
