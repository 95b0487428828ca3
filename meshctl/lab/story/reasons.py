"""Why a home has the slice it has, asked at two nodes, and a fault planted for it to find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshctl.lab.story.stage import GATEWAY, Claim, Story

_PLANTINGS = 5
"""A turn of the agent may mend the fault before anybody asks; then it is planted again."""


def why(story: Story) -> Iterator[Claim]:
    """Every number behind a slice can be recomputed, and what disagrees is named."""
    address, handle = story.addresses("chidi")[0], story.homes["chidi"]
    told = {node: story.node("why", address, on=node) for node in (GATEWAY, "ash")}
    levels = {one["explanation"]["level"] for one in told.values()}
    found = told[GATEWAY]["explanation"]
    ratio = recomputed(found)
    used, against = found["down"]["used"] / 1e6, found["down"]["against"] / 1e6
    yield Claim(
        f"chidi's home {handle} is at level {found['level']}, as elm and ash both say: U {used:.1f} MB over "
        f"{against:,.0f} MB, and {found['newcomer']:.2f} for a new home, is r = {found['ratio']:.3f}",
        len(levels) == 1 and abs(ratio - found["ratio"]) < 1e-9 and not told[GATEWAY]["disagreements"],
    )
    here = story.addresses("amal")[0]
    steps = [step["name"] for step in story.node("why", here)["steps"]]
    names = planted(story, here)
    story.turn()
    mended = story.node("why", here)["disagreements"] == []
    yield Claim(
        f"amal's chain has {len(steps)} links from lease to counters; a deleted element is named {', '.join(names)}, "
        "and gone after a turn",
        "lease" in steps and "counters up" in steps and names == ["element-missing"] and mended,
    )


def recomputed(found: Mapping[str, Any]) -> float:
    """Return a ratio from the numbers of its explanation alone."""
    sides = [
        side["used"] / max(side["contended"], side["capacity"] * found["least_contended"])
        for side in (found["down"], found["up"])
    ]
    return float(max(sides) + found["newcomer"])


def planted(story: Story, address: str) -> list[str]:
    """Delete the kernel's element of a phone at the gateway; return what `meshctl why` calls that."""
    hardware = story.lab.exec("amal", ["cat", "/sys/class/net/eth0/address"]).stdout.strip()
    for _ in range(_PLANTINGS):
        words = ["nft", "delete", "element", "inet", "meshctl", "member", f"{{ {hardware} }}"]
        story.lab.exec(GATEWAY, words, check=False)
        names = [str(one["name"]) for one in story.node("why", address)["disagreements"]]
        if names:
            return names
    return []
