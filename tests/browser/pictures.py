"""Takes the pictures of docs/portal.md in a phone of a lab: ``make docs-pictures``.

Each is one screen of a small phone. Files of pages that are gone are removed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import Browser

from tests.browser.paint import small_png
from tests.browser.phone import PHONE, TOPOLOGY, Stage, raised
from tests.journeys.street import SITE4, Street, link, node

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "portal"
HOME = "http://mesh.home/"
SCREEN = {"width": 360, "height": 680}
MOST = 1_500_000
"""Bytes of all pictures together."""

_WORDS = """[node.network]
name = "Elm Street"
[node.portal]
help = "Ask Ana at number 12, or ring 555 0123."
help_place = "The library, Fridays from 5 to 7."
[node.policy]"""
STREET = (
    TOPOLOGY.replace("[node.policy]", _WORDS, 1) + node("oak") + node("ash") + link("elm", "oak") + link("elm", "ash")
)

Theme = Literal["light", "dark"]


@dataclass(frozen=True)
class Picture:
    """A page in a language and a theme."""

    path: str
    language: str = "en"
    theme: Theme = "light"

    @property
    def file(self) -> Path:
        """Where it is kept."""
        return FOLDER / f"{self.path or 'join'}-{self.language}-{self.theme}.png"


VISITOR = (
    Picture(""), Picture("", "en", "dark"), Picture("", "ar"), Picture("", "hi", "dark"), Picture("", "sw"),
    Picture("help"), Picture("private"), Picture("scams", "es"), Picture("rights", "pt", "dark"), Picture("keep", "fr"),
    Picture("pass", "de"), Picture("forget"), Picture("mine"),
)  # fmt: skip
MEMBER = (
    Picture("online"), Picture("online", "ar", "dark"), Picture("share"), Picture("share", "hi", "dark"),
    Picture("slow"), Picture("network"), Picture("network", "fr", "dark"), Picture("remember"),
)  # fmt: skip


def take(browser: Browser, pictures: tuple[Picture, ...]) -> Iterator[Path]:
    """Take pictures of pages that there are; yields their files."""
    for picture in pictures:
        words = {"viewport": SCREEN, "device_scale_factor": 1.5, "color_scheme": picture.theme}
        with browser.new_context(**words, java_script_enabled=False) as context:  # type: ignore[arg-type]
            page = context.new_page()
            reply = page.goto(f"{HOME}{picture.language}/{picture.path}")
            if reply is None or reply.status == 404:
                continue
            picture.file.write_bytes(small_png(page.screenshot()))
            yield picture.file


def use_the_line(street: Street) -> None:
    """Let the phone belong to a home and have used a little."""
    street.home(PHONE)
    street.until(partial(street.online, PHONE))
    assert street.fetch(PHONE, f"http://{SITE4}/bytes/12000000") == "200 12000000"
    street.until(lambda: street.meet("elm", "oak", "ash"), 60)
    street.turns(2)


def main() -> int:
    """Take them all; returns 1 where they are too large together."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, raised(Path(folder), STREET) as stage:
        made = all_of(stage)
    for old in set(FOLDER.glob("*.png")) - made:
        old.unlink()
    size = sum(file.stat().st_size for file in made)
    sys.stdout.write(f"{len(made)} pictures, {size / 1e6:.2f} MB, in {FOLDER}\n")
    return int(size > MOST)


def all_of(stage: Stage) -> set[Path]:
    """Take the pictures of a visitor, then those of somebody who has joined."""
    made = set(take(stage.browser, VISITOR))
    use_the_line(stage.street)
    return made | set(take(stage.browser, MEMBER))


if __name__ == "__main__":
    sys.exit(main())
