"""Keeps other sites from pressing our buttons or reading our pages, without cookies.

A form's Origin must be the scheme and host it was sent to, where the browser says it at all; the small browsers
in which phones open a portal often do not. A host that is neither an address nor the portal's own name
may belong to a site that points its name at this node.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import current_app, request
from werkzeug.exceptions import Forbidden, MisdirectedRequest

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_foreign() -> None:
    """Raise `Forbidden` or `MisdirectedRequest` for a request that another site made."""
    host = request.environ.get("HTTP_HOST", "")
    changes = request.method not in _READS
    if (changes or request.path in ("/share", "/pass", "/home")) and not is_own(host, _portal_name()):
        raise MisdirectedRequest
    if not changes:
        return
    if request.headers.get("Sec-Fetch-Site", "").lower() == "cross-site":
        raise Forbidden
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() != f"{request.scheme}://{host.lower()}":
        raise Forbidden


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
