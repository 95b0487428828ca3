"""What a link announces, asked of a real DHCP server and router."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from meshctl.doctor.fetch import has_way
from meshctl.doctor.link import ask_link, default_device
from meshctl.lab.kernel import SYSTEM_PATH, inside_net, ip, write_sysctl

pytestmark = pytest.mark.kernel

URI = "https://mesh.example/captive"
SERVER = (
    "dnsmasq", "--no-daemon", "--user=root", "--group=root", "--conf-file=/dev/null", "--no-hosts", "--no-resolv",
    "--pid-file=", "--dhcp-leasefile=/dev/null", "--interface=far0", "--port=0", "--dhcp-authoritative", "--no-ping",
    "--dhcp-range=10.9.1.10,10.9.1.20,255.255.255.0", "--dhcp-range=fd09:1::,ra-stateless,64", "--enable-ra",
    f"--dhcp-option-force=114,{URI}", f"--dhcp-option=option6:103,{URI}",
)  # fmt: skip


@pytest.fixture
def phone() -> Iterator[str]:
    """A namespace whose eth0 has an address on a link with a server that announces."""
    far, near = (f"lnk{os.getpid()}{end}" for end in "fn")
    with ExitStack() as stack:
        for name in (far, near):
            ip([f"netns add {name}"])
            stack.callback(ip, [f"netns del {name}"])
            with inside_net(name):
                write_sysctl("net.ipv6.conf.default.accept_dad", "0")
        ip([f"link add far0 netns {far} type veth peer name eth0 netns {near}"])
        ip(["link set far0 up", "addr add 10.9.1.1/24 dev far0", "addr add fd09:1::1/64 dev far0 nodad"], far)
        ip(["link set eth0 up", "addr add 10.9.1.9/24 dev eth0", "route add default via 10.9.1.1"], near)
        server = subprocess.Popen(
            ["ip", "netns", "exec", far, *SERVER], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": SYSTEM_PATH},
        )  # fmt: skip
        stack.callback(server.wait)
        stack.callback(server.terminate)
        yield near


def link_local(device: str) -> str:
    rows = [line.split() for line in Path("/proc/thread-self/net/if_inet6").read_text(encoding="ascii").splitlines()]
    digits = next(row[0] for row in rows if row[5] == device and row[0].startswith("fe80"))
    return str(ipaddress.IPv6Address(int(digits, 16)))


def test_dhcp_dhcpv6_and_the_router_say_what_they_announce_also_beside_a_client_of_the_machine(phone: str) -> None:
    with inside_net(phone), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        device = default_device()
        # As NetworkManager's and systemd's clients do.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((link_local(device), 546, 0, socket.if_nametoindex(device)))
        told = ask_link(device)

    assert device == "eth0"
    assert (told["dhcp4"].uri, told["dhcp6"].uri) == (URI, URI)
    assert (told["ra"].asked, told["ra"].raw, told["ra"].why) == (True, None, "")


def test_a_family_of_which_there_is_only_a_link_local_address_is_no_way_out(phone: str) -> None:
    with inside_net(phone):
        write_sysctl("net.ipv6.conf.eth0.accept_ra", "0")
        ip(["addr flush dev eth0 scope global", "addr add 10.9.1.9/24 dev eth0"], phone)
        ip(["route add default via 10.9.1.1", "route add ::/0 dev eth0"], phone)
        ways = [has_way(one, "") for one in ("2001:db8::1", "192.0.2.1")]
        ip(["addr add fd09:1::9/64 dev eth0 nodad"], phone)

        assert ways == [False, True]
        assert has_way("2001:db8::1", "")
