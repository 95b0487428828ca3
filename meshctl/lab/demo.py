"""The story `make demo` tells: each chapter does something real, and each claim in it is measured."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import click

from meshctl.lab.fault import LabError
from meshctl.lab.handle import Lab
from meshctl.lab.story import arriving, darkness, looking, moving, reasons, sharing, troubles, trust
from meshctl.lab.story.stage import Chapter, Claim, Story

TOPOLOGY = Path(__file__).with_name("topologies") / "demo.toml"

CHAPTERS: tuple[tuple[str, Chapter], ...] = (
    ("Three nodes in a ring act as one", arriving.ring),
    ("A neighbour joins at a node without an uplink", arriving.join),
    ("A home with phones at two nodes has one share", sharing.home),
    ("Homes behind three nodes share the line", sharing.fair),
    ("Why a home has the slice it has", reasons.why),
    ("64 guests at one node do not crowd out a home at another", sharing.crowd),
    ("A phone walks along the street", moving.walk),
    ("A link is cut in the middle of a download", troubles.cut),
    ("A node loses its power in the middle of downloads", darkness.power),
    ("Processes are killed, a table is emptied", troubles.killed),
    ("What nodes believe", trust.lists),
    ("What can be read on the way", trust.capture),
    ("What a maintainer sees", looking.dashboard),
    ("It all fits a small board", looking.memory),
)


def tell(lab: Lab) -> bool:
    """Tell every chapter; say what was measured and whether each claim held. True when all held."""
    story, all_held = Story(lab), True
    for number, (title, chapter) in enumerate(CHAPTERS, 1):
        click.echo(f"\n{number:>2}. {title}")
        all_held &= tell_chapter(story, chapter)
    return all_held


def tell_chapter(story: Story, chapter: Chapter) -> bool:
    """Tell one chapter, claim by claim. True when all of it held."""
    held, began = True, time.monotonic()
    try:
        for claim in chapter(story):
            _print(claim, time.monotonic() - began)
            held &= claim.held
            began = time.monotonic()
    except (LabError, subprocess.TimeoutExpired) as fault:
        _print(Claim(f"it broke off: {fault}", held=False), time.monotonic() - began)
        held = False
    return held


def _print(claim: Claim, took: float) -> None:
    mark = click.style("ok", fg="green") + "  " if claim.held else click.style("NOT ", fg="red", bold=True)
    click.echo(f"    {mark}{took:>6.1f} s  {claim.sentence}")
