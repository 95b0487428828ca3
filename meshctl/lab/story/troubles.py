"""A link is cut, a node loses its power, processes die: downloads go on where a way is left, and the ledger is whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from meshctl.lab.story.stage import GATEWAY, SITE4, TICK, Claim, Story, apart

SIZE = 10_000_000
KILLED = ("agent", "portal", "watch", "hub", "dnsmasq", "babeld")


def cut(story: Story) -> Iterator[Claim]:
    """The link that a download uses is cut; it goes on over the third node."""
    before = story.received("dora"), story.carried(story.homes["dora"])
    story.say(f"while dora at oak downloads {SIZE:,} bytes and the link elm–oak is cut")
    with story.loading(SIZE, "dora") as download:
        story.lab.link("elm", "oak", "cut")
        began = time.monotonic()
        yield arrived("over ash", download.result(), "dora")
    gone = {"down"}
    story.until("the dashboard says that the link is down", lambda: story.link_state("elm", "oak") in gone, 20)
    others = ", ".join(f"{one}–{two} {story.link_state(one, two)}" for one, two in (("oak", "ash"), ("ash", "elm")))
    import json,sys; print(json.dumps(story.overview()["links"],indent=1),time.time(),file=sys.stderr)
    yield Claim(f"the dashboard says so {time.monotonic() - began:.1f} s after the cut: elm–oak down, {others}", held=True)
    yield counted_once(story, "dora", *before)
    story.lab.link("elm", "oak", "up")
    took = story.until("the dashboard says that the link is back", lambda: story.link_state("elm", "oak") not in gone, 20)
    yield Claim(f"healed, it is back on the dashboard after {took:.1f} s", held=True)


def power(story: Story) -> Iterator[Claim]:
    """A node loses its power; what does not need it goes on, and what it had joined is online when it is back."""
    boot, sequence = story.told_by("oak")
    before = {phone: (story.received(phone), story.carried(story.homes[phone])) for phone in ("chidi", "dora")}
    story.say("while chidi at ash and dora at oak download, and oak loses its power")
    with story.loading(SIZE, "chidi", "dora", patience=5) as downloads:
        story.lab.power_off("oak")
        found = downloads.result()
        yield arrived("to the phone at ash", found, "chidi")
    yield counted_once(story, "chidi", *before["chidi"])
    got = found["phones"]["dora"]["bytes"]
    extra = story.carried(story.homes["dora"]) - before["dora"][1] - got
    yield Claim(
        f"dora's broke off after {got:,} bytes; the ledger has {extra / 1e6:.2f} MB more: headers and what was in flight",
        0 <= extra <= 0.05 * got + TICK * 20e6 / 8,
    )
    ledger = story.carried(story.homes["dora"])
    story.say("until oak is back")
    story.lab.power_on("oak")
    began = time.monotonic()
    for phone in ("bo", "dora"):
        story.until(f"{phone} is online", lambda phone=phone: story.online(phone), 40)  # type: ignore[misc]
        yield Claim(f"{phone} is online without a button {time.monotonic() - began:.1f} s after oak's power is back", True)
    story.until("oak's journal goes on at the hub", lambda: story.told_by("oak")[0] > boot, 20)
    now = story.told_by("oak")
    kept = story.carried(story.homes["dora"]) >= ledger
    yield Claim(
        f"oak's journal goes on at the hub: boot {boot} → {now[0]}, report {sequence} → {now[1]}",
        now[0] == boot + 1 and now[1] > sequence and kept,
    )
    story.lab.wait_ready()


def killed(story: Story) -> Iterator[Claim]:
    """Every process of the gateway is killed at one moment; then its table is emptied by hand."""
    before = story.received("dora"), story.carried(story.homes["dora"])
    story.say(f"while dora at oak downloads and elm's {', '.join(KILLED)} are killed with -9")
    with story.loading(SIZE, "dora") as download:
        for service in KILLED:
            story.lab.kill(GATEWAY, service)
        yield arrived(f"through the gateway, {len(KILLED)} of whose processes were killed", download.result(), "dora")
    story.lab.wait_ready()
    yield counted_once(story, "dora", *before)
    repairs = story.node("status")["repairs"]
    story.lab.exec(GATEWAY, ["nft", "flush", "ruleset"])
    words = ["nft", "list", "map", "inet", "meshctl", "announced4"]
    there = lambda: "elements" in story.lab.exec(GATEWAY, words, check=False).stdout  # noqa: E731
    took = story.until("the table is put back", there)
    after = story.node("status")["repairs"]
    online = story.until("dora is online", lambda: story.online("dora"), 10)
    yield Claim(
        f"elm's table, emptied by hand, is put back after {took:.1f} s (a turn is {TICK:g} s), dora online; "
        f"repairs {repairs} → {after}",
        took <= TICK + 0.5 and after > repairs and online < TICK,
    )


def arrived(where: str, found: dict[str, Any], phone: str) -> Claim:
    """Whether a phone's download is whole."""
    one = found["phones"][phone]
    told = f"{one['bytes']:,} of {SIZE:,} known bytes arrived {where}"
    return Claim(f"{told}; the longest silence was {one['silence']:.1f} s", one["whole"])


def counted_once(story: Story, phone: str, received: int, carried: int) -> Claim:
    """Whether the ledger has what a phone's own interface counted since ``received`` and ``carried``."""
    story.turn()
    counted, written = story.received(phone) - received, story.carried(story.homes[phone]) - carried
    off = apart(written, counted)
    return Claim(f"{phone}'s interface counted {counted:,} bytes, the ledger {written:,}: {off:.2%} apart", off <= 0.01)
