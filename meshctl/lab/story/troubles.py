"""A link is cut, processes die: downloads go on over what is left, and the ledger is whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from meshctl.lab.story.stage import GATEWAY, LINE, SITE4, TICK, Claim, Story

SIZE = 10_000_000
KILLED = ("agent", "portal", "watch", "hub", "dnsmasq", "babeld")


def cut(story: Story) -> Iterator[Claim]:
    """The link that a download uses is cut; it goes on over the third node."""
    story.until("a phone's way is direct", lambda: direct(story), 60)
    phone, near, far = direct(story)[0]
    story.turn()
    before = story.received(phone), story.carried(story.homes[phone])
    story.say(f"while {phone} at {near} downloads {SIZE:,} bytes and the link {GATEWAY}-{near} is cut")
    with story.loading(SIZE, phone) as download:
        story.lab.cut_link(GATEWAY, near)
        began = time.monotonic()
        yield arrived(f"by way of {far}", download.result(), phone)
    story.until("the dashboard has it down", lambda: story.link_state(GATEWAY, near) == "down", 20)
    took = time.monotonic() - began
    yield Claim(f"the dashboard has it down {took:.1f} s after the cut: {links(story)}", downs(story) == 1)
    yield counted_once(story, download.result(), phone, *before)
    story.lab.heal_link(GATEWAY, near)
    took = story.until("the dashboard has it back", lambda: downs(story) == 0, 20)
    yield Claim(f"healed, the dashboard has it back after {took:.1f} s: {links(story)}", held=True)


def direct(story: Story) -> list[tuple[str, str, str]]:
    """Phones whose node and the gateway reach each other over their own link, with that node and the third."""
    found = []
    for phone, near, far in (("dora", "oak", "ash"), ("chidi", "ash", "oak")):
        there, back = story.next_hop(GATEWAY, story.addresses(phone)[0]), story.next_hop(near, SITE4)
        if (there, back) == (near, GATEWAY):
            found.append((phone, near, far))
    return found


def downs(story: Story) -> int:
    """How many links are down on the dashboard."""
    return sum(link["state"] == "down" for link in story.overview().get("links", []))


def links(story: Story) -> str:
    """What the dashboard says of every link."""
    told = ((link["nodes"], link["state"]) for link in story.overview()["links"])
    return ", ".join(f"{'-'.join(nodes)} {state}" for nodes, state in told)


def killed(story: Story) -> Iterator[Claim]:
    """Every process of the gateway is killed at one moment; then its table is emptied by hand."""
    story.turn()
    before = story.received("dora"), story.carried(story.homes["dora"])
    story.say(f"while dora at oak downloads and elm's {', '.join(KILLED)} are killed with -9")
    with story.loading(SIZE, "dora") as download:
        for service in KILLED:
            story.lab.kill(GATEWAY, service)
        yield arrived(f"through elm, all {len(KILLED)} of whose processes were killed", download.result(), "dora")
    story.until("elm's agent answers", lambda: story.mesh(GATEWAY))
    yield counted_once(story, download.result(), "dora", *before)
    story.until("elm has heard anew who is behind the others", lambda: knows_others(story))
    repairs = story.node("status")["repairs"]
    story.lab.exec(GATEWAY, ["nft", "flush", "ruleset"])
    took = story.until("the table is put back", lambda: knows_others(story))
    after = story.node("status")["repairs"]
    story.until("dora is online", lambda: story.online("dora"), 10)
    yield Claim(
        f"its table, emptied by hand, is back after {took:.1f} s (a turn is {TICK:g} s); repairs {repairs} to {after}",
        took <= TICK + 0.5 and after > repairs,
    )


def knows_others(story: Story) -> bool:
    """Whether the gateway's kernel has a mark for anybody behind another node."""
    words = ["nft", "list", "map", "inet", "meshctl", "announced4"]
    return "elements" in story.lab.exec(GATEWAY, words, check=False).stdout


def arrived(where: str, found: dict[str, Any], phone: str) -> Claim:
    """Whether a phone's download is whole."""
    one = found["phones"][phone]
    told = f"{one['bytes']:,} of {SIZE:,} known bytes came {where}"
    return Claim(f"{told}; the longest silence was {one['silence']:.1f} s", one["whole"])


def counted_once(story: Story, found: dict[str, Any], phone: str, received: int, carried: int) -> Claim:
    """Whether the ledger has what a phone's own interface counted since ``received`` and ``carried``.

    What the line carried in vain before the routes had changed is in the ledger too: no more than
    flows in the longest silence.
    """
    story.turn()
    counted, written = story.received(phone) - received, story.carried(story.homes[phone]) - carried
    more = round(written / counted - 1, 4) + 0.0
    silence = found["phones"][phone]["silence"]
    told = f"{phone}'s interface counted {counted:,} bytes, the ledger {written:,}: {more:+.2%}"
    told += f", carried in vain in those {silence:.1f} s" if more > 0.001 else ""
    return Claim(told, 0.99 * counted <= written <= 1.01 * counted + silence * LINE * 1e6 / 8)
