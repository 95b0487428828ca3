"""What a visitor's web request, to wherever it went, is answered with: go to the join page.

Phones notice a portal by asking for a well-known page over plain http. A redirect with a body of
more than four bytes is what all of them understand. The agent is not asked: whoever arrives here
was sent by the firewall, which knows best.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from meshctl.config import Config


@dataclass(frozen=True)
class Answer:
    """An HTTP answer that is the same for everybody, so it is made once."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def join_address(config: Config) -> str:
    """The join page's address as a phone on this node reaches it."""
    port = "" if config.portal.port == 80 else f":{config.portal.port}"
    return f"http://{config.portal.host}{port}/"


def create_captive(config: Config) -> Answer:
    """The one answer to every request that was on its way elsewhere."""
    address = join_address(config)
    where = escape(address)
    return Answer(
        status="302 Found",
        headers=(
            ("Location", address),
            ("Cache-Control", "no-store"),
            ("Content-Type", "text/html; charset=utf-8"),
        ),
        body=f'<!doctype html><title>Join</title><p><a href="{where}">{where}</a></p>\n'.encode(),
    )
