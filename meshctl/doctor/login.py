"""Follows the way to the sign-in page, and presses its button where there is one that asks for nothing."""

from __future__ import annotations

import contextlib
import http.cookiejar
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from html.parser import HTMLParser
from typing import cast
from urllib.parse import urlencode

from meshctl.doctor.catalogue import BROWSER
from meshctl.doctor.fetch import Net, fetch
from meshctl.doctor.observed import Ask, Headers, Heard
from meshctl.doctor.redirects import MOST_REDIRECTS, next_address
from meshctl.doctor.refresh import refreshed
from meshctl.doctor.web import joined

_SECONDS = 10.0
_ASKING = {"text", "password", "email", "tel", "number", "search", "url", "date", "file", "radio"}


@dataclass
class Form:
    """One form of a page. ``asks`` are the visible fields that somebody would have to fill."""

    action: str = ""
    method: str = "get"
    fields: list[tuple[str, str]] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)
    button: tuple[str, str] | None = None


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.scripts = 0
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "script":
            self.scripts += 1
        elif tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and tag in ("input", "button", "select", "textarea"):
            self._take(self._open, tag, given)

    def _take(self, form: Form, tag: str, given: dict[str, str]) -> None:
        kind = given.get("type", "submit" if tag == "button" else "text").lower()
        name = given.get("name", "")
        if tag in ("select", "textarea") or kind in _ASKING or (kind == "checkbox" and "required" in given):
            form.asks.append(name or kind)
        elif name and kind == "submit":
            form.button = form.button or (name, given.get("value", ""))
        elif name and (kind == "hidden" or (kind == "checkbox" and "checked" in given)):
            form.fields.append((name, given.get("value", "on" if kind == "checkbox" else "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


@dataclass(frozen=True)
class SignIn:
    """What a sign-in page offers: its button without fields, or why there is none."""

    form: Form | None
    has_script: bool
    asks: tuple[str, ...] = ()


def read_page(page: Heard) -> SignIn:
    """Find the button that asks for nothing; one that posts is preferred."""
    parser = _Forms()
    with contextlib.suppress(AssertionError):  # how html.parser takes a section that it does not know
        parser.feed(page.body.decode("utf-8", "replace"))
    plain = sorted((form for form in parser.forms if not form.asks), key=lambda form: form.method != "post")
    asks = tuple(name for form in parser.forms for name in form.asks)
    return SignIn(plain[0] if plain else None, parser.scripts > 0, asks)


def walk(net: Net, address: str, cookies: http.cookiejar.CookieJar | None = None) -> list[Heard]:
    """Every reply on the way from an address to the page with the button. The last may be a fault or a circle.

    The way leads by redirects, and by pages that go on by themselves as in a browser.
    """
    return _follow(net, Ask(address, BROWSER, _SECONDS, step=0.3), cookies, goes_on=refreshed)


def press(net: Net, page: Heard, form: Form, cookies: http.cookiejar.CookieJar | None = None) -> list[Heard]:
    """Send a form and follow where it leads."""
    address = joined(page.ask.url, form.action or page.ask.url)
    words = urlencode([*form.fields, *([form.button] if form.button else [])])
    if form.method != "post":
        address += ("&" if "?" in address else "?") + words if words else ""
        return walk(net, address, cookies)
    origin = "/".join(page.ask.url.split("/")[:3])
    headers = (*BROWSER, ("Origin", origin), ("Referer", page.ask.url),
               ("Content-Type", "application/x-www-form-urlencoded"))  # fmt: skip
    ask = Ask(address, headers, _SECONDS, step=0.3, method="POST", body=words.encode())
    return _follow(net, ask, cookies)


def _follow(
    net: Net, ask: Ask, cookies: http.cookiejar.CookieJar | None, goes_on: Callable[[Heard], str] = lambda _: ""
) -> list[Heard]:
    steps: list[Heard] = []
    while True:
        heard = fetch(net, replace(ask, headers=_with_cookies(ask, cookies)))
        if cookies is not None and not heard.trouble:
            cookies.extract_cookies(cast("object", _Reply(heard.headers)), urllib.request.Request(ask.url))  # type: ignore[arg-type]  # noqa: S310
        steps.append(replace(heard, ask=ask))
        address = next_address(steps[-1]) or goes_on(steps[-1])
        if not address or len(steps) > MOST_REDIRECTS or any(one.ask.url == address for one in steps[1:]):
            return [*steps, Heard(Ask(address), 300)] if address else steps
        ask = Ask(address, BROWSER, _SECONDS, step=0.3)


def _with_cookies(ask: Ask, cookies: http.cookiejar.CookieJar | None) -> Headers:
    if cookies is None:
        return ask.headers
    request = urllib.request.Request(ask.url)  # noqa: S310  # nothing is opened with it
    cookies.add_cookie_header(request)
    sent = request.get_header("Cookie")
    return (*ask.headers, ("Cookie", sent)) if sent else ask.headers


class _Reply:
    """What a cookie jar wants of a reply."""

    def __init__(self, headers: Sequence[tuple[str, str]]) -> None:
        self._headers = Message()
        for key, value in headers:
            self._headers[key] = value

    def info(self) -> Message:
        """The reply's headers."""
        return self._headers
