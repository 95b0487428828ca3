"""Which programs of the system a lab starts, and which Debian packages bring them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from meshctl.lab.fault import LabError
from meshctl.lab.kernel import SYSTEM_PATH
from meshctl.lab.privilege import may_make_namespaces
from meshctl.lab.tables import Topology

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
}
_CLIENTS = ("udhcpc", "dhclient", "dhcpcd")


def find(program: str) -> str | None:
    """Where a program is, also where an ordinary user's PATH does not look."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def check_programs(topology: Topology) -> None:
    """Raise `LabError` naming every package that this topology lacks here, with one line that installs them."""
    clients = {phone.client for phone in topology.phone} | {"udhcpc"}
    wanted = [name for name in PACKAGES if name not in _CLIENTS or name in clients]
    if may_make_namespaces():
        wanted.remove("newuidmap")
    if not topology.link:
        wanted.remove("babeld")
    missing(wanted)


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
