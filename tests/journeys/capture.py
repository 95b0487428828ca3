"""Records in RAM whatever crosses the links between nodes, and looks for bytes in it; runs inside a lab.

`python -m tests.journeys.capture NODE …` says "recording" on a line of its own once it does. Then each
line on its input is a JSON object of name and hex digits, answered by one of name and how often those
bytes were there; "frames" and "lost" are how many frames were recorded, and for how many there was no room.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from meshctl.lab.kernel import inside_net

_ALL = 0x0003
_SOL_PACKET, _STATISTICS = 263, 6
_RCVBUFFORCE = 33
_ROOM = 64 << 20
_MESH = "mesh"

Stream = tuple[str, str, bytes]


def open_taps(node: str) -> list[socket.socket]:
    """Return a packet socket on every device of a node that faces other nodes."""
    with inside_net(node):
        lines = Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines()[2:]
        names = [name for line in lines if (name := line.split(":")[0].strip()).startswith(_MESH)]
        return [_tap(name) for name in names]


def _tap(device: str) -> socket.socket:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        tap.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, _ROOM)
    except PermissionError:
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    tap.bind((device, _ALL))
    return tap


def tcp_part(frame: bytes) -> tuple[bytes, bytes] | None:
    """Return addresses and ports of a TCP segment, and its payload; ``None`` for anything else."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x86DD and frame[20] == 6:
        start, end, addresses = 54, 54 + int.from_bytes(frame[18:20], "big"), frame[22:54]
    elif kind == 0x0800 and frame[23] == 6:
        start, end = 14 + (frame[14] & 0x0F) * 4, 14 + int.from_bytes(frame[16:18], "big")
        addresses = frame[26:34]
    else:
        return None
    return addresses + frame[start : start + 4], frame[start + (frame[start + 12] >> 4) * 4 : end]


class Capture:
    """All frames, and what was said over each TCP connection, segment after segment as they came."""

    def __init__(self, nodes: list[str]) -> None:
        self.frames: list[bytes] = []
        self.streams: dict[Stream, bytearray] = defaultdict(bytearray)
        self.lost = 0
        self.selector = selectors.DefaultSelector()
        for node in nodes:
            for tap in open_taps(node):
                self.selector.register(tap, selectors.EVENT_READ, (node, tap.getsockname()[0]))

    def drain(self, tap: socket.socket, where: tuple[str, str]) -> None:
        """Read all there is."""
        while True:
            try:
                frame = tap.recv(65536)
            except BlockingIOError:
                self.lost += struct.unpack("II", tap.getsockopt(_SOL_PACKET, _STATISTICS, 8))[1]
                return
            self.frames.append(frame)
            part = tcp_part(frame)
            if part is not None:
                self.streams[(*where, part[0])] += part[1]

    def count(self, needles: dict[str, str]) -> dict[str, int]:
        """Return how many frames or connections hold each needle."""
        hay: list[bytes | bytearray] = [*self.frames, *self.streams.values()]
        found = {name: sum(bytes.fromhex(digits) in one for one in hay) for name, digits in needles.items()}
        return {**found, "frames": len(self.frames), "lost": self.lost}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(nodes: list[str]) -> None:
    """Record until the input ends."""
    capture = Capture(nodes)
    capture.selector.register(sys.stdin, selectors.EVENT_READ, None)
    _say("recording")
    while True:
        asked: Any = None
        for key, _ in capture.selector.select():
            if key.data is None:
                asked = sys.stdin.readline()
            else:
                assert isinstance(key.fileobj, socket.socket)
                capture.drain(key.fileobj, key.data)
        if asked == "":
            return
        if asked:
            _say(json.dumps(capture.count(json.loads(asked))))


if __name__ == "__main__":
    main(sys.argv[1:])
