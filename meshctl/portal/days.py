"""What a home used by day, for whoever has its pass; kept at the box that has the internet line."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import Blueprint, current_app, render_template, request, url_for
from flask_babel import gettext, pgettext
from werkzeug.wrappers import Response

from meshctl.history import DayUse, Lines
from meshctl.portal.agent_client import Refused
from meshctl.portal.figures import day_name, volume
from meshctl.portal.join import agent, client_address
from meshctl.portal.keys import STATUS, again, safe_address, typed
from meshctl.portal.languages import spoken_there

pages = Blueprint("days", __name__)


class Row(NamedTuple):
    """One day as the page shows it; ``bar`` is its part of the greatest day, in percent and steps of 5."""

    name: str
    down: str
    up: str
    bar: int


@pages.get("/home")
def form() -> str:
    """Ask for the pass, or say which box has the days."""
    return _form(agent().lines(), None)


@pages.post("/home")
def show() -> str | tuple[str, int] | Response:
    """The days of the home whose pass was typed: it is needed each time, nothing remembers it."""
    lines, key = agent().lines(), typed()
    if not lines.here:
        return _form(lines, None), 409
    if isinstance(key, str):
        return _form(lines, key), STATUS[key]
    try:
        history = agent().history(client_address(), key.words)
    except Refused as refusal:
        if refusal.code not in STATUS:
            raise
        return _form(lines, refusal.code), STATUS[refusal.code]
    rows, sums, others = rows_of(history.days), together(history.days), _addresses(lines)
    return render_template(
        "days.html", household=history.household, rows=rows, together=sums, others=others, start=_start()
    )


def _form(lines: Lines, fault: str | None) -> str:
    text, others = again(fault) if fault else "", _addresses(lines)
    return render_template(
        "home.html",
        here_line=lines.here,
        others=others,
        fault=fault,
        text=text,
        safe=safe_address("home"),
        start=_start(),
    )


def together(days: Iterable[DayUse]) -> Row:
    """The sums of all days."""
    sums = [(day.down, day.up) for day in days]
    name = pgettext("a line with sums", "Together")
    return Row(name, volume(sum(down for down, _ in sums)), volume(sum(up for _, up in sums)), 0)


def _start() -> str:
    """The first page of the box that this device is at: who came by this one's address may be at another."""
    first = url_for("join.home")
    try:
        plain = ipaddress.ip_address(urlsplit(f"//{request.host}").hostname or "")
    except ValueError:
        return first
    return first if plain.is_loopback else spoken_there(str(current_app.jinja_env.globals["own_address"]))


def _addresses(lines: Lines) -> list[str]:
    """The same page at the other boxes that have a line."""
    number = current_app.extensions["meshctl"][1].port
    port = "" if number == 80 else f":{number}"
    return [spoken_there(f"http://{address}{port}/") + "home" for address in lines.others]


def rows_of(days: Collection[DayUse]) -> list[Row]:
    """The days as the page shows them."""
    most = max((day.down + day.up for day in days), default=0)
    return [Row(_name(day.day), volume(day.down), volume(day.up), _bar(day.down + day.up, most)) for day in days]


def _bar(amount: int, most: int) -> int:
    return max(5, round(20 * amount / most) * 5) if amount else 0


def _name(day: str) -> str:
    return day_name(date.fromisoformat(day)) if day else gettext("No date yet")
