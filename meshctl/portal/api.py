"""The captive portal API (RFC 8908): whether a device is held back, where its pages are, how long its stay lasts.

It is the agent's own answer about the asking device, so the API says what the firewall does. ``bytes-remaining`` is
never there: no volume is ever used up here.
"""

from __future__ import annotations

import json

from flask import Blueprint, current_app, redirect, request
from werkzeug.wrappers import Response

from meshctl.captivity import plain_address, secure_address
from meshctl.portal.agent_client import Refused
from meshctl.portal.certificate import Certificate
from meshctl.portal.join import admitted, agent, client_address
from meshctl.settings import Portal
from meshctl.wire import DeviceView

pages = Blueprint("api", __name__)

KIND = "application/captive+json"
_PAGES = ("text/html", "application/xhtml+xml", "text/*")


@pages.get("/captive")
def captive() -> Response:
    """Answer clients of the API about themselves; lead everybody else to the pages (RFC 8910, 2)."""
    if not (request.is_secure and wants_api()):
        # Over plain http there is no API: whoever is in between could say anything.
        return redirect(_portal_address(), 302)
    try:
        view = admitted(agent().device(client_address()))
    except Refused as fault:
        if fault.code != "unknown-device":
            raise
        # This box lets that device neither in nor out; whether another holds it back is not known here.
        text = "This is not the box that your device is connected to. Ask that one.\n"
        return Response(text, 404, mimetype="text/plain")
    text = json.dumps(state(view, _portal_address()), separators=(",", ":"))
    return Response(f"{text}\n", mimetype=KIND)


@pages.after_request
def vary(response: Response) -> Response:
    """Have no answer kept for others, faults included: another device's differs (RFC 8908, 4)."""
    response.headers["Vary"] = "Accept"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def state(view: DeviceView, portal: str) -> dict[str, object]:
    """Return the keys of RFC 8908, 5 for a device.

    One that a steward paused is captive: nothing of it is let out, and the pages say why. It cannot change that.
    """
    held = view.state == "visitor" or view.pause is not None
    keys: dict[str, object] = {
        "captive": held,
        "user-portal-url": portal,
        "venue-info-url": f"{portal}network",
        "can-extend-session": view.pause is None,
    }
    if not held and view.expires_in is not None:
        keys["seconds-remaining"] = int(view.expires_in)
    return keys


def wants_api() -> bool:
    """Whether a request names the API's own type as acceptable, and no page as better (RFC 9110, 12.5.1).

    A wildcard names nothing, and neither does ``application/json``: only who knows this API asks for its type.
    """
    asked: dict[str, float] = {}
    for kind, quality in request.accept_mimetypes:
        plain = kind.partition(";")[0].strip().lower()
        asked[plain] = max(asked.get(plain, 0.0), quality)
    wanted = asked.get(KIND, 0.0)
    return wanted > 0 and wanted >= max(asked.get(page, 0.0) for page in _PAGES)


def secure_portal() -> str:
    """The first page's address over TLS, or an empty text while there is no good certificate."""
    certificate: Certificate | None = current_app.extensions["meshctl.certificate"]
    return secure_address(_settings()) if certificate is not None and certificate.usable else ""


def _portal_address() -> str:
    return secure_portal() or plain_address(_settings())


def _settings() -> Portal:
    portal: Portal = current_app.extensions["meshctl"][1]
    return portal
