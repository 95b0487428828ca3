"""What systemd gives a service and hears from it: listening sockets, readiness, the word to stop.

The protocols are those of sd_listen_fds(3) and sd_notify(3). The lab's supervisor speaks them too,
so a program behaves the same there and on a board.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable

_FIRST_PASSED = 3


def passed_sockets() -> dict[str, list[socket.socket]]:
    """Listening sockets that were passed to this process, by name (sd_listen_fds(3)).

    They outlive the process: while it restarts, connections wait instead of being refused.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    sockets: dict[str, list[socket.socket]] = {}
    for index in range(count):
        name = names[index] if index < len(names) else "unknown"
        descriptor = _FIRST_PASSED + index
        os.set_inheritable(descriptor, False)  # noqa: FBT003  # the call takes no keyword
        sockets.setdefault(name, []).append(socket.socket(fileno=descriptor))
    return sockets


def listen_tcp(host: str, port: int, backlog: int = 512) -> socket.socket:
    """A TCP socket listening at that address; ``::`` listens for IPv4 too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def notify(state: str) -> None:
    """Tell systemd, e.g. ``READY=1`` or ``WATCHDOG=1``; silent where nobody listens (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    path = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), path)
        except OSError as fault:
            print(f"meshctl: cannot notify the service manager: {fault}", file=sys.stderr)


def on_stop(stop: Callable[[], object]) -> None:
    """Call ``stop`` when asked to end (SIGTERM, SIGINT). Main thread only."""

    def handle(_signal: int, _frame: object) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
