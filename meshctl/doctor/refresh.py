"""Where a page leads by itself, without a script: `<meta http-equiv="refresh">` and the `Refresh` header. Pure."""

from __future__ import annotations

import contextlib
import re
from html.parser import HTMLParser

from meshctl.doctor.observed import Heard
from meshctl.doctor.web import joined, where

SOON = 10.0
"""Seconds: a page that stays longer is one to read, and perhaps to press a button on."""

_TOLD = re.compile(r"""\s*(\d{0,4}(?:\.\d*)?)\s*[;,\s]\s*(?:url\s*=\s*)?+(["']?)(.+)""", re.IGNORECASE | re.DOTALL)


class _Metas(HTMLParser):
    """The first refresh of a page that names an address, and whether the page has a form."""

    def __init__(self) -> None:
        super().__init__()
        self.told, self.has_form = "", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.has_form = True
        elif tag == "meta" and given.get("http-equiv", "").strip().lower() == "refresh":
            self.told = self.told or given.get("content", "")


def refreshed(heard: Heard) -> str:
    """The whole address that a page leads to soon, by itself; empty where it stays, or is the one with the form."""
    if heard.trouble or 300 <= heard.status < 400:
        return ""
    metas = _Metas()
    with contextlib.suppress(AssertionError):  # how html.parser takes a section that it does not know
        metas.feed(heard.body.decode("utf-8", "replace"))
    told = _TOLD.fullmatch(heard.header("refresh") or metas.told)
    if metas.has_form or told is None or float(f"0{told[1]}") > SOON:
        return ""
    target = told[3].partition(told[2])[0] if told[2] else told[3]
    address = joined(heard.ask.url, target.strip())
    return address if where(address).is_web and address != heard.ask.url else ""
