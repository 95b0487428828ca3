"""A neighbour's device: a namespace with eth0 and a real DHCP client."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from meshctl.lab import kernel, netmanager
from meshctl.lab.ground import ROOM
from meshctl.lab.kernel import ip
from meshctl.lab.launch import Launcher, in_member
from meshctl.lab.node import Node
from meshctl.lab.supervisor import Spec
from meshctl.lab.tables import Client

DEVICE = "eth0"
SCRIPT = ROOM / "bin" / "lease"

_LEASE = """#!/bin/sh
# Told by udhcpc ($1), dhclient or dhcpcd ($reason): puts a lease's address, route and resolver in place.
write_resolvers() {
    : >/etc/resolv.conf
    for server in "$@"; do echo "nameserver $server" >>/etc/resolv.conf; done
}
case "${1:-$reason}" in
bound | renew)
    ip -4 addr replace "$ip/$mask" dev "$interface" && ip -4 route replace default via "${router%% *}" dev "$interface"
    write_resolvers $dns ;;
BOUND | RENEW | REBIND | REBOOT)
    if [ -z "$if_up" ]; then
        ip -4 addr replace "$new_ip_address/$new_subnet_mask" dev "$interface" &&
            ip -4 route replace default via "${new_routers%% *}" dev "$interface"
    fi
    write_resolvers $new_domain_name_servers ;;
deconfig) ip -4 addr flush dev "$interface"; ip link set "$interface" up ;;
PREINIT) ip link set "$interface" up ;;
EXPIRE | FAIL | RELEASE | STOP) [ -n "$if_up" ] || ip -4 addr flush dev "$interface" ;;
esac
"""

_DHCLIENT = """option captive-portal code 114 = text;
request subnet-mask, routers, domain-name-servers, captive-portal;
timeout 60;
retry 1;
backoff-cutoff 2;
initial-interval 1;
"""

_DHCPCD = """ipv4only
noarp
clientid
option subnet_mask, routers, domain_name_servers
"""


def write_programs() -> None:
    """Write what the clients of all phones share."""
    for file, text, mode in (
        (SCRIPT, _LEASE, 0o755),
        (ROOM / "dhclient.conf", _DHCLIENT, 0o644),
        (ROOM / "dhcpcd.conf", _DHCPCD, 0o644),
    ):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="ascii")
        file.chmod(mode)


def hardware_of(name: str) -> str:
    """A locally administered hardware address, the same at every raising."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return ":".join(["02", *(digits[at : at + 2] for at in range(0, 10, 2))])


def build(phones: Sequence[Phone], offloads: bool) -> None:
    """Make phones' namespaces, each with an eth0 that is plugged into nothing yet."""
    ip([line for phone in phones for line in (f"netns add {phone.name}", phone.cable)])
    for phone in phones:
        phone.furnish(offloads)


class Phone:
    """A member that a neighbour carries. ``port`` is the far end of its eth0, wherever that is plugged in.

    ``eui64``: its IPv6 addresses hold its hardware address, as those of old devices do. Otherwise they
    are stable and private (RFC 7217) with a temporary one beside (RFC 8981), as phones make them now.
    """

    def __init__(self, name: str, node: Node, client: Client, number: int, *, eui64: bool = False) -> None:
        self.name, self.node, self.client, self.eui64 = name, node, client, eui64
        self.port = f"p{number}"
        self.hardware = hardware_of(name)
        self.associated = False
        self.place = 0

    @property
    def minds_its_link(self) -> bool:
        """Whether a program of its own sees that its link is gone or new, and keeps addresses and resolv.conf."""
        return self.client == netmanager.CLIENT

    @property
    def cable(self) -> str:
        """The words for ip(8) that make its eth0 and the port."""
        return f"link add {self.port} type veth peer name {DEVICE} address {self.hardware} netns {self.name}"

    def furnish(self, offloads: bool) -> None:
        """Set up what is in its namespace."""
        self._etc.mkdir()
        if self.minds_its_link:
            netmanager.furnish(self.name, eui64=self.eui64)
        else:
            self._resolve_by("")
        if not offloads:
            kernel.switch_offloads_off(self.port)
        with kernel.inside_net(self.name):
            if not offloads:
                kernel.switch_offloads_off(DEVICE)
            if not self.eui64:
                kernel.write_sysctl(f"net.ipv6.conf.{DEVICE}.addr_gen_mode", "3")
                kernel.write_sysctl(f"net.ipv6.conf.{DEVICE}.use_tempaddr", "2")
            kernel.probe_quickly(DEVICE)
            kernel.write_sysctl(f"net.ipv6.conf.{DEVICE}.accept_ra", "1")
            kernel.write_sysctl(f"net.ipv6.conf.{DEVICE}.router_solicitation_delay", "0")
            kernel.write_sysctl(f"net.ipv6.conf.{DEVICE}.router_solicitation_interval", "1")
        ip(["link set lo up"], self.name)

    def settle(self) -> None:
        """Begin anew on the link that eth0 has now, as after a change of network; without one, hold no address."""
        if self.minds_its_link:
            return
        lines = [f"link set {DEVICE} down", f"addr flush dev {DEVICE}", f"link set {DEVICE} up"]
        servers = ""
        if self.associated and self.client == "static":
            own = ipaddress.IPv4Interface(self.node.table.ipv4)
            address = own.network.broadcast_address - 1 - self.place
            lines += [f"addr add {address}/{own.network.prefixlen} dev {DEVICE}", f"route add default via {own.ip}"]
            servers = f"nameserver {own.ip}\n"
        ip(lines, self.name)
        self._resolve_by(servers)

    @property
    def _etc(self) -> Path:
        return Path("/etc/netns", self.name)

    def _resolve_by(self, servers: str) -> None:
        # Written in place: programs that run in the phone hold this very file.
        (self._etc / "resolv.conf").write_text(servers, encoding="ascii")

    def specs(self, launcher: Launcher) -> list[Spec]:
        """Its DHCP client, in the foreground, with its leases on tmpfs; or what minds its link."""
        scratch = netmanager.scratch_of(self.name)
        scratch.mkdir(parents=True, exist_ok=True)
        match self.client:
            case "udhcpc":
                argv = ["udhcpc", "-f", "-i", DEVICE, "-s", str(SCRIPT), "-t", "10", "-T", "1", "-A", "1", "-O", "114"]
            case "dhclient":
                argv = ["dhclient", "-4", "-d", "-sf", str(SCRIPT), "-cf", str(ROOM / "dhclient.conf")]
                argv += ["-lf", str(scratch / "leases"), "-pf", str(scratch / "pid"), DEVICE]
            case "dhcpcd":
                # It keeps its files at fixed places: each phone gets its own.
                private = "mount -t tmpfs none /run/dhcpcd; mount -t tmpfs none /var/lib/dhcpcd; "
                argv = ["sh", "-c", f'{private}exec "$@"', "sh"]
                argv += ["dhcpcd", "-B", "-f", str(ROOM / "dhcpcd.conf"), "-c", str(SCRIPT), DEVICE]
            case "networkmanager":
                return netmanager.specs(self.name, launcher)
            case "static":
                return []
        return [Spec(self.name, "client", in_member(self.name, *argv), launcher.environment())]

    def lacking(self) -> list[int]:
        """The families that it has no address of its node's in."""
        ipv4, ipv6 = self.addresses()
        own4, own6 = self.node.prefixes
        lacks = [] if ipv4 and ipaddress.IPv4Address(ipv4) in own4 else [4]
        return lacks if any(ipaddress.IPv6Address(one) in own6 for one in ipv6) else [*lacks, 6]

    def addresses(self) -> tuple[str | None, list[str]]:
        """Its IPv4 address and its usable global IPv6 addresses now."""
        with kernel.inside_net(self.name):
            return kernel.address4(DEVICE), kernel.addresses6(DEVICE)
