"""The labs of the acceptance claims, and the few words that the claims need in one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from meshctl.lab.handle import Lab

NODE = "elm"
PORTAL4, PORTAL6 = "10.44.0.1", "[2001:db8:44::1]"
SITE4, SITE6 = "198.51.100.1", "2001:db8:feed::1"
TICK = 1.0

TOPOLOGY = f"""
[[node]]
name = "{NODE}"
hub = true
[node.uplink]
down_mbit = 20
up_mbit = 20
[node.policy]
tick_seconds = {TICK}
[node.report]
seconds = 2

[[phone]]
name = "p"
at = "{NODE}"
count = 4
"""


def node(name: str, uplink: int = 0, *, hub: bool = False) -> str:
    """A node of a topology, with quick turns so that claims are seen soon; ``uplink`` in Mbit/s."""
    line = f"[node.uplink]\ndown_mbit = {uplink}\nup_mbit = {uplink}\n" if uplink else ""
    return (
        f'[[node]]\nname = "{name}"\nhub = {str(hub).lower()}\n{line}[node.policy]\ntick_seconds = {TICK}\n'
        "[node.report]\nseconds = 2\n[node.mesh]\nhello_seconds = 1\n"
    )


def link(one: str, other: str) -> str:
    """A link of a topology."""
    return f'[[link]]\na = "{one}"\nb = "{other}"\n'


def phones(name: str, at: str, count: int) -> str:
    """Phones of a topology."""
    return f'[[phone]]\nname = "{name}"\nat = "{at}"\ncount = {count}\n'


RING = "".join((
    node("elm", 20, hub=True), node("oak"), node("ash"), link("elm", "oak"), link("oak", "ash"), link("ash", "elm"),
    phones("e", "elm", 2), phones("o", "oak", 3), phones("a", "ash", 2),
    '[[phone]]\nname = "old"\nat = "oak"\neui64 = true\n',
))  # fmt: skip
"""Three nodes in a ring, one of them with the uplink and the hub."""


_ASK = """
import socket, sys
for path in sys.argv[1:]:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(10)
        try:
            channel.connect(path)
            channel.sendall(b'{"verb": "status"}\\n')
            line = channel.makefile().readline()
        except OSError:
            line = ""
    print(line.strip())
"""


class Street:
    """A lab with the few words that the claims need."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def run(self, member: str, *argv: str, check: bool = False, timeout: float = 60.0) -> tuple[int, str]:
        """Exit code and what was printed."""
        done = self.lab.exec(member, argv, check=check, timeout=timeout)
        return done.returncode, done.stdout + done.stderr

    def fetch(self, phone: str, url: str, *words: str) -> str:
        """Status and size of one request, or curl's exit code after a minus."""
        code, out = self.run(phone, "curl", "-sS", "-g", "-m", "10", "-e", url, "-o", "/dev/null", *words, "-w",
                             "%{http_code} %{size_download}", url)  # fmt: skip
        return out.strip() if code == 0 else f"-{code}"

    def portal(self, phone: str) -> str:
        """The address of the node that a phone is at."""
        at = self.lab.member(phone)["at"]
        return str(self.lab.member(at)["ipv4"])

    def press(self, phone: str, button: str) -> None:
        """Press a button on the pages of the phone's node."""
        assert self.fetch(phone, f"http://{self.portal(phone)}/{button}", "-X", "POST").startswith("303")

    def ask(self, *words: str, on: str = NODE) -> Any:
        """What `meshctl … --json` says on a node."""
        return json.loads(self.lab.exec(on, ["meshctl", *words, "--json"]).stdout)

    def home(self, *members: str) -> str:
        """A new household with these phones in it; its handle."""
        made = self.ask("household", "add")
        words = ("--data-urlencode", f"pass={made['pass']}")
        for phone in members:
            self.await_roll(phone)
            before, is_far = self.mark(phone), self.lab.member(phone)["at"] != NODE
            assert self.fetch(phone, f"http://{self.portal(phone)}/pass", *words).startswith("303")
            if is_far:
                # What it moves before the gateway has heard of it is not the home's.
                self.until(lambda: self.mark(phone) not in (None, before))  # noqa: B023  # called before the loop goes on
        return str(made["handle"])

    def await_roll(self, phone: str) -> None:
        """Wait until a phone's node has the hub's roll: until then a pass is a wrong one, and few may be tried."""
        node = str(self.lab.member(phone)["at"])
        if node != NODE:
            self.until(partial(self._has_roll, node))

    def _has_roll(self, node: str) -> bool:
        hub, there = self.states(NODE, node)
        return bool(hub and there) and hub["mesh"]["roll"] == there["mesh"]["roll"]

    def until(self, what: Callable[[], object], seconds: float = 30.0) -> float:
        """Wait until something holds; how many seconds it took."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < seconds, f"it did not come about within {seconds:g} s"
            time.sleep(0.05)
        return time.monotonic() - began

    def kill(self, node: str, *services: str) -> None:
        """Send SIGKILL to services; one that is just about to start again is waited for."""
        for service in services:
            self.until(partial(self._runs, node, service))
            self.lab.kill(node, service)

    def _runs(self, node: str, service: str) -> bool:
        return any(one["name"] == service and one["pid"] for one in self.lab.member(node)["services"])

    def turns(self, count: int = 1, *, on: str = NODE) -> None:
        """Wait until a node's agent has made so many whole turns more.

        After one, what flew before is in the node's ledger, and its kernel is as it should be. In turns and
        not in seconds: a turn begins late on a busy machine.
        """
        was = int(self.states(on)[0]["ticks"])
        self.until(lambda: not was <= self.states(on)[0].get("ticks", was) < was + count, 20 * count)

    def states(self, *nodes: str) -> list[dict[str, Any]]:
        """What agents say of themselves; empty for one that ends while it is asked. One process for all of them."""
        sockets = [f"{self.lab.member(node)['run']}/agent.sock" for node in nodes]
        told = self.lab.inside(["/usr/bin/python3", "-S", "-c", _ASK, *sockets]).stdout.splitlines()
        return [json.loads(line or "{}") for line in told]

    def heard(self, *nodes: str) -> None:
        """Wait until these agents have taken in what others had told them: each has answered since."""
        self.until(lambda: all(self.states(*nodes)))

    def meet(self, *nodes: str) -> bool:
        """Whether each of these nodes reaches every other one and shares their key of the day."""
        known = [state.get("mesh") for state in self.states(*nodes)]
        return all(mesh and mesh["day_key"] and all(peer["up"] for peer in mesh["peers"]) for mesh in known)

    def is_announced(self, phone: str) -> bool:
        """Whether the gateway holds a mark for a phone's IPv4 address."""
        return self.mark(phone) is not None

    def mark(self, phone: str) -> str | None:
        """The mark that the gateway holds for a phone's IPv4 address: its home's, or a guest's own."""
        code, shown = self.run(NODE, "nft", "list map inet meshctl announced4")
        found = re.search(rf"\b{re.escape(str(self.lab.member(phone)['ipv4']))} : (\w+)", shown)
        return found[1] if code == 0 and found else None

    def online(self, phone: str) -> bool:
        """Whether a phone's own probe says that it is online, over both families."""
        urls = (f"http://{SITE4}/generate_204", f"http://[{SITE6}]/generate_204")
        return all(self.fetch(phone, url) == "204 0" for url in urls)

    def carried(self, handle: str, direction: str = "down") -> int:
        """Bytes the ledger has for a household."""
        rows = self.ask("household", "list")["households"]
        return int(next(row["bytes"][direction] for row in rows if row["handle"] == handle))

    def counter(self, phone: str, side: str = "rx_bytes") -> int:
        """The phone's own count of frame bytes."""
        return int(self.run(phone, "cat", f"/sys/class/net/eth0/statistics/{side}", check=True)[1])

    def flows(self, *words: str) -> dict[str, Any]:
        """Real flows, measured on the phones' interfaces."""
        found: dict[str, Any] = self.lab.module("meshctl.lab.traffic", "flows", *words)
        return found
