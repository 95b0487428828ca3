"""Devices and their addresses. The only file that loads netifaces."""

from __future__ import annotations

import array
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

import netifaces

from meshctl.config import Config, ConfigError

_NET = Path("/sys/class/net")

_SIOCETHTOOL = 0x8946
_MERGING = (0x1E, 0x23, 0x2B)
"""ETHTOOL_GTSO, ETHTOOL_GGSO, ETHTOOL_GGRO of linux/ethtool.h; what sets each is the next number."""


def check_devices(config: Config) -> None:
    """Check the configuration against this machine, changing nothing. Raises `ConfigError`."""
    here = [name for name in netifaces.interfaces() if ":" not in name]
    named = [(f"access[{i}].device", access.device) for i, access in enumerate(config.access)]
    named += [(f"line[{i}].device", line.device) for i, line in enumerate(config.line)]
    for key, device in named:
        if device not in here:
            remedy = f"Create it before the agent starts, or name one of: {', '.join(sorted(here))}."
            raise ConfigError(config.file, key, f"there is no device {device!r} here", remedy)
    for index, access in enumerate(config.access):
        for key, wanted in (("ipv4", access.interface4.network), ("ipv6", access.interface6.network)):
            for device in here:
                _refuse_overlap(config, f"access[{index}].{key}", wanted, device, access.device)


def _refuse_overlap(
    config: Config, key: str, wanted: ipaddress.IPv4Network | ipaddress.IPv6Network, device: str, own: str
) -> None:
    if device == own:
        return
    family = netifaces.AF_INET if wanted.version == 4 else netifaces.AF_INET6
    for row in netifaces.ifaddresses(device).get(family, []):
        network = _network(row)
        if network is not None and network.version == wanted.version and network.overlaps(wanted):
            fault = f"{wanted} overlaps {network} on {device}"
            raise ConfigError(config.file, key, fault, "Give neighbours a prefix of their own.")


def _network(row: dict[str, str]) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    address = row.get("addr", "").partition("%")[0]
    mask = row.get("netmask", "").rpartition("/")[2] or row.get("netmask", "")
    if not address or not mask or address.startswith("fe80:"):
        return None
    return ipaddress.ip_interface(f"{address}/{mask}").network


def own_addresses(device: str) -> set[str]:
    """Return this machine's own addresses on a device, link-local ones included."""
    found = netifaces.ifaddresses(device)
    rows = [*found.get(netifaces.AF_INET, []), *found.get(netifaces.AF_INET6, [])]
    return {row["addr"].partition("%")[0] for row in rows if "addr" in row}


def has_carrier(device: str) -> bool:
    """Say whether a device is up and its link has a partner."""
    try:
        return (_NET / device / "carrier").read_text().strip() == "1"
    except OSError:
        # A device that is down answers EINVAL; one that is gone does not exist.
        return False


def offloads(devices: Iterable[str]) -> bool:
    """Say whether a device hands over several frames as one (TSO, GSO, GRO), so that queues count in those."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        return any(_feature(channel, device, command) for device in _with_ports(devices) for command in _MERGING)


def switch_offloads_off(devices: Iterable[str]) -> None:
    """Have devices, and the ports of bridges among them, hand over frames one by one, where they can."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        for device in _with_ports(devices):
            for command in _MERGING:
                if _feature(channel, device, command):
                    _feature(channel, device, command + 1)


def _with_ports(devices: Iterable[str]) -> list[str]:
    found: list[str] = []
    for device in devices:
        ports = _NET / device / "brif"
        found += [device, *(sorted(port.name for port in ports.iterdir()) if ports.is_dir() else ())]
    return found


def _feature(channel: socket.socket, device: str, command: int) -> bool:
    """Read a feature by SIOCETHTOOL (netdevice(7)), or switch it off; a device that does not know it has it off."""
    value = array.array("B", struct.pack("II", command, 0))
    request = struct.pack("16sP", device.encode(), value.buffer_info()[0])
    try:
        fcntl.ioctl(channel, _SIOCETHTOOL, request)
    except OSError:
        return False
    return bool(struct.unpack("II", value.tobytes())[1])
