"""Prepares a fresh mount namespace: an own /run, /etc and /sys, so that nothing reaches the host's.

What lies below a covered folder and is still needed is bound back at the same path.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from meshctl.lab import kernel

ROOM = Path("/run/meshctl-lab")
"""On tmpfs inside a lab: programs, notification sockets, phones' leases."""

MEMBER = "member"
"""A folder of /etc that resolv.conf lies in, so that a member with its own may replace that file."""

_OWN = {"resolv.conf", "netns", "meshctl", MEMBER}


def lay_ground(keep: Sequence[Path] = ()) -> None:
    """Cover /run, /etc and the DHCP clients' folders, match /sys to the network namespace, raise loopback."""
    before = sorted(ROOM.glob("etc-*"))  # a lab in a jail: the jail's own /etc links to these
    cover(Path("/run"), [*keep, *before])
    for folder in (kernel.NETNS, ROOM, Path("/run/lock"), Path("/run/dhcpcd")):
        folder.mkdir(exist_ok=True)
    kernel.mount("sysfs", "/sys", "sysfs", kernel.MS_NOSUID | kernel.MS_NODEV)
    _own_etc(keep, ROOM / f"etc-{len(before)}")
    for client in (Path("/var/lib/dhcp"), Path("/var/lib/dhcpcd")):
        if client.is_dir():
            kernel.mount("tmpfs", str(client), "tmpfs")
    # Shared only now, else what covers /etc would cover the bound copy too; namespaces made later must reach services.
    kernel.mount("", "/", flags=kernel.MS_REC | kernel.MS_SHARED)
    kernel.ip(["link set lo up"])


def cover(folder: Path, keep: Sequence[Path] = ()) -> None:
    """Lay an empty tmpfs, open to all, over ``folder`` and bind back those of ``keep`` that lie in it."""
    held = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in keep if path.is_relative_to(folder)]
    kernel.mount("tmpfs", str(folder), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    for path, descriptor in held:
        path.mkdir(parents=True, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{descriptor}", str(path), flags=kernel.MS_BIND | kernel.MS_REC)
        os.close(descriptor)


def _own_etc(keep: Sequence[Path], host: Path) -> None:
    """Make /etc writable here: the host's files, and room for `ip netns exec` to bind over."""
    etc = Path("/etc")
    host.mkdir()
    kernel.mount(str(etc), str(host), flags=kernel.MS_BIND | kernel.MS_REC)
    cover(etc, keep)
    for entry in host.iterdir():
        here = etc / entry.name
        if entry.name not in _OWN and not here.exists():
            _borrow(entry, here)
    for folder in ("netns", "meshctl", MEMBER):
        (etc / folder).mkdir()
    (etc / MEMBER / "resolv.conf").write_text("", encoding="ascii")
    (etc / "resolv.conf").symlink_to(f"{MEMBER}/resolv.conf")


def _borrow(entry: Path, here: Path) -> None:
    """Copy a file, since programs such as useradd refuse links; link to folders and to what may not be read."""
    if entry.is_symlink():
        here.symlink_to(entry.readlink())
    elif entry.is_file() and os.access(entry, os.R_OK):
        state = entry.stat()
        here.write_bytes(entry.read_bytes())
        try:
            os.chown(here, state.st_uid, state.st_gid)
        except OSError:
            here.chmod(0o644)  # owned by somebody whom this namespace does not know
        else:
            here.chmod(stat.S_IMODE(state.st_mode))
    else:
        here.symlink_to(entry)
