"""The lab as the chapters see it: what phones do, what nodes and the hub say, and what a claim is."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from meshctl.lab.fault import LabError
from meshctl.lab.handle import Lab

TICK = 2.0
NODES = ("elm", "oak", "ash")
GATEWAY = "elm"
SITE4, SITE6 = "198.51.100.1", "2001:db8:feed::1"
SITES = (("IPv4", SITE4), ("IPv6", SITE6))
LINE = 20.0
"""Mbit/s of frames, each way."""

_PROBE = (
    "for i in $(seq 1500); do ip -4 addr show dev eth0 2>/dev/null | grep -q 'inet ' && break; sleep 0.01; done; "
    f"curl -s -m 5 -o /dev/null -w '%{{http_code}} %{{time_total}}' http://{SITE4}/generate_204"
)
"""What a phone does as soon as it has an address: it asks for 204, and opens a page on any other answer."""


@dataclass(frozen=True)
class Claim:
    """One sentence with its figures, and whether it held."""

    sentence: str
    held: bool


Chapter = Callable[["Story"], Iterator[Claim]]


class Story:
    """The lab with what earlier chapters left for later ones: ``homes`` maps a phone to its household."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.urls: dict[str, str] = lab.status()["urls"]
        self.homes: dict[str, str] = {}

    def say(self, words: str) -> None:
        """Tell the reader what is being waited for."""
        click.echo(f"    …     {words}")

    def until(self, what: str, is_so: Callable[[], object], seconds: float = 15.0) -> float:
        """Wait until something is so and return how many seconds it took. Raises `LabError`, naming ``what``."""
        began = time.monotonic()
        while not is_so():
            if time.monotonic() - began > seconds:
                raise LabError(f"{what}: not so after {seconds:g} s")
            time.sleep(0.05)
        return time.monotonic() - began

    # What phones do.

    def phones(self) -> list[dict[str, Any]]:
        """Every phone's status."""
        return [member for member in self.lab.status()["members"] if member["kind"] == "phone"]

    def addresses(self, phone: str) -> list[str]:
        """The addresses that a phone has now, IPv4 first."""
        found = self.lab.member(phone)
        return [*([found["ipv4"]] if found["ipv4"] else []), *found["ipv6"]]

    def portal(self, phone: str) -> str:
        """The address of the node that a phone is at."""
        return str(self.lab.member(str(self.lab.member(phone)["at"]))["ipv4"])

    def curl(self, phone: str, *words: str, check: bool = True) -> str:
        """What curl printed inside a phone."""
        return self.lab.exec(phone, ["curl", "-sS", "-g", "-m", "20", *words], check=check).stdout

    def code(self, phone: str, url: str, *words: str) -> str:
        """The status of one request, 000 where there was no answer."""
        return self.curl(phone, "-o", "/dev/null", "-w", "%{http_code}", *words, url, check=False)

    def online(self, phone: str) -> bool:
        """Whether a phone's own probe says that it is online, over both families."""
        urls = (f"http://{SITE4}/generate_204", f"http://[{SITE6}]/generate_204")
        return all(self.code(phone, url, "-m", "2") == "204" for url in urls)

    def first_probe(self, phone: str) -> tuple[str, float]:
        """The status of the probe that a phone makes once it has an address, and the probe's seconds."""
        word, took = self.lab.exec(phone, ["sh", "-c", _PROBE], check=False).stdout.split()
        return word, float(took)

    def received(self, *phones: str) -> int:
        """Bytes of frames that these phones' own interfaces have received."""
        words = ["cat", "/sys/class/net/eth0/statistics/rx_bytes"]
        return sum(int(self.lab.exec(phone, words).stdout) for phone in phones)

    def rest(self, *phones: str) -> None:
        """Wait until nothing arrives at these phones any more: what a queue still held has come."""
        self.until("the phones are at rest", lambda: self.received(*phones) == self.received(*phones))

    def join(self, *phones: str, portal: str) -> dict[str, Any]:
        """Press the button in all these phones at once; times are in seconds from the click."""
        found: dict[str, Any] = self.lab.module("meshctl.lab.traffic", "join", *phones, "--portal", portal)
        return found

    def flows(self, *words: str) -> dict[str, Any]:
        """Run real flows and return what the phones' interfaces counted."""
        found: dict[str, Any] = self.lab.module("meshctl.lab.traffic", "flows", *words)
        return found

    @contextmanager
    def loading(self, size: int, *phones: str, patience: float = 20.0) -> Iterator[Future[dict[str, Any]]]:
        """Have phones download while the block runs, which begins when they all have; what `load` prints follows."""
        before = {phone: self.received(phone) for phone in phones}
        words = ("meshctl.lab.story.load", *phones, "--size", str(size), "--to", SITE4, "--patience", str(patience))
        with ThreadPoolExecutor(1) as side:
            found = side.submit(self.lab.module, *words)
            begun = lambda: found.done() or all(self.received(p) - n > 500_000 for p, n in before.items())  # noqa: E731
            self.until("the download begins", begun)
            yield found

    # What nodes and the hub say.

    def node(self, *words: str, on: str = GATEWAY) -> Any:
        """What `meshctl … --json` says on a node."""
        return json.loads(self.lab.exec(on, ["meshctl", *words, "--json"]).stdout)

    def mesh(self, on: str) -> dict[str, Any]:
        """What a node's agent says of the others; empty while it does not answer."""
        done = self.lab.exec(on, ["meshctl", "status", "--json"], check=False)
        return dict(json.loads(done.stdout)["mesh"]) if done.returncode == 0 else {}

    def meets_all(self, name: str) -> bool:
        """Whether a node reaches every other one and has a key of the day."""
        mesh = self.mesh(name)
        return bool(mesh) and bool(mesh["day_key"]) and all(peer["up"] for peer in mesh["peers"])

    def add_home(self, *phones: str) -> str:
        """Make a household on the hub's node and bring its pass to phones; return the handle."""
        made = self.node("household", "add")
        for phone in phones:
            self.link(phone, made["pass"])
            self.homes[phone] = made["handle"]
        return str(made["handle"])

    def link(self, phone: str, text: str) -> float:
        """Enter a pass at the phone's own node; the seconds until the node knew it."""
        url = f"http://{self.portal(phone)}/pass"
        words = ("--referer", url, "--data-urlencode", f"pass={text}")
        return self.until(f"{phone}'s node takes the pass", lambda: self.code(phone, url, *words) == "303", 10)

    def carried(self, handle: str) -> int:
        """Bytes of frames that the gateway's ledger has delivered to a household."""
        rows = self.node("household", "list")["households"]
        return int(next(row["bytes"]["down"] for row in rows if row["handle"] == handle))

    def turn(self) -> None:
        """Wait until the gateway has made a whole turn more: what flew before is in its ledger then."""
        ticks = self.node("status")["ticks"]
        self.until("the gateway takes its turns", lambda: self.node("status")["ticks"] != ticks)

    def mesh_devices(self, node: str) -> dict[str, str]:
        """The devices of a node that face others, and which node each faces."""
        links = [link["devices"] for link in self.lab.status()["links"]]
        return {ends[node]: next(far for far in ends if far != node) for ends in links if node in ends}

    def next_hop(self, node: str, address: str) -> str:
        """The node over which another one reaches an address now, or nothing where the way is no link."""
        words = self.lab.exec(node, ["ip", "route", "get", address], check=False).stdout.split()
        device = words[words.index("dev") + 1] if "dev" in words else ""
        return self.mesh_devices(node).get(device, "")

    def overview(self) -> dict[str, Any]:
        """What the hub's dashboard shows, as values."""
        found: dict[str, Any] = json.loads(self.page(f"{self.urls['hub']}?json"))
        return found

    def page(self, url: str) -> str:
        """A page of the lab, as a browser on this machine gets it; "{}" while nobody serves it."""
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310  # the lab's own pages on loopback
                return str(reply.read().decode())
        except OSError:
            return "{}"

    def link_state(self, one: str, other: str) -> str:
        """What the dashboard calls the link between two nodes."""
        links = self.overview().get("links", [])
        return next((str(link["state"]) for link in links if set(link["nodes"]) == {one, other}), "unheard of")

    def told_by(self, node: str) -> tuple[int, int]:
        """Boot and sequence number of a node's newest report at the hub."""
        nodes = self.overview().get("nodes", [])
        return next(((one["boot"], one["sequence"]) for one in nodes if one["name"] == node and "boot" in one), (0, 0))


def apart(one: float, other: float) -> float:
    """By how much two counts differ, as a share of the second."""
    return abs(one - other) / other if other else 1.0


def jain(shares: list[float]) -> float:
    """Jain's index of fairness: 1 when all are equal (Jain, Chiu, Hawe 1984)."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares)) if any(shares) else 0.0
