"""Which programs of the system a lab starts, and which Debian packages bring them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from meshctl.lab.fault import LabError, TopologyError
from meshctl.lab.kernel import SYSTEM_PATH
from meshctl.lab.privilege import may_make_namespaces, owns_machine
from meshctl.lab.tables import Client, Topology

PACKAGES: dict[str, str] = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "dnsmasq": "dnsmasq-base",
    "openssl": "openssl",
    "udhcpc": "udhcpc",
    "dhclient": "isc-dhcp-client",
    "dhcpcd": "dhcpcd-base",
    "newuidmap": "uidmap",
    "babeld": "babeld",
    "NetworkManager": "network-manager",
    "nmcli": "network-manager",
    "dbus-daemon": "dbus-daemon",
}
_CLIENTS: dict[Client, tuple[str, ...]] = {
    "udhcpc": ("udhcpc",),
    "dhclient": ("dhclient",),
    "dhcpcd": ("dhcpcd",),
    "networkmanager": ("NetworkManager", "nmcli", "dbus-daemon"),
    "static": (),
}
"""The programs that a phone's client consists of."""


def find(program: str) -> str | None:
    """Where a program is, also where an ordinary user's PATH does not look."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def check_programs(file: Path, topology: Topology) -> None:
    """Raise `LabError` naming every package that this topology lacks here, with one line that installs them.

    Raises `TopologyError` where a phone's client needs root.
    """
    for phone in topology.phone:
        if _needs_root(phone.client):
            remedy = "Raise this lab as root, or give the phone another client, such as dhclient."
            raise TopologyError(file, f"phone {phone.name!r}.client", "NetworkManager works for root only", remedy)
    used = {program for phone in topology.phone for program in _CLIENTS[phone.client]} | {"udhcpc"}
    wanted = [name for name in PACKAGES if name in used or not any(name in programs for programs in _CLIENTS.values())]
    if may_make_namespaces():
        wanted.remove("newuidmap")
    if not topology.link:
        wanted.remove("babeld")
    missing(wanted)


def check_client(client: Client) -> None:
    """Raise `LabError` where a phone's client cannot be had here: a program is not installed, or root must start it."""
    if _needs_root(client):
        raise LabError("NetworkManager works only in a lab that root raises: raise it as root, or take dhclient.")
    missing(_CLIENTS[client])


def _needs_root(client: Client) -> bool:
    # In a user namespace NetworkManager never takes its device up.
    return client == "networkmanager" and not (may_make_namespaces() and owns_machine())


def missing(programs: Iterable[str]) -> None:
    """Raise `LabError` where one of these programs is not installed."""
    absent = [name for name in programs if find(name) is None]
    if absent:
        packages = " ".join(sorted({PACKAGES[name] for name in absent}))
        sudo = "" if os.geteuid() == 0 else "sudo "
        raise LabError(f"missing here: {', '.join(absent)}. Install them: {sudo}apt-get install {packages}")


def check_user_namespaces() -> None:
    """Raise `LabError` where an ordinary user may not make namespaces, with the setting that allows it."""
    for setting, closed in (
        ("user/max_user_namespaces", "0"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ):
        path = Path("/proc/sys", setting)
        if path.exists() and path.read_text(encoding="ascii").strip() == closed:
            key = setting.replace("/", ".")
            value = "60000" if key.endswith("max_user_namespaces") else "1" if closed == "0" else "0"
            raise LabError(
                f"ordinary users may not make namespaces here ({key} is {closed}): "
                f"`sudo sysctl -w {key}={value}` allows it, or run this as root."
            )
