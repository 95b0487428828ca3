"""Real babelds, each in a network namespace of its own, joined by virtual cables; and one that is played."""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

from meshctl.agent.babel import BabelError, Dump, dump
from meshctl.lists import Member, Roster

NAMES = ("elm", "oak", "yew")
ROSTER = Roster(
    1, tuple(Member(name, n, "", f"10.44.{4 * n - 4}.1/22", f"fd44:{n - 1}::1/64") for n, name in enumerate(NAMES, 1))
)


def router_id(name: str) -> str:
    """Return some router-id for a node; nothing about a name follows from it."""
    return hashlib.sha256(name.encode()).digest()[:8].hex(":")


ELM, OAK, YEW = (router_id(name) for name in NAMES)

# Taken from babeld 1.12.1 on oak, in the middle of elm - oak - yew; numbers and addresses shortened, router-ids put in.
OAK_SAYS = f"""BABEL 1.0
version babeld-1.12.1
host vm
my-id {OAK}
ok
add interface elm up true ipv6 fe80::21
add interface yew up true ipv6 fe80::22
add neighbour 5540 address fe80::3 if yew reach fff0 ureach 0000 rxcost 96 txcost 96 cost 96
add neighbour 4e00 address fe80::1 if elm reach ffff ureach 0000 rxcost 96 txcost 96 rtt 0.412 \
rttcost 0 cost 96
add xroute 10.44.4.1/32-0.0.0.0/0 prefix 10.44.4.1/32 from 0.0.0.0/0 metric 0
add route 60c0 prefix ::/0 from ::/0 installed yes id {ELM} metric 96 refmetric 0 via fe80::1 if elm
add route 6160 prefix 0.0.0.0/0 from 0.0.0.0/0 installed yes id {ELM} metric 96 refmetric 0 \
via fe80::1 if elm
add route 5a60 prefix 10.44.8.1/32 from 0.0.0.0/0 installed yes id {YEW} metric 96 refmetric 0 \
via fe80::3 if yew
add route 5a61 prefix 10.44.0.1/32 from 0.0.0.0/0 installed no id {ELM} metric 288 refmetric 192 \
via fe80::3 if yew
ok
"""

PORT = 33123
_CLONE_NEWNET = 0x40000000

T = TypeVar("T")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


class Street:
    """Nodes by name, ``10.44.(4N-4).0/22`` and ``fd44:(N-1)::/64`` being announced by the Nth."""

    def __init__(self, names: Iterable[str], folder: Path) -> None:
        self.names, self.folder = tuple(names), folder
        self._tag = uuid.uuid4().hex[:6]
        self._exits = ExitStack()

    def space(self, name: str) -> str:
        return f"bt-{self._tag}-{name}"

    def raise_nodes(self) -> None:
        for number, name in enumerate(self.names, 1):
            space = self.space(name)
            ip("netns", "add", space)
            self._exits.callback(ip, "netns", "del", space)
            ip("-n", space, "link", "set", "dev", "lo", "up")
            ip("-n", space, "address", "add", f"10.44.{4 * number - 4}.1/22", "dev", "lo")
            ip("-n", space, "address", "add", f"fd44:{number - 1}::1/64", "dev", "lo")

    def cable(self, one: str, other: str) -> None:
        """Join two nodes; the device is named after who is at its far end."""
        words = ["link", "add", other, "netns", self.space(one), "type", "veth", "peer", "name", one]
        ip(*words, "netns", self.space(other))
        for here, there in ((one, other), (other, one)):
            ip("-n", self.space(here), "link", "set", "dev", there, "up")

    def uplink(self, name: str) -> None:
        """Give a node the kernel's default routes, as a line would."""
        space = self.space(name)
        ip("-n", space, "link", "add", "wan0", "type", "veth", "peer", "name", "isp0")
        for device in ("wan0", "isp0"):
            ip("-n", space, "link", "set", "dev", device, "up")
        ip("-n", space, "address", "add", "192.0.2.2/24", "dev", "wan0")
        ip("-n", space, "route", "add", "default", "via", "192.0.2.1", "proto", "static")
        ip("-n", space, "-6", "route", "add", "default", "dev", "wan0", "proto", "static")

    def start(self, name: str, devices: Iterable[str]) -> None:
        file = self.folder / f"{name}.conf"
        file.write_text(
            f"local-port {PORT}\n"
            f"router-id {router_id(name)}\n"
            "default type wired hello-interval 0.5 enable-timestamps true\n"
            "redistribute local ip 10.44.0.0/16 allow\nredistribute local ip fd44::/16 allow\nredistribute local deny\n"
            "redistribute ip 0.0.0.0/0 le 0 allow\nredistribute ip ::/0 le 0 allow\nredistribute deny\n"
        )
        files = ["-I", f"{file}.pid", "-S", f"{file}.state", "-L", f"{file}.log", "-c", str(file)]
        words = ["ip", "netns", "exec", self.space(name), "babeld", *files, *devices]
        process = subprocess.Popen(words)
        self._exits.callback(process.wait, 20)
        self._exits.callback(process.terminate)

    def ask(self, name: str) -> Dump:
        return self.inside(name, lambda: dump(PORT))

    def inside(self, name: str, work: Callable[[], Coroutine[None, None, T]]) -> T:
        """Run it in a thread that has entered the node's namespace: a socket belongs to where it was made."""

        def enter() -> T:
            libc = ctypes.CDLL(None, use_errno=True)
            with Path(f"/run/netns/{self.space(name)}").open() as door:
                if libc.setns(door.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"setns {name}")
            return asyncio.run(work())

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(enter).result()

    def wait(self, name: str, claim: Callable[[Dump], bool], seconds: float = 60.0) -> Dump:
        """Ask until the claim holds."""
        end, words = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            try:
                seen = self.ask(name)
                if claim(seen):
                    return seen
                words = str(seen)
            except BabelError as fault:
                words = str(fault)
            time.sleep(0.2)
        raise AssertionError(words)

    def close(self) -> None:
        self._exits.close()


@contextmanager
def street(names: Iterable[str], folder: Path) -> Iterator[Street]:
    """Namespaces and babelds that are gone afterwards."""
    place = Street(names, folder)
    try:
        place.raise_nodes()
        yield place
    finally:
        place.close()


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def babeld_that(answers: Answer) -> AsyncIterator[int]:
    """Its port."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answers(reader, writer)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(hold, "::1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answers_as_oak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head, _, rest = OAK_SAYS.partition("ok\n")
    writer.write(f"{head}ok\n".encode())
    assert await reader.readline() == b"dump\n"
    writer.write(rest.encode())
    await reader.read()
