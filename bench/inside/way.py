"""Three namespaces in a row, client, node and server, over cables that carry frames of 1,500 bytes.

The node forwards; what stands in its way is put there by whoever calls `Way.inside`. One TCP stream
is sent through it: the sender's core does all the work of forwarding too and is busy all the time, so
what a packet costs more shows as what gets through less.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TypeVar

from meshctl.lab.kernel import inside_net, ip, switch_offloads_off, write_sysctl
from meshctl.model import Direction

HARDWARE = "02:00:5e:00:00:01"
CLIENT, SERVER = "10.44.3.200", "198.51.100.1"
NODE4, NODE6 = "10.44.0.1/22", "fd44::1/64"
_PIECE, _BUFFER = 1 << 17, 1 << 18
_PORT = 7007
_SETTLE = 0.01
"""Seconds after the beginning of a burst that are not counted."""

T = TypeVar("T")


class Way:
    """A client behind a node of its own, and a server beyond it. ``stack`` takes all of it away again."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack, self._prefix = stack, f"way{secrets.token_hex(3)}-"
        for name in ("client", "node", "server"):
            ip([f"netns add {self._at(name)}"])
            stack.callback(ip, [f"netns del {self._at(name)}"])
            ip(["link set lo up"], self._at(name))
        self._cable("client", "eth0", "node", "lan0")
        self._cable("node", "wan0", "server", "eth0")
        ip([f"addr add {NODE4} dev lan0", f"addr add {NODE6} dev lan0 nodad"], self._at("node"))
        ip(["addr add 198.51.100.2/24 dev wan0"], self._at("node"))
        ip([f"addr add {CLIENT}/22 dev eth0", "route add default via 10.44.0.1"], self._at("client"))
        ip([f"addr add {SERVER}/24 dev eth0", "route add default via 198.51.100.2"], self._at("server"))
        self.inside(lambda: write_sysctl("net.ipv4.ip_forward", "1"))

    def inside(self, act: Callable[[], T]) -> T:
        """Do something in the node's namespace."""
        with inside_net(self._at("node")):
            return act()

    def stream(self, direction: Direction) -> Stream:
        """Begin a TCP stream through the node; it stands still until a burst of it is asked for."""
        with inside_net(self._at("server")):
            listening = self._stack.enter_context(socket.create_server(("", _PORT)))
        with inside_net(self._at("client")):
            client = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        client.settimeout(5)
        client.connect((SERVER, _PORT))
        server = self._stack.enter_context(listening.accept()[0])
        listening.close()
        stream = Stream(server, client) if direction == "down" else Stream(client, server)
        self._stack.callback(stream.close)
        return stream

    def _at(self, name: str) -> str:
        return self._prefix + name

    def _cable(self, left: str, device: str, right: str, other: str) -> None:
        ip([f"link add {device} netns {self._at(left)} type veth peer name {other} netns {self._at(right)}"])
        for side, end in ((left, device), (right, other)):
            own = [f"link set {end} address {HARDWARE}"] if side == "client" else []
            ip([f"link set {end} addrgenmode none", *own, f"link set {end} up"], self._at(side))
            with inside_net(self._at(side)):
                switch_offloads_off(end)


class Stream:
    """One TCP stream that flows in bursts: sent by the first core, received by the last."""

    def __init__(self, sender: socket.socket, receiver: socket.socket) -> None:
        self._sender, self._receiver = sender, receiver
        self._flows, self._over = threading.Event(), False
        self._got = 0
        for one in (sender, receiver):
            one.settimeout(5)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            # What the machine's default is may pace the stream by a timer; this is everywhere, and does not.
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
            # A reset at the end, so that nothing of this stream lives into another measurement.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        receiver.settimeout(None)
        self._threads = [threading.Thread(target=act) for act in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def burst(self, seconds: float) -> float:
        """Let it flow for that long, then rest as long; return Mbit/s of payload that came through."""
        self._flows.set()
        time.sleep(_SETTLE)
        began, before = time.perf_counter(), self._got
        time.sleep(seconds - _SETTLE)
        rate = (self._got - before) * 8 / (time.perf_counter() - began) / 1e6
        self._flows.clear()
        time.sleep(seconds)
        return rate

    def close(self) -> None:
        """End both threads."""
        self._over = True
        self._flows.set()
        self._threads[0].join()
        self._sender.shutdown(socket.SHUT_WR)
        self._threads[1].join()

    def _send(self) -> None:
        _take(_cores()[0])
        piece = bytes(_PIECE)
        while self._flows.wait() and not self._over:
            self._sender.send(piece)

    def _receive(self) -> None:
        _take(_cores()[-1])
        buffer = bytearray(_BUFFER)
        while count := self._receiver.recv_into(buffer):
            self._got += count


def _take(core: int) -> None:
    """Have this thread run on one core; before all others there, if this user may: they have it between bursts."""
    os.sched_setaffinity(0, {core})
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))
