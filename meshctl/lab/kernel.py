"""The few system calls that Python 3.11 has no names for: mounts and entering a namespace."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from meshctl.lab.fault import LabError

MS_BIND = 4096
MS_REC = 16384
MS_SHARED = 1 << 20
MS_NOSUID, MS_NODEV = 2, 4
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_SIOCETHTOOL = 0x8946
_SIOCGIFADDR = 0x8915
_OFFLOADS = (0x1F, 0x24, 0x2C)  # ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO

NETNS = Path("/run/netns")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount as mount(2) does. Raises `OSError`."""
    arguments = [text.encode() if text else None for text in (source, target, kind)]
    _checked(_libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() or None), f"mount {target}")


def die_with_parent(number: int) -> None:
    """Have this process receive signal ``number`` when its parent ends (prctl(2))."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0), "prctl")


@contextmanager
def inside_net(member: str) -> Iterator[None]:
    """Run in a member's network namespace: sockets made here belong to it. This thread only."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(NETNS / member, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(there, _CLONE_NEWNET), f"enter {member}")
        finally:
            os.close(there)
        try:
            yield
        finally:
            _checked(_libc.setns(home, _CLONE_NEWNET), "return from a namespace")
    finally:
        os.close(home)


def switch_offloads_off(device: str) -> None:
    """Have a device of this network namespace carry frames as a wire would: no GSO, TSO, GRO."""
    switch_offloads(device, on=False)


def switch_offloads(device: str, *, on: bool) -> None:
    """Have a device of this network namespace carry frames one by one, or several as one: GSO, TSO, GRO."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        for command in _OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", command, int(on)))
            request = struct.pack("16sP", device.encode(), ctypes.addressof(value))
            fcntl.ioctl(probe.fileno(), _SIOCETHTOOL, request.ljust(40, b"\0"))


def address4(device: str) -> str | None:
    """The IPv4 address of a device of this network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        request = struct.pack("40s", device.encode())
        try:
            return socket.inet_ntoa(fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)[20:24])
        except OSError:
            return None


def router4() -> str:
    """The IPv4 default router of this network namespace (proc(5) net/route). Raises `OSError` where there is none."""
    for line in Path("/proc/thread-self/net/route").read_text(encoding="ascii").splitlines()[1:]:
        _, target, router, *_ = line.split()
        if int(target, 16) == 0:
            return socket.inet_ntoa(struct.pack("=L", int(router, 16)))
    raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))


def addresses6(device: str) -> list[str]:
    """The usable global IPv6 addresses of a device of this network namespace (proc(5) if_inet6)."""
    found = []
    for line in Path("/proc/thread-self/net/if_inet6").read_text(encoding="ascii").splitlines():
        digits, _, _, scope, flags, name = line.split()
        tentative = int(flags, 16) & 0x40
        if name == device and scope == "00" and not tentative:
            found.append(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits)))
    return found


def write_sysctl(key: str, value: str) -> None:
    """Set a figure of this network namespace. Raises `OSError`."""
    Path("/proc/sys", *key.split(".")).write_text(value + "\n", encoding="ascii")


def probe_quickly(device: str) -> None:
    """Have a device of this network namespace wait a fifth of a second for each answer to its IPv6 neighbour probes.

    All probes are sent as ever (RFC 4862); where nothing is far, a whole second of waiting each proves no more.
    """
    write_sysctl(f"net.ipv6.neigh.{device}.retrans_time_ms", "200")


def kill(pid: int) -> None:
    """End a process at once; one that has ended already is no fault."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def run(argv: Sequence[str], text: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a program of the system to its end and return what it printed. Raises `LabError`."""
    plain = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        argv, input=text, capture_output=True, text=True, check=False, env={**plain, **(environment or {})}
    )
    if done.returncode != 0:
        told = (done.stderr or done.stdout).strip().splitlines()
        raise LabError(f"`{' '.join(argv)}` ended with {done.returncode}: {' / '.join(told[:5])}")
    return done.stdout


def ip(lines: Sequence[str], member: str = "") -> None:
    """Apply a batch of ip(8) commands, in a member's namespace if one is named. Raises `LabError`."""
    if not lines:
        return
    where = ["-n", member] if member else []
    run(["ip", *where, "-batch", "-"], "\n".join(lines) + "\n")
