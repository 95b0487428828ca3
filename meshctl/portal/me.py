"""What concerns one person: my share, belonging to a home by its pass."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from meshctl.portal.agent_client import Refused
from meshctl.portal.figures import FEW
from meshctl.portal.join import admitted, agent, client_address
from meshctl.portal.passes import read_pass

pages = Blueprint("me", __name__)

_STATUS = {"unreadable": 422, "wrong-pass": 422, "too-many-tries": 429}


@pages.get("/share")
def share() -> str | Response:
    """This device's own figures, exact: they are nobody else's."""
    view = admitted(agent().device(client_address()))
    if view.state == "visitor" or view.pause:
        return redirect(url_for("join.home"))
    return render_template("share.html", view=view, homes=view.homes if view.homes >= FEW else None)


@pages.get("/pass")
def pass_form() -> str:
    """The form for a home's pass, filled in where the square of a printed sheet was scanned.

    Nothing happens before the button is pressed: another page may have led here.
    """
    scanned = read_pass(request.args.get("p", "")[:64])
    if scanned is None:
        return render_template("pass.html", fault=None, text="", scanned=False)
    here = f"pass?p={scanned}"  # so that another language need not be typed for anew
    return render_template("pass.html", fault=None, text=scanned, scanned=True, here=here)


@pages.post("/pass")
def link() -> Response | tuple[str, int]:
    """Let this device belong to the home whose pass was typed."""
    text = request.form.get("pass", "")[:64]
    household_pass = read_pass(text)
    if household_pass is None:
        return _again("unreadable", text)
    try:
        agent().link(client_address(), household_pass)
    except Refused as refusal:
        if refusal.code not in _STATUS:
            raise
        return _again(refusal.code, text)
    return redirect(url_for("me.share"), 303)


def _again(fault: str, text: str) -> tuple[str, int]:
    return render_template("pass.html", fault=fault, text=text, scanned=False), _STATUS[fault]
