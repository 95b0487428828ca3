"""One download in each of some phones, watched: which bytes came, and the longest silence. Prints JSON.

Run it inside a lab with `Lab.module("meshctl.lab.story.load", …)`.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from dataclasses import dataclass, field

import click

from meshctl.lab.kernel import inside_net
from meshctl.lab.web import known_bytes

_PIECE = 1 << 18


@dataclass
class Load:
    """One phone's download. ``head`` is what came of the reply's, ``None`` once it is over.

    ``heard`` is when bytes last came, ``silence`` the longest wait between two arrivals, in seconds.
    ``end`` says in a word or two how it came to an end.
    """

    phone: str
    channel: socket.socket
    size: int
    head: bytes | None = b""
    got: int = 0
    known: bool = True
    heard: float = field(default_factory=time.monotonic)
    silence: float = 0.0
    end: str = ""

    @property
    def whole(self) -> bool:
        """Whether every byte came, as the far end has it."""
        return self.known and self.got == self.size

    def take(self, piece: bytes) -> None:
        """Take what arrived in."""
        now = time.monotonic()
        self.silence, self.heard = max(self.silence, now - self.heard), now
        if self.head is not None:
            self.head, blank, piece = (self.head + piece).partition(b"\r\n\r\n")
            if not blank:
                return
            self.head = None
        self.known &= piece == known_bytes(self.got, len(piece))
        self.got += len(piece)


def run(phones: tuple[str, ...], address: str, size: int, patience: float) -> dict[str, object]:
    """Download in all phones; one that hears nothing for ``patience`` seconds has lost its connection."""
    selector, began = selectors.DefaultSelector(), time.monotonic()
    loads = [_open(phone, address, size) for phone in phones]
    for load in loads:
        selector.register(load.channel, selectors.EVENT_READ, load)
    while selector.get_map():
        for key, _ in selector.select(0.2):
            load = key.data
            piece = _receive(load)
            load.take(piece)
            if not piece or load.whole:
                selector.unregister(load.channel)
        for load in [key.data for key in selector.get_map().values()]:
            if time.monotonic() - load.heard > patience:
                load.silence, load.end = patience, "silence"
                selector.unregister(load.channel)
    for load in loads:
        load.channel.close()
    selector.close()
    found = {one.phone: {"bytes": one.got, "whole": one.whole, "silence": one.silence, "end": one.end} for one in loads}
    return {"seconds": time.monotonic() - began, "phones": found}


def _receive(load: Load) -> bytes:
    try:
        piece = load.channel.recv(_PIECE)
    except OSError as fault:
        load.end = fault.strerror or str(fault)
        return b""
    load.end = "" if piece else "closed"
    return piece


def _open(phone: str, address: str, size: int) -> Load:
    with inside_net(phone):
        channel = socket.create_connection((address, 80), timeout=10)
    channel.sendall(f"GET /bytes/{size} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())
    return Load(phone, channel, size)


@click.command()
@click.argument("phones", nargs=-1, required=True)
@click.option("--size", type=int, required=True, help="Bytes for each phone.")
@click.option("--to", "address", required=True, help="An address of either family.")
@click.option("--patience", default=20.0, show_default=True, help="Seconds of silence after which it is over.")
def main(phones: tuple[str, ...], size: int, address: str, patience: float) -> None:
    """Download in PHONES."""
    click.echo(json.dumps(run(phones, address, size, patience)))


if __name__ == "__main__":
    main()
