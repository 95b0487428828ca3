"""A phone walks along the street."""

from __future__ import annotations

import time
from collections.abc import Iterator

from meshctl.lab.story.stage import Claim, Story


def walk(story: Story) -> Iterator[Claim]:
    """Joined once is joined everywhere: at each node the phone's first probe says that it is online."""
    before = "oak"
    for node in ("ash", "elm", "oak"):
        began = time.monotonic()
        story.lab.roam("bo", node, wait=False)
        word, took = story.first_probe("bo")
        told = f"first probe {word} in {took * 1000:.0f} ms, {time.monotonic() - began:.1f} s after he left {before}"
        yield Claim(f"bo at {node}: {told}", word == "204")
        before = node
