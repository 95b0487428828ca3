"""Homes behind different nodes share one line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from meshctl.lab.story.stage import LINE, SITE6, SITES, Claim, Story, apart, jain

GUESTS = [f"guest-{number}" for number in range(1, 65)]


def home(story: Story) -> Iterator[Claim]:
    """A household made on the hub's node is one household at every node."""
    made = story.node("household", "add")
    story.homes |= dict.fromkeys(("dora", "emi"), made["handle"])
    times = {phone: story.link(phone, made["pass"]) for phone in ("dora", "emi")}
    shown = [made["handle"] in story.curl(phone, f"http://{story.portal(phone)}/share") for phone in times]
    yield Claim(
        f"made at elm, its pass works at oak after {times['dora']:.1f} s and at ash after {times['emi']:.1f} s",
        max(times.values()) <= 2 and all(shown),
    )
    story.add_home("amal")
    story.say("while dora at oak, emi at ash and amal at elm fill the line")
    found = story.flows("dora=2", "emi=2", "amal=1", "--to", SITE6, "--seconds", "3", "--warmup", "2")
    dora, emi, amal = (found["phones"][name]["frames"] * 8 / found["seconds"] / 1e6 for name in ("dora", "emi", "amal"))
    share = (dora + emi) / (dora + emi + amal)
    yield Claim(
        f"it has one share: dora {dora:.2f} + emi {emi:.2f} = {share:.1%} of {found['mbit']:.1f} Mbit/s, "
        f"as much as amal's home {amal:.2f}",
        abs(share - 0.5) <= 0.025,
    )


def fair(story: Story) -> Iterator[Claim]:
    """Homes behind three nodes have equal shares whatever they do, and the ledger has each byte once."""
    story.add_home("chidi")
    phones = {"amal": ("amal",), "dora": ("dora", "emi"), "chidi": ("chidi",)}
    for phone in story.homes:  # an address is its home's once the gateway has heard of it, so each is used once before
        story.until(f"{phone} is online", partial(story.online, phone))
    story.turn()
    before = {one: (story.received(*phones[one]), story.carried(story.homes[one])) for one in phones}
    for family, site in SITES:
        story.say(f"while 8 flows at oak meet one at elm and one at ash over {family}")
        found = story.flows("amal=1", "dora=8", "chidi=1", "--to", site, "--seconds", "3", "--warmup", "2")
        shares = [found["phones"][name]["frames"] * 8 / found["seconds"] / 1e6 for name in ("amal", "dora", "chidi")]
        index, use = jain(shares), found["mbit"] / LINE
        told = f"elm {shares[0]:.2f}, oak {shares[1]:.2f} with 8 flows, ash {shares[2]:.2f} Mbit/s"
        yield Claim(f"{family}: {told} (Jain {index:.4f}, line {use:.1%} used)", index >= 0.99 and use >= 0.95)
    story.rest(*story.homes)
    story.turn()
    counted = [story.received(*phones[one]) - before[one][0] for one in phones]
    written = [story.carried(story.homes[one]) - before[one][1] for one in phones]
    worst, whose = max((apart(*each), phone) for *each, phone in zip(written, counted, phones, strict=True))
    yield Claim(
        f"the phones counted {sum(counted):,} bytes, the ledger {sum(written):,}; "
        f"no home is more than {worst:.2%} apart, which is {whose}'s",
        worst <= 0.01,
    )


def crowd(story: Story) -> Iterator[Claim]:
    """Guests have a part of the line together, however many they are and wherever."""
    story.say(f"until {len(GUESTS)} more phones at ash have their addresses")
    story.lab.add_phones("ash", GUESTS)
    joined = story.join(*GUESTS, portal=story.portal(GUESTS[0]))
    slowest = joined["first_packet"].get("max", 99.0)
    yield Claim(
        f"{len(GUESTS) - joined['failed']} of {len(GUESTS)} join at once, the slowest {slowest:.2f} s after the click",
        joined["failed"] == 0 and slowest <= 2,
    )
    story.say("while they all download, and dora at oak with 4 flows")
    found = story.flows("dora=4", *GUESTS, "--seconds", "4", "--warmup", "4")
    home = found["phones"]["dora"]["frames"] / found["frames"]
    least = min(found["phones"][name]["frames"] for name in GUESTS) * 8 / found["seconds"] / 1000
    told = f"her home has {home:.1%} of {found['mbit']:.1f} Mbit/s, the least of the guests {least:.0f} kbit/s"
    yield Claim(told, home >= 0.70 and least > 0 and found["mbit"] >= 0.95 * LINE)
