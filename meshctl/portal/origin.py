"""Keeps other sites from pressing our buttons or reading our pages, without cookies.

Whatever a button's request says of where it was made must be our own page: by Origin or Sec-Fetch-Site, which
browsers of the last years send with every form, or by Referer. A request that says nothing is taken, since text
browsers and the small browsers of old phones say nothing. What another site could gain with a browser older than
2019 that it made silent is little: whatever touches a home carries its pass or a code in the same form, and the
other buttons, which join, leave, remember and forget one device, each have their opposite beside them.

A host that is neither an address nor the portal's own name may belong to a site that points its name at this
node, to read what we show (DNS rebinding). No page is shown under it.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import current_app, redirect, request
from werkzeug.exceptions import Forbidden, MisdirectedRequest
from werkzeug.wrappers import Response

from meshctl.portal.languages import spoken_there

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_HERE = frozenset({"same-origin", "none"})
"""What Sec-Fetch-Site says where no other site took part (Fetch Metadata, 2.4)."""


def refuse_foreign() -> Response | None:
    """Lead a first page under another name to ours.

    Raises `Forbidden` or `MisdirectedRequest` for a request that another site made.
    """
    host = request.environ.get("HTTP_HOST", "")
    reads = request.method in _READS
    if request.path != "/health" and not is_own(host, _portal_name()):
        if reads and request.path == "/":
            return redirect(spoken_there(str(current_app.jinja_env.globals["own_address"])))
        raise MisdirectedRequest
    if not reads and not _is_from_here(host):
        raise Forbidden
    return None


def _is_from_here(host: str) -> bool:
    own = f"{request.scheme}://{host}".lower()
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    referrer = request.headers.get("Referer")
    if site is not None and site.lower() not in _HERE:
        return False
    if origin is not None:
        return origin.lower() == own
    return referrer is None or f"{referrer.lower()}/".startswith(f"{own}/")


def is_own(host: str, name: str) -> bool:
    """Whether a Host header names the portal itself: its name, an address, localhost, or nothing."""
    if not host:
        return True
    try:
        plain = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if plain in (name, "localhost"):
        return True
    try:
        ipaddress.ip_address(plain)
    except ValueError:
        return False
    return True


def _portal_name() -> str:
    name: str = current_app.extensions["meshctl"][1].host
    return name
