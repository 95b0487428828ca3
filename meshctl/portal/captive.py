"""What a visitor's web request, to wherever it went, is answered with: go to the join page.

Phones notice a portal by asking for a well-known page over plain http. A redirect with a body of
more than four bytes is what all of them understand. The agent is not asked: whoever arrives here
was sent by the firewall, which knows best.

While the internet line is down nobody is told to log in: joining would not help. Whoever says that it reads
pages, as a browser does that a person uses, gets a page with an error that leads to ours, where it is explained.
Others, which are the probes, are hung up on. Several of them take any answer that they did not expect for a
portal, whatever its status (NetworkManager, Windows), and every one takes a lost connection for what it is here:
no internet. The same goes where no button is asked for: whoever arrives here is let in a moment later.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from meshctl.captivity import plain_address
from meshctl.config import Config

_PAGES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer that is the same for everybody, so it is made once."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def join_address(config: Config) -> str:
    """The join page's address as a phone on this node reaches it."""
    return plain_address(config.portal)


class Captive:
    """The answers of the captive door. ``offline`` says that the internet is not reached, as was last heard."""

    def __init__(self, config: Config) -> None:
        self.offline = False
        self._splash = config.portal.splash
        address = join_address(config)
        where = escape(address)
        fixed = (
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            ("Content-Type", "text/html; charset=utf-8"),
            ("X-Content-Type-Options", "nosniff"),
        )
        link = f'<p><a href="{where}">{where}</a></p>\n'
        self._join = Answer(
            "302 Found", (("Location", address), *fixed), f"<!doctype html><title>Join</title>{link}".encode()
        )
        onward = f'<!doctype html><meta http-equiv="refresh" content="0;url={where}"><title>No internet</title>{link}'
        self._away = Answer("503 Service Unavailable", (("Retry-After", "30"), *fixed), onward.encode())

    def answer(self, accept: str) -> Answer | None:
        """Return what to say to a request with that Accept header, or `None` to say nothing at all."""
        if self._splash and not self.offline:
            return self._join
        return self._away if any(kind in accept.lower() for kind in _PAGES) else None


def create_captive(config: Config) -> Captive:
    """What every request that was on its way elsewhere is answered with."""
    return Captive(config)
