"""A node loses its power in the middle of downloads, and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from meshctl.lab.story.stage import LINE, TICK, Claim, Story
from meshctl.lab.story.troubles import SIZE, arrived, counted_once


def power(story: Story) -> Iterator[Claim]:
    """What does not need the node goes on; what does breaks off, and the ledger has no more than what flew."""
    told = story.told_by("oak")
    story.turn()
    before = {phone: (story.received(phone), story.carried(story.homes[phone])) for phone in ("chidi", "dora")}
    story.say("while chidi at ash and dora at oak download, and oak loses its power")
    with story.loading(SIZE, "chidi", "dora", patience=5) as downloads:
        story.lab.power_off("oak")
        found = downloads.result()
        yield arrived("to chidi at ash", found, "chidi")
    yield counted_once(story, found, "chidi", *before["chidi"])
    counted, written = story.received("dora") - before["dora"][0], story.carried(story.homes["dora"])
    lost = written - before["dora"][1] - counted
    yield Claim(
        f"dora's broke off at {found['phones']['dora']['bytes']:,} bytes; {lost:,} in the ledger were on their way",
        -0.01 * counted <= lost <= TICK * LINE * 1e6 / 8,
    )
    yield from _back(story, told, written)


def _back(story: Story, told: tuple[int, int], ledger: int) -> Iterator[Claim]:
    """The node boots: who had joined there is online, its journal and the home's ledger go on."""
    story.say("until oak, whose power is back, has booted")
    story.lab.power_on("oak", wait=False)
    began = time.monotonic()
    times = []
    for phone in ("dora", "bo"):
        story.until(f"{phone} is online", partial(story.online, phone), 40)
        times.append(time.monotonic() - began)
    yield Claim(
        f"without a button dora is online {times[0]:.1f} s after oak's power is back, bo after {times[1]:.1f} s",
        max(times) <= 20,
    )
    story.until("oak's journal goes on at the hub", lambda: story.told_by("oak")[0] > told[0], 20)
    boot, sequence = story.told_by("oak")
    yield Claim(
        f"oak's journal goes on at the hub: boot {told[0]} to {boot}, report {told[1]} to {sequence}; "
        f"dora's home has its {ledger:,} bytes",
        boot == told[0] + 1 and sequence > told[1] and story.carried(story.homes["dora"]) >= ledger,
    )
    story.lab.wait_ready()
