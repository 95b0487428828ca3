"""Pure text: what the node's other programs are configured with, from the same `Config`."""

from __future__ import annotations

from meshctl.config import Access, Config

_LEASE = "1h"


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
        "cache-size=2000",
        "edns-packet-max=1232",
    ]
    if config.resolver.upstream:
        lines += ["no-resolv", *(f"server={server}" for server in config.resolver.upstream)]
    for access in config.access:
        lines += _access_lines(access, config.portal.host)
    return "\n".join(lines) + "\n"


def _access_lines(access: Access, host: str) -> list[str]:
    own4, own6 = access.interface4, access.interface6
    network = own4.network
    first, last = network.network_address + 1, network.broadcast_address - 1
    ranges = [(first, own4.ip - 1), (own4.ip + 1, last)]
    low, high = max(ranges, key=lambda r: int(r[1]) - int(r[0]))
    return [
        f"interface={access.device}",
        f"dhcp-range={low},{high},{network.netmask},{_LEASE}",
        f"dhcp-range={own6.network.network_address},ra-only,64,{_LEASE}",
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
    # A device that learns its own IPv6 route must go on doing so although it forwards (ip-sysctl: accept_ra=2).
    lines += [f"-net.ipv6.conf.{line.device}.accept_ra = 2" for line in config.line]
    lines += [f"-net.ipv4.conf.{access.device}.rp_filter = 1" for access in config.access]
    return "\n".join(lines) + "\n"


def babeld_text(config: Config) -> str:
    """Return a whole babeld.conf (babeld(8)): this node's prefixes, and a gateway's way out, over the mesh devices.

    IPv4 routes go over links that have IPv6 addresses only (RFC 9229), so links need no numbers.
    """
    mesh, kind = config.mesh, "wireless" if config.mesh.wireless else "wired"
    pace = f"hello-interval {mesh.hello_seconds:g} update-interval {4 * mesh.hello_seconds:g}"
    lines = [
        "# Made by `meshctl config babeld`; change meshctl.toml instead.",
        f"local-port {mesh.babel_port}",
        # A router-id that came back after a power cut, its sequence number lost, would be refused for minutes.
        "random-id true",
        *(f"interface {device} type {kind} {pace}" for device in mesh.devices),
    ]
    networks = [n for access in config.access for n in (access.interface4.network, access.interface6.network)]
    lines += [f"redistribute ip {network} eq {network.prefixlen} allow" for network in networks]
    if config.line:
        for default in ("0.0.0.0/0", "::/0"):
            # Protocol 3 is "boot": what ip(8) and ifupdown set, which babeld leaves out unless it is named.
            lines += [f"redistribute ip {default} eq 0 allow", f"redistribute ip {default} eq 0 proto 3 allow"]
    lines += ["redistribute local deny", "redistribute deny"]
    return "\n".join(lines) + "\n"
