"""The key to a home's pages: its pass, read only where nobody can overhear it, or a steward's code.

It comes with every request, and nothing here remembers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request

from meshctl.portal.api import secure_portal
from meshctl.portal.languages import spoken_there
from meshctl.portal.passes import read_code, read_pass

STATUS = {
    "unreadable": 422,
    "open-air": 403,
    "wrong-pass": 403,
    "wrong-code": 403,
    "needs-https": 403,
    "bad-note": 422,
    "not-sure": 422,
    "too-many-tries": 429,
}
"""The HTTP status of a page that says what was wrong with a key, or with what came with it: a key that can be read and
opens nothing is no bad request (RFC 9110, 15.5.4)."""


@dataclass(frozen=True)
class Key:
    """What a person typed. ``words`` go to the agent, ``text`` into the forms of the page that it opened."""

    text: str
    words: dict[str, Any]


def typed() -> Key | str:
    """Read the key of this request's form, or return the word for what is wrong with it."""
    text = request.form.get("key", "")[:64]
    if code := read_code(text):
        return Key(code, {"code": code})
    household_pass = read_pass(text)
    if household_pass is None:
        return "unreadable"
    if not request.is_secure:
        return "open-air"
    return Key(household_pass, {"pass": household_pass, "secure": True})


def again(fault: str) -> str:
    """Return what to fill in again after a fault: never a pass that was typed where it can be overheard."""
    return "" if fault == "open-air" else request.form.get("key", "")[:64]


def safe_address(page: str) -> str:
    """Return where a page is over https; empty where it is that already, or there is no certificate."""
    if request.is_secure:
        return ""
    root = secure_portal()
    return spoken_there(root) + page if root else ""
