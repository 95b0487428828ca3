"""Printable sheets, one per page, each with a home's pass: one HTML text that needs nothing else to be read.

Black on white, for A4 and Letter. The square opens the pass form of whichever node the phone is at,
filled in: docs/households.md says why the pass is in its address.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

import segno

from meshctl.config import Config

_HELP = "Ask the neighbour who hosts this box."

_TEMPLATES = Path(__file__).parent / "templates"


def sheets(config: Config, passes: Iterable[str], shares: int = 1) -> str:
    """Return the page with a sheet for each pass (``XXXX-XXXX-XXXX-XXXX``)."""
    one, whole = (Template((_TEMPLATES / name).read_text(encoding="utf-8")) for name in ("sheet.html", "sheets.html"))
    body = "".join(one.substitute(_words(config, household_pass, shares)) for household_pass in passes)
    return whole.substitute(network=escape(config.network.name), sheets=body)


def square(address: str) -> str:
    """Return the QR code of an address as inline SVG, with the quiet zone that scanners want around it."""
    return segno.make(address, error="m", micro=False).svg_inline(border=4, omitsize=True)


def pass_address(config: Config, household_pass: str) -> str:
    """Return the address of the pass form, filled in."""
    return f"{_portal(config)}pass?p={household_pass.replace('-', '')}"


def _words(config: Config, household_pass: str, shares: int) -> dict[str, str]:
    groups, portal = household_pass.split("-"), _portal(config)
    return {
        "network": escape(config.network.name),
        "handle": groups[0],
        "groups": "".join(f"<span>{group}</span>" for group in groups),
        "square": square(pass_address(config, household_pass)),
        "slice": "an equal slice" if shares == 1 else f"an equal slice; yours counts {shares} times",
        "pass_page": escape(f"{portal}pass"),
        "home_page": escape(f"{portal}home"),
        "help": escape(" ".join(filter(None, (config.portal.help or _HELP, config.portal.help_place)))),
    }


def _portal(config: Config) -> str:
    port = "" if config.portal.port == 80 else f":{config.portal.port}"
    return f"http://{config.portal.host}{port}/"
