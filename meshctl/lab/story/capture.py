"""Listens on devices of a node until its input ends; then says whether any of the words it was told crossed.

The input is one JSON object at the end: ``never`` maps names to hex, and ``address`` is an IPv4 address
whose packets are counted, as proof that the right traffic was heard. Prints JSON.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys

import click

from meshctl.lab.kernel import inside_net

_ALL = 3  # ETH_P_ALL
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_RCVBUFFORCE = 33
_BUFFER = 32 << 20
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"


def listen(node: str, devices: tuple[str, ...]) -> tuple[list[bytes], int, str]:
    """Keep every frame until the input ends; return them, how many were missed, and the input."""
    with inside_net(node):
        ears = [_ear(device) for device in devices]
    click.echo("listening")
    frames: list[bytes] = []
    while True:
        ready, _, _ = select.select([*ears, sys.stdin], [], [])
        heard = [ear for ear in ears if ear in ready]
        frames += [ear.recv(65536) for ear in heard]
        if not heard:
            break
    missed = sum(struct.unpack("II", ear.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1] for ear in ears)
    for ear in ears:
        ear.close()
    return frames, missed, sys.stdin.read()


def _ear(device: str) -> socket.socket:
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    try:
        ear.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        # An ordinary user gets as much as the machine lets everybody have.
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    ear.bind((device, _ALL))
    return ear


def between_agents(frame: bytes, port: int) -> bool:
    """Whether a frame is TCP over IPv6 or IPv4, without extension headers, from or to that port."""
    if frame[12:14] == _IPV6 and frame[20] == socket.IPPROTO_TCP:
        return port in struct.unpack("!HH", frame[54:58])
    if frame[12:14] == _IPV4 and frame[23] == socket.IPPROTO_TCP:
        start = 14 + (frame[14] & 15) * 4
        return port in struct.unpack("!HH", frame[start : start + 4])
    return False


def summary(frames: list[bytes], told: dict[str, object], port: int) -> dict[str, object]:
    """Count what was heard, and name the words that crossed."""
    never, address = told["never"], socket.inet_aton(str(told["address"]))
    assert isinstance(never, dict)
    crossed = sorted(name for name, word in never.items() if any(bytes.fromhex(word) in frame for frame in frames))
    return {
        "frames": len(frames),
        "bytes": sum(map(len, frames)),
        "agents": sum(between_agents(frame, port) for frame in frames),
        "client": sum(address in (frame[26:30], frame[30:34]) for frame in frames if frame[12:14] == _IPV4),
        "crossed": crossed,
    }


@click.command()
@click.argument("node")
@click.argument("devices", nargs=-1, required=True)
@click.option("--port", default=4450, show_default=True, help="Where agents talk.")
def main(node: str, devices: tuple[str, ...], port: int) -> None:
    """Listen on DEVICES of NODE."""
    frames, missed, text = listen(node, devices)
    click.echo(json.dumps({**summary(frames, json.loads(text), port), "missed": missed}))


if __name__ == "__main__":
    main()
