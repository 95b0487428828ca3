"""The ring comes up, and a neighbour joins at a node that has no uplink."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from meshctl.lab.story.stage import GATEWAY, NODES, SITE4, SITE6, Claim, Story

PROBE = "http://connectivitycheck.gstatic.com/generate_204"


def ring(story: Story) -> Iterator[Claim]:
    """Three agents meet and hold the same lists and the same key."""
    phones = story.phones()
    both = [phone for phone in phones if phone["ipv4"] and phone["ipv6"]]
    yield Claim(f"{len(both)} of {len(phones)} phones at 3 nodes have an IPv4 and an IPv6 address", both == phones)
    story.say("until the agents have met")
    story.until("every agent meets the others", lambda: all(story.meets_all(name) for name in NODES), 30)
    story.until("all hold the same lists", lambda: len(lists_of(held_by(story))) == 1, 30)
    held = held_by(story)
    reached = sum(peer["up"] for mesh in held.values() for peer in mesh["peers"])
    yield Claim(f"{reached} of 6 encrypted channels between the agents of {', '.join(NODES)} are open", reached == 6)
    lists = lists_of(held)
    roster, roll, key = next(iter(lists))
    yield Claim(f"all three hold roster {roster}, roll {roll} and key of the day {key}", len(lists) == 1)


def held_by(story: Story) -> dict[str, dict[str, Any]]:
    """What each node's agent says of the others."""
    return {name: story.mesh(name) for name in NODES}


def lists_of(held: dict[str, dict[str, Any]]) -> set[tuple[Any, ...]]:
    """The versions of roster and roll, and the key of the day, that nodes have."""
    return {tuple(mesh.get(what) for what in ("roster", "roll", "day_key")) for mesh in held.values()}


def join(story: Story) -> Iterator[Claim]:
    """A visitor is shown the door; one button, and he is online; the gateway knows what it needs and no more."""
    sent = [story.curl("bo", f"-{f}", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", PROBE) for f in "46"]
    shown = all(word.startswith("302 http://mesh.home") for word in sent)
    yield Claim(f"bo's own probe at oak says over IPv4 and IPv6: {sent[0]}", shown)
    began = time.monotonic()
    first = story.join("bo", portal=story.portal("bo"))["phones"]["bo"]["first_packet"]
    # The first packet of an address is when the gateway must know it.
    online = story.online("bo")
    took = f"{first * 1000:.0f} ms after the click" if first else "never"
    yield Claim(f"one button: his first packet is through the mesh {took}", first is not None and first <= 0.5)
    his = story.addresses("bo")
    for address in his:  # one that he took before the node listened, and has not used yet, nobody can know
        story.code("bo", PROBE, "-6" if ":" in address else "-4", "--interface", address)
    story.until("the gateway hears of bo", lambda: marks(story).keys() >= set(his), 10)
    took_gateway, mark = time.monotonic() - began, {marks(story)[address] for address in his}
    told = f"all {len(his)} addresses of his under the mark {', '.join(mark)}, {took_gateway:.1f} s after the click"
    yield Claim(f"elm, the gateway, knows {told}", took_gateway <= 2 and len(mark) == 1)
    found = traces(story, "bo")
    told = ", ".join(found) or "in no table and no file there"
    yield Claim(f"his hardware address is {told}", not found)
    sizes = [story.curl("bo", "-o", "/dev/null", "-w", "%{size_download}", f"http://{site}/bytes/1000000")
             for site in (SITE4, f"[{SITE6}]")]  # fmt: skip
    yield Claim(
        f"he is online: IPv4 {int(sizes[0]):,} bytes, IPv6 {int(sizes[1]):,} bytes",
        online and sizes == ["1000000"] * 2,
    )


def marks(story: Story) -> dict[str, str]:
    """The mark that the gateway's kernel has for each address behind another node."""
    maps = (["nft", "-j", "list", "map", "inet", "meshctl", f"announced{family}"] for family in "46")
    shown = [json.loads(story.lab.exec(GATEWAY, words).stdout)["nftables"] for words in maps]
    found = [entry["map"].get("elem", []) for entries in shown for entry in entries if "map" in entry]
    return {address: f"{mark:#x}" for elements in found for address, mark in elements}


def traces(story: Story, phone: str) -> list[str]:
    """Where on the gateway a phone's hardware address is: its tables, its folder in RAM, its disk."""
    hardware = str(story.lab.member(phone)["hardware"])
    digits = hardware.replace(":", "")
    raw = "".join(f"\\x{digits[at : at + 2]}" for at in range(0, 12, 2))
    node = story.lab.member(GATEWAY)
    words = ["env", "LC_ALL=C", "grep", "-rlaiP", f"{hardware}|{digits}|{raw}", str(node["run"]), str(node["state"])]
    files = story.lab.exec(GATEWAY, words, check=False).stdout.split()
    ruleset = story.lab.exec(GATEWAY, ["nft", "list", "ruleset"]).stdout
    return [*files, *(["its nft table"] if hardware in ruleset.lower() else [])]
