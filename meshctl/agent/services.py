"""Pure text: what the node's other programs are configured with, from the same `Config`."""

from __future__ import annotations

import ipaddress

from meshctl.captivity import OPTIONS
from meshctl.config import Access, Config

_LEASE = "1h"

KERNEL_PRIORITY = 4000
"""The metric of routes learned from other nodes: a node's own line, at whatever metric, comes first."""

OFFERED = 6696
"""The table of what a node offers others the way to; babeld reads no other. Named after Babel's port (RFC 8966, 5)."""

_PRIVATE4 = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")))
_ACCESS4 = "le 29"
"""As long as the prefix of a node's neighbours may be."""


def dnsmasq_text(config: Config) -> str:
    """Return a whole dnsmasq.conf (dnsmasq(8)): DHCPv4, router advertisements (RFC 4861, RFC 8106), DNS.

    Leases hold hardware addresses, so they live on tmpfs, and dnsmasq is told to log none. Host names
    that devices tell are not kept, and queries are never logged.
    """
    lines = [
        "# Made by `meshctl config dnsmasq`; change meshctl.toml instead.",
        "bind-dynamic",
        "except-interface=lo",
        f"dhcp-leasefile={config.paths.run}/dnsmasq.leases",
        "dhcp-authoritative",
        "dhcp-ignore-names",
        "dhcp-rapid-commit",
        "dhcp-lease-max=4096",
        "no-ping",
        "enable-ra",
        "quiet-dhcp",
        "quiet-dhcp6",
        "quiet-ra",
        "domain-needed",
        "bogus-priv",
        "no-hosts",
        # One device may ask 50 new names a second: then the whole cache is new after three minutes, not one.
        "cache-size=10000",
        # Questions on their way, each for ten seconds at most where nobody answers: room for two devices that flood.
        "dns-forward-max=2000",
        "edns-packet-max=1232",
    ]
    if _tells_of_portal(config):
        # Read again when dnsmasq is sent SIGHUP, as who watches the file does: of a dhcp-optsdir nothing ever goes.
        lines.append(f"dhcp-optsfile={config.paths.run}/{OPTIONS}")
    if config.resolver.upstream:
        lines += ["no-resolv", *(f"server={server}" for server in config.resolver.upstream)]
    for access in config.access:
        # Stateless DHCPv6 (RFC 8415, 6.1) has an option to tell of the portal; else addresses come by themselves alone.
        lines += _access_lines(access, config.portal.host, "ra-stateless" if _tells_of_portal(config) else "ra-only")
    return "\n".join(lines) + "\n"


def _tells_of_portal(config: Config) -> bool:
    return bool(config.portal.certificate) or not config.portal.splash


def _access_lines(access: Access, host: str, mode: str) -> list[str]:
    own4, own6 = access.interface4, access.interface6
    network = own4.network
    first, last = network.network_address + 1, network.broadcast_address - 1
    ranges = [(first, own4.ip - 1), (own4.ip + 1, last)]
    low, high = max(ranges, key=lambda r: int(r[1]) - int(r[0]))
    return [
        f"interface={access.device}",
        f"dhcp-range={low},{high},{network.netmask},{_LEASE}",
        f"dhcp-range={own6.network.network_address},{mode},64,{_LEASE}",
        f"host-record={host},{own4.ip},{own6.ip}",
    ]


def sysctl_text(config: Config) -> str:
    """Return a sysctl.d(5) file; a leading ``-`` marks keys that a machine may lack."""
    lines = [
        "# Made by `meshctl config sysctl`; change meshctl.toml instead.",
        "net.ipv4.ip_forward = 1",
        "net.ipv6.conf.all.forwarding = 1",
        "net.ipv4.conf.all.accept_redirects = 0",
        "net.ipv4.conf.all.send_redirects = 0",
        "net.ipv6.conf.all.accept_redirects = 0",
        "-net.ipv4.neigh.default.gc_thresh1 = 2048",
        "-net.ipv4.neigh.default.gc_thresh2 = 4096",
        "-net.ipv4.neigh.default.gc_thresh3 = 8192",
        "-net.ipv6.neigh.default.gc_thresh1 = 2048",
        "-net.ipv6.neigh.default.gc_thresh2 = 4096",
        "-net.ipv6.neigh.default.gc_thresh3 = 8192",
    ]
    for line in config.line:
        # A route over a cable without a partner would go on leading there, before any other way out.
        lines += [f"-net.{ip}.conf.{line.device}.ignore_routes_with_linkdown = 1" for ip in ("ipv4", "ipv6")]
    # A device that learns its own IPv6 route must go on doing so although it forwards (ip-sysctl: accept_ra=2).
    lines += [f"-net.ipv6.conf.{line.device}.accept_ra = 2" for line in config.line]
    lines += [f"-net.ipv4.conf.{access.device}.rp_filter = 1" for access in config.access]
    if config.mesh.devices:
        # The stricter of "all" and the device's own holds; one flow may come by one node and go by another.
        lines.append("-net.ipv4.conf.all.rp_filter = 0")
    for device in config.mesh.devices:
        lines += [f"-net.ipv4.conf.{device}.rp_filter = 0", f"-net.ipv4.conf.{device}.send_redirects = 0"]
    return "\n".join(lines) + "\n"


def babeld_text(config: Config) -> str:
    """Return a whole babeld.conf (babeld(8), 1.12 or later).

    Told to other nodes are this node's access prefixes and, where it has a line, the default routes
    over it, out of a table that holds nothing else (`meshctl.agent.mesh.offers`), and never a single
    address. The socket that tells the routes cannot change them. Links need link-local IPv6 only: IPv4
    goes by IPv6 next hops (RFC 9229) on Linux 5.13 or later; on an older one each mesh device needs an
    IPv4 address of its own.
    """
    mesh = config.mesh
    kind = "wireless" if mesh.wireless else "wired"
    lines = [
        "# Made by `meshctl config babeld`; change meshctl.toml instead.",
        # One that came back after a power cut, its sequence number lost, is refused for minutes (RFC 8966, 3.5.1).
        "random-id true",
        f"local-port {mesh.babel_port}",
        'state-file ""',
        'pid-file ""',
        "skip-kernel-setup true",
        "link-detect true",
        f"kernel-priority {KERNEL_PRIORITY}",
        f"import-table {OFFERED}",
    ]
    # With it on, who turns from a route of his own to one over this device tells nobody there that his own is gone.
    told = f"type {kind} split-horizon false hello-interval {mesh.hello_seconds:g}"
    lines += [f"interface {device} {told}" for device in mesh.devices]
    for access in config.access:
        both = (access.interface4.network, access.interface6.network)
        lines += [f"redistribute if {access.device} ip {one} eq {one.prefixlen} allow" for one in both]
    for line in config.line:
        lines += [f"redistribute if {line.device} ip {everywhere} eq 0 allow" for everywhere in ("0.0.0.0/0", "::/0")]
    lines += ["redistribute local deny", "redistribute deny", *_learned_lines(config.access)]
    # Else a packet of the node's own could leave with its line's address, which other nodes have no way back to.
    own = config.access[0]
    lines += [f"install ip 0.0.0.0/0 pref-src {own.interface4.ip}", f"install ip ::/0 pref-src {own.interface6.ip}"]
    return "\n".join(lines) + "\n"


def _learned_lines(accesses: tuple[Access, ...]) -> list[str]:
    """What other nodes may tell: ways out, and prefixes like ours; never a way into our own."""
    own4 = [access.interface4.network for access in accesses]
    lines = [f"in ip {network} deny" for network in (*own4, *(access.interface6.network for access in accesses))]
    lines += ["in ip 0.0.0.0/0 eq 0 allow", "in ip ::/0 eq 0 allow"]
    private = all(any(network.subnet_of(room) for room in _PRIVATE4) for network in own4)
    lines += (
        [f"in ip {room} {_ACCESS4} allow" for room in _PRIVATE4]
        if private
        else [f"in ip 0.0.0.0/0 ge 8 {_ACCESS4} allow"]
    )
    return [*lines, "in ip 2000::/3 eq 64 allow", "in ip fc00::/7 eq 64 allow", "in deny"]
