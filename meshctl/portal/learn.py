"""What a neighbour may read before joining and after: help, how the network does, why it is slow, and to learn from."""

from __future__ import annotations

from flask import Blueprint, render_template

from meshctl.commons.dataregister import sections
from meshctl.portal.agent_client import Refused
from meshctl.portal.join import agent, client_address, line_now
from meshctl.portal.news import News, told
from meshctl.wire import DeviceView

pages = Blueprint("learn", __name__)

BOXES_SHOWN = 12
OUTAGES_SHOWN = 10


@pages.get("/help")
def ask() -> str:
    """Whom to ask, where, what to try first and what to say; without asking the agent."""
    return render_template("help.html")


@pages.get("/private")
def private() -> str:
    """Is it private: what others can see, and what to do about it."""
    return render_template("private.html")


@pages.get("/scams")
def scams() -> str:
    """How tricks look, and what this network never asks for."""
    return render_template("scams.html")


@pages.get("/rights")
def rights() -> str:
    """What everybody may count on here."""
    return render_template("rights.html")


@pages.get("/keep", defaults={"part": "device"})
@pages.get("/keep-home", defaults={"part": "household"})
@pages.get("/keep-network", defaults={"part": "network"})
def keep(part: str) -> str:
    """One part of the data register in words; true of this node without asking it."""
    section = next(section for section in sections() if section.name == part)
    return render_template("keep.html", section=section)


@pages.get("/network")
def network() -> str:
    """Whether the internet works, which boxes are heard, and what failed in the last 30 days."""
    line, view = line_now(), agent().network()
    boxes = sorted(view.boxes, key=lambda box: (box.up, box.name != view.here, box.name))
    return render_template(
        "network.html",
        line=line,
        news=told(view, line),
        here_box=view.here,
        boxes=boxes[:BOXES_SHOWN],
        more=len(boxes[BOXES_SHOWN:]),
        outages=view.outages[:OUTAGES_SHOWN],
        left_out=len(view.outages) > OUTAGES_SHOWN,
    )


@pages.get("/slow")
def slow() -> str:
    """What is known of why it is slow for this device now, and what to try."""
    view, line = _device(), line_now()
    news = told(agent().network(), line)
    said = verdict(news, None if line is None else line.word)
    return render_template("slow.html", view=view, line=line, news=news, verdict=said)


def verdict(news: News, word: str | None) -> str:
    """The one sentence that comes first: ``down``, else the line's own word, or ``unseen`` where it is elsewhere."""
    if news.internet is False:
        return "down"
    return word or "unseen"


def _device() -> DeviceView | None:
    """This device, or ``None`` for one that is not on our Wi-Fi: it may read too."""
    try:
        return agent().device(client_address())
    except Refused as fault:
        if fault.code != "unknown-device":
            raise
        return None
