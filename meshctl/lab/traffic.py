"""Real flows for many phones from one process inside a lab; prints what was measured as JSON.

``flows`` moves bytes and reads every phone's own eth0 counters over a steady window. ``join`` times
click to first forwarded packet. Run it with `Lab.module("meshctl.lab.traffic", …)`.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import click

from meshctl.lab.fault import LabError
from meshctl.lab.join import join_all
from meshctl.lab.kernel import inside_net
from meshctl.lab.phone import DEVICE
from meshctl.lab.web import known_bytes

FOREVER = 1 << 40
_PIECE = 1 << 18


@dataclass
class Flow:
    """One TCP flow of one phone. ``left`` is what of the request is not sent yet."""

    phone: str
    channel: socket.socket
    left: bytes
    upload: bool
    payload: int = 0
    headed: bool = field(default=False)


def open_flow(phone: str, address: str, *, upload: bool) -> Flow:
    """Begin a flow from inside a phone; it is connected when the selector says so."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside_net(phone):
        channel = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    channel.connect_ex((address, 80))
    first = f"POST /sink HTTP/1.1\r\nContent-Length: {FOREVER}" if upload else f"GET /bytes/{FOREVER} HTTP/1.1"
    return Flow(phone, channel, f"{first}\r\nHost: lab\r\n\r\n".encode(), upload)


def counters(phones: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Bytes of frames that each phone's eth0 received and sent (proc(5) net/dev)."""
    found = {}
    for phone in phones:
        with inside_net(phone):
            text = Path("/proc/thread-self/net/dev").read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.strip().startswith(f"{DEVICE}:"))
        words = line.split(":")[1].split()
        found[phone] = (int(words[0]), int(words[8]))
    return found


class Traffic:
    """All flows of one measurement."""

    def __init__(self, flows: list[Flow]) -> None:
        self.flows = flows
        self._selector = selectors.DefaultSelector()
        for flow in flows:
            self._selector.register(flow.channel, selectors.EVENT_WRITE, flow)
        self._buffer = memoryview(bytearray(_PIECE))
        self._piece = known_bytes(0, _PIECE)

    def run(self, seconds: float) -> None:
        """Move bytes for that long. Raises `LabError` where a flow ends."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                self._move(key.data)

    def close(self) -> None:
        """Reset every flow, so that nothing lingers on the line."""
        self._selector.close()
        for flow in self.flows:
            flow.channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            flow.channel.close()

    def _move(self, flow: Flow) -> None:
        try:
            if flow.left:
                flow.left = flow.left[flow.channel.send(flow.left) :]
                if not flow.left and not flow.upload:
                    self._selector.modify(flow.channel, selectors.EVENT_READ, flow)
            elif flow.upload:
                flow.payload += flow.channel.send(self._piece)
            else:
                got = flow.channel.recv_into(self._buffer)
                if not got:
                    raise LabError(f"a flow of {flow.phone} was ended by the far end")
                flow.payload += got
        except BlockingIOError:
            return
        except OSError as fault:
            raise LabError(f"a flow of {flow.phone} broke: {fault}") from fault


def measure(wanted: dict[str, int], address: str, seconds: float, warmup: float, *, upload: bool) -> dict[str, object]:
    """Run ``wanted`` flows by phone and return bytes by phone over the window after the warm-up.

    ``frames`` is what the phone's eth0 received, or with ``upload`` what it sent, including what
    the node then dropped; ``payload`` is what the flows carried.
    """
    traffic = Traffic([open_flow(p, address, upload=upload) for p, count in wanted.items() for _ in range(count)])
    try:
        traffic.run(warmup)
        began, before = time.monotonic(), counters(wanted)
        payload = [flow.payload for flow in traffic.flows]
        traffic.run(seconds)
        took, after = time.monotonic() - began, counters(wanted)
    finally:
        traffic.close()
    side = 1 if upload else 0
    moved = dict.fromkeys(wanted, 0)
    for flow, earlier in zip(traffic.flows, payload, strict=True):
        moved[flow.phone] += flow.payload - earlier
    phones = {
        phone: {"frames": after[phone][side] - before[phone][side], "payload": moved[phone], "flows": wanted[phone]}
        for phone in wanted
    }
    total = sum(after[phone][side] - before[phone][side] for phone in wanted)
    return {"seconds": took, "mbit": total * 8 / took / 1e6, "frames": total, "phones": phones}


@click.group()
def main() -> None:
    """Traffic of many phones from one process."""


@main.command()
@click.argument("phones", nargs=-1, required=True)
@click.option("--to", "address", default="198.51.100.1", show_default=True, help="An address of either family.")
@click.option("--seconds", default=5.0, show_default=True)
@click.option("--warmup", default=2.0, show_default=True)
@click.option("--upload", is_flag=True)
def flows(phones: tuple[str, ...], address: str, seconds: float, warmup: float, upload: bool) -> None:
    """Move bytes; PHONES are names, with =N for N flows."""
    wanted = {}
    for word in phones:
        name, _, count = word.partition("=")
        wanted[name] = int(count or 1)
    click.echo(json.dumps(measure(wanted, address, seconds, warmup, upload=upload)))


@main.command()
@click.argument("phones", nargs=-1, required=True)
@click.option("--portal", required=True, help="The node's address, either family.")
@click.option("--to", "address", default="198.51.100.1", show_default=True, help="Where the first packet goes.")
@click.option("--seconds", default=15.0, show_default=True, help="When to give up.")
def join(phones: tuple[str, ...], portal: str, address: str, seconds: float) -> None:
    """Press the join button in all PHONES at once; times are in seconds from the click."""
    click.echo(json.dumps(join_all(phones, portal, address, seconds)))


if __name__ == "__main__":
    main()
