"""Joining and leaving: the join page, the one button, "you are online"."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from meshctl.portal.agent_client import AgentClient, Refused
from meshctl.portal.figures import LineFigures, line_figures
from meshctl.portal.news import news_of
from meshctl.settings import Portal
from meshctl.wire import DeviceView

pages = Blueprint("join", __name__)


def agent() -> AgentClient:
    """The agent of this node."""
    client: AgentClient = current_app.extensions["meshctl"][0]
    return client


def client_address() -> str:
    """The other end of the TCP connection, whatever headers say, without a link-local zone."""
    peer = str(request.environ.get("REMOTE_ADDR", "")).partition("%")[0]
    return peer.removeprefix("::ffff:")  # how a socket for both families shows IPv4


def line_now() -> LineFigures | None:
    """The line as everybody may see it, or ``None`` where this node has none."""
    line = agent().line()
    return None if line is None else line_figures(line)


def admitted(view: DeviceView) -> DeviceView:
    """The device as it is; where no button is asked for, as it is once it is let in.

    There a stay has no end: who is still here is let in anew before his time is over.
    """
    settings: Portal = current_app.extensions["meshctl"][1]
    if settings.splash:
        return view
    if view.state == "visitor" and view.pause is None:
        view = agent().join(client_address())
    return replace(view, expires_in=None)


@pages.get("/")
def home() -> str:
    """The join page for a visitor, "you are online" for who has joined; a paused device is told why.

    While the internet is down a visitor is told that instead: a button that looks like a way in would be a lie.
    """
    try:
        view = admitted(agent().device(client_address()))
    except Refused as fault:
        if fault.code != "unknown-device":
            raise
        line = line_now()
        return render_template("elsewhere.html", line=line, news=news_of(agent(), line))
    if view.pause is not None:
        return render_template("paused.html", view=view)
    if view.state == "visitor":
        line = line_now()
        news = news_of(agent(), line)
        return render_template("down.html" if news.internet is False else "join.html", line=line, news=news)
    return _online(view)


@pages.post("/join")
def press() -> Response:
    """Ask to join; the answer leaves only after the firewall is open."""
    agent().join(client_address())
    return redirect(url_for("join.online"), 303)


@pages.get("/online")
def online() -> str | Response:
    """What a device that has joined needs to know first."""
    view = admitted(agent().device(client_address()))
    return redirect(url_for("join.home")) if view.state == "visitor" or view.pause else _online(view)


@pages.post("/leave")
def leave() -> Response:
    """Ask to leave; the answer leaves only after the firewall is shut."""
    agent().leave(client_address())
    return redirect(url_for("join.home"), 303)


def _online(view: DeviceView) -> str:
    line = line_now()
    return render_template("online.html", view=view, line=line, news=news_of(agent(), line))
