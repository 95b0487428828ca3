"""Remember this device: what it means, the one button, the receipt, and how to stop it again."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from meshctl.portal.agent_client import Refused
from meshctl.portal.figures import day_name
from meshctl.portal.join import agent, client_address

pages = Blueprint("remember", __name__)

_STATUS = {"unreadable": 422, "too-many-tries": 429, "not-now": 503}


@pages.get("/remember")
def explain() -> str:
    """What is kept for it, before anybody says yes; and that it holds, for who has."""
    return _page()


@pages.post("/remember")
def press() -> str | Response | tuple[str, int]:
    """Have this device remembered, or stop it: for this device, or for the one whose receipt has the number typed."""
    number = request.form.get("number", "")[:64]
    try:
        if "stop" in request.form:
            agent().withdraw(client_address())
            return _page(done="device")
        if "number" in request.form:
            agent().withdraw(client_address(), number or "?")
            return _page(done="number")
        return _remember()
    except Refused as refusal:
        return _again(refusal, number)


def _remember() -> str:
    """The receipt: its number is told this once."""
    receipt = agent().remember(client_address())
    since = None if receipt.since is None else day_name(datetime.fromtimestamp(receipt.since, UTC).astimezone().date())
    return render_template("receipt.html", receipt=receipt, since=since)


def _page(fault: str = "", done: str = "", number: str = "") -> str:
    view = agent().device(client_address())
    alone = sum(box.up for box in agent().network().boxes) < 2
    return render_template("remember.html", view=view, one_box=alone, fault=fault, done=done, number=number)


def _again(refusal: Refused, number: str) -> Response | tuple[str, int]:
    if refusal.code == "not-joined":
        return redirect(url_for("join.home"), 303)
    if refusal.code not in _STATUS:
        raise refusal
    return _page(fault=refusal.code, number=number), _STATUS[refusal.code]
