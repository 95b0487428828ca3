"""Many devices in one namespace, each with a hardware address of its own: benches run it inside a lab.

`python -m bench.inside.crowd MEMBER …` speaks for all of them over one packet socket: each asks for
its node by ARP (RFC 826), then sends datagrams to the internet's echo port until one comes back.
Prints as JSON, in seconds, how long each waited from its first packet, or with ``--join`` from its
click, to its first answer.
"""

from __future__ import annotations

import ipaddress
import json
import selectors
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from meshctl.lab.kernel import inside_net
from meshctl.lab.phone import DEVICE
from meshctl.lab.web import ECHO_PORT
from meshctl.wire import decode_line, encode_line

AGAIN = 0.02
"""Seconds between datagrams that were not answered."""

_ALL = 0x0003
_ARP, _IPV4 = 0x0806, 0x0800
_EVERYBODY = b"\xff" * 6
_RECEIVE = 8 << 20


@dataclass
class Device:
    """One device of the crowd; times are on the monotonic clock."""

    hardware: bytes
    address: bytes
    port: int
    node: bytes = b""
    joining: socket.socket | None = None
    began: float | None = None
    sent: float = 0.0
    answered: float | None = None


class Crowd:
    """Speaks for ``count`` devices on ``member``'s eth0, at the node ``own``; times out after ``seconds``."""

    def __init__(self, member: str, own: ipaddress.IPv4Interface, count: int, internet: str) -> None:
        self._node, self._internet = own.ip.packed, ipaddress.IPv4Address(internet).packed
        first = own.network.network_address + 256
        numbers = range(1, count + 1)
        everyone = [Device(b"\x02\xc0\x00\x00" + n.to_bytes(2, "big"), (first + n).packed, 20_000 + n) for n in numbers]
        self.devices = {device.hardware: device for device in everyone}
        self._by_address = {device.address: device for device in everyone}
        with inside_net(member):
            self._tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            self._tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE)
            self._tap.bind((DEVICE, _ALL))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._tap, selectors.EVENT_READ)

    def close(self) -> None:
        self._selector.close()
        self._tap.close()

    def arrive(self, seconds: float) -> None:
        """All send their first packets at once, and again until answered."""
        for device in self.devices.values():
            device.began = time.monotonic()
            self._ask_for_node(device)
        self._until_answered(seconds)

    def join(self, agent: Path, seconds: float) -> None:
        """All are known to their node already, and now click at once; each sends packets once it is told yes."""
        for device in self.devices.values():
            self._ask_for_node(device)
        deadline = time.monotonic() + seconds
        while any(not device.node for device in self.devices.values()) and time.monotonic() < deadline:
            self._listen()
        for device in self.devices.values():
            device.joining = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            device.joining.connect(str(agent))
            self._selector.register(device.joining, selectors.EVENT_READ, device)
        for device in self.devices.values():
            assert device.joining is not None
            device.began = time.monotonic()
            device.joining.sendall(encode_line({"verb": "join", "address": str(ipaddress.IPv4Address(device.address))}))
        self._until_answered(seconds)

    def _until_answered(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (waiting := self._waiting()) and time.monotonic() < deadline:
            now = time.monotonic()
            for device in waiting:
                if device.node and device.joining is None and now - device.sent >= AGAIN:
                    device.sent = now
                    self._tap.send(_datagram(device, self._internet))
            self._listen()

    def _waiting(self) -> list[Device]:
        return [device for device in self.devices.values() if device.answered is None]

    def _listen(self) -> None:
        for key, _ in self._selector.select(0.002):
            if key.data is not None:
                self._hear_reply(key.data)
                continue
            for _ in range(512):
                try:
                    self._hear(self._tap.recv(2048))
                except BlockingIOError:
                    break

    def _hear_reply(self, device: Device) -> None:
        assert device.joining is not None
        reply = decode_line(device.joining.recv(65536))
        self._selector.unregister(device.joining)
        device.joining.close()
        if reply.get("ok"):
            device.joining = None

    def _hear(self, frame: bytes) -> None:
        kind = int.from_bytes(frame[12:14], "big")
        if kind == _ARP:
            self._hear_arp(frame)
        elif kind == _IPV4 and frame[23] == socket.IPPROTO_UDP and frame[26:30] == self._internet:
            device = self.devices.get(frame[:6])
            if device is not None and device.answered is None:
                device.answered = time.monotonic()

    def _hear_arp(self, frame: bytes) -> None:
        operation, asked = int.from_bytes(frame[20:22], "big"), self._by_address.get(frame[38:42])
        if asked is None or frame[6:12] in self.devices:
            return
        if operation == 2:
            asked.node = frame[6:12]
        else:
            self._tap.send(_arp(2, asked, frame[6:12], frame[22:28], frame[28:32]))

    def _ask_for_node(self, device: Device) -> None:
        self._tap.send(_arp(1, device, _EVERYBODY, bytes(6), self._node))


def _arp(operation: int, device: Device, to: bytes, hardware: bytes, address: bytes) -> bytes:
    head = to + device.hardware + struct.pack("!HHHBBH", _ARP, 1, _IPV4, 6, 4, operation)
    return head + device.hardware + device.address + hardware + address


def _datagram(device: Device, to: bytes) -> bytes:
    body = b"first"
    udp = struct.pack("!HHHH", device.port, ECHO_PORT, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0) + device.address + to
    checked = head[:10] + _checksum(head).to_bytes(2, "big") + head[12:]
    return device.node + device.hardware + _IPV4.to_bytes(2, "big") + checked + udp


def _checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def waits(devices: Iterable[Device]) -> list[float]:
    """Return how long each device that was answered had to wait, in order."""
    return sorted(d.answered - d.began for d in devices if d.answered is not None and d.began is not None)


@click.command()
@click.argument("member")
@click.option("--node", required=True, help="The node's own address with its prefix, such as 10.45.0.1/22.")
@click.option("--count", default=250, show_default=True)
@click.option("--to", "internet", default="198.51.100.1", show_default=True)
@click.option("--join", "agent", type=click.Path(path_type=Path), help="The agent's socket: join there first.")
@click.option("--seconds", default=15.0, show_default=True, help="When to give up.")
def main(member: str, node: str, count: int, internet: str, agent: Path | None, seconds: float) -> None:
    """Let COUNT devices arrive, or join, at once."""
    crowd = Crowd(member, ipaddress.IPv4Interface(node), count, internet)
    try:
        if agent is None:
            crowd.arrive(seconds)
        else:
            crowd.join(agent, seconds)
    finally:
        crowd.close()
    found = waits(crowd.devices.values())
    click.echo(json.dumps({"waits": found, "failed": count - len(found)}))


if __name__ == "__main__":
    main()
