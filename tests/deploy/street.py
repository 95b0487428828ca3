"""What stands around the machine: a volunteer's laptop, a small internet, a phone and another node's babeld.

Each has its own namespace.

The volunteer's laptop is the namespace that the story runs in.
"""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from pathlib import Path

from tests.deploy.steps import run, until

LAPTOP, BOARD_MANAGEMENT = "192.0.2.1", "192.0.2.2"
INTERNET4, INTERNET6 = "203.0.113.1", "2001:db8:ffff::1"
BOARD4, BOARD6 = "203.0.113.2", "2001:db8:ffff::2"
NODE4, NODE6 = "10.44.0.1", "2001:db8:44::1"
PREFIX6 = "2001:db8:44::"
PHONE_HARDWARE = "02:00:5e:00:53:07"
ACCESS4, ACCESS6 = "10.44.0.0/22", "2001:db8:44::/64"
NEXT4, NEXT6 = "10.45.0.0/22", "2001:db8:45::/64"
"""The prefixes that phones at the node next door have."""
PAGE = "This is the internet.\n"

_NEXT_DOOR = f"""interface mesh0 type wired hello-interval 1
redistribute ip {NEXT4} allow
redistribute ip {NEXT6} allow
redistribute local deny
redistribute deny
"""

_LEASE = """#!/bin/sh
case "$1" in bound | renew)
  ip address replace "$ip/$mask" dev "$interface"
  ip route replace default via "$router"
  echo "$ip $router $dns" > "$LEASE" ;;
esac
"""


class Street:
    """The namespaces and what runs in them; all end with the process that made them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: list[subprocess.Popen[bytes]] = []

    def build(self) -> None:
        """Make the internet and the phone, and plug the board in."""
        for name in ("internet", "phone", "next"):
            run(["ip", "netns", "add", name])
            run(["ip", *_at(name), "link", "set", "lo", "up"])
        self.plug_board()
        pages = self.folder / "pages"
        pages.mkdir()
        (pages / "index.html").write_text(PAGE, encoding="utf-8")
        self._raise_next_door()
        self._serve([sys.executable, "-m", "http.server", "--bind", "::", "--directory", str(pages), "80"])
        answers = [f"--address=/#/{address}" for address in (INTERNET4, INTERNET6)]
        self._serve(["dnsmasq", "--no-daemon", "--conf-file=", "--no-resolv", "--no-hosts", "--user=root", *answers])
        until(lambda: self.get("internet", f"http://{INTERNET4}/"), lambda page: page == PAGE, "the internet answers")

    def plug_board(self) -> None:
        """Make the board's namespace and its cables: management, uplink, an access point's port, the node next door."""
        run(["ip", "netns", "add", "board"])
        cables = [(None, "laptop0", "mgmt0"), ("internet", "eth0", "wan0"), ("phone", "eth0", "lan0")]
        for near, name, far in (*cables, ("next", "mesh0", "mesh0")):
            run(["ip", *_at(near), "link", "add", name, "type", "veth", "peer", "name", far, "netns", "board"])
            run(["ip", *_at("board"), "link", "set", far, "up"])
        run(["ip", *_at("phone"), "link", "set", "eth0", "address", PHONE_HARDWARE])
        run(["ip", *_at("board"), "link", "set", "lo", "up"])
        _address(None, "laptop0", f"{LAPTOP}/24")
        _address("board", "mgmt0", f"{BOARD_MANAGEMENT}/24")
        _address("internet", "eth0", f"{INTERNET4}/24", f"{INTERNET6}/64")
        _address("board", "wan0", f"{BOARD4}/24", f"{BOARD6}/64")
        run(["ip", *_at("board"), "route", "add", "default", "via", INTERNET4])
        run(["ip", *_at("board"), "-6", "route", "add", "default", "via", INTERNET6])
        run(["ip", *_at("internet"), "-6", "route", "replace", f"{PREFIX6}/64", "via", BOARD6])
        run(["ip", *_at("phone"), "link", "set", "eth0", "up"])
        run(["ip", *_at("next"), "link", "set", "mesh0", "up"])

    def unplug_board(self) -> None:
        """Take the board's namespace away with all the kernel held in it, as losing power does."""
        run(["ip", "netns", "delete", "board"])
        until(lambda: run(["ip", *_at("phone"), "-o", "link"]), lambda text: "eth0" not in text, "the cable is gone")

    def lease(self) -> tuple[str, str, str]:
        """Let the phone ask for an address; return its address, its router and its name server."""
        script, lease = self.folder / "lease.sh", self.folder / "lease"
        script.write_text(_LEASE, encoding="utf-8")
        script.chmod(0o755)
        lease.unlink(missing_ok=True)
        ask = ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", str(script)]
        run(["ip", "netns", "exec", "phone", "env", f"LEASE={lease}", *ask], timeout=30)
        address, router, resolver = lease.read_text(encoding="utf-8").split()[:3]
        return address, router, resolver

    def told_of_portal(self) -> str:
        """Return what DHCP tells the phone of a captive portal (RFC 8910), "" where it tells nothing."""
        script, told = self.folder / "told.sh", self.folder / "told"
        script.write_text(f"#!/bin/sh\nenv | sed -n s/^opt114=//p >>{told}\n", encoding="utf-8")
        script.chmod(0o755)
        told.write_text("", encoding="utf-8")
        ask = [
            "busybox",
            "udhcpc",
            "-i",
            "eth0",
            "-n",
            "-q",
            "-f",
            "-t",
            "5",
            "-T",
            "1",
            "-O",
            "114",
            "-s",
            str(script),
        ]
        run(["ip", "netns", "exec", "phone", *ask], timeout=30)
        return bytes.fromhex(told.read_text(encoding="utf-8").strip()).decode()

    def phone_ipv6(self) -> str:
        """Return the phone's address in the node's prefix, or "" while it has none."""
        for line in run(["ip", *_at("phone"), "-6", "-o", "address", "show", "dev", "eth0"]).splitlines():
            address = line.split()[3].split("/")[0]
            if address.startswith("2001:db8:44:") and "tentative" not in line:
                return address
        return ""

    def get(self, place: str | None, url: str, *options: str) -> str:
        """Return the body of a page as seen from a namespace, "" where nothing answers."""
        return run([*_inside(place), "curl", "-sS", "--max-time", "5", *options, url], check=False)

    def head(self, place: str | None, url: str, *options: str) -> str:
        """Return "status redirect" of a page as seen from a namespace; status 000 where nothing answers."""
        show = ["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"]
        return self.get(place, url, *show, *options).strip()

    def pings(self, place: str, address: str) -> bool:
        """Say whether an echo comes back within a second."""
        words = ["ping", "-c", "1", "-W", "1", address]
        return "1 received" in run([*_inside(place), *words], check=False)

    def lookup(self, place: str, name: str, server: str) -> str:
        """Return what a name server says about a name."""
        return run([*_inside(place), "busybox", "nslookup", name, server], check=False)

    def routes(self, place: str, prefix: str) -> str:
        """Return the routes that babeld set to a prefix in a namespace."""
        return run(["ip", *_at(place), "-6" if ":" in prefix else "-4", "route", "show", prefix, "proto", "babel"])

    def _raise_next_door(self) -> None:
        _address_of_a_bridge(
            "next", str(ipaddress.ip_network(NEXT4)[1]) + "/22", str(ipaddress.ip_network(NEXT6)[1]) + "/64"
        )
        config = self.folder / "babeld.conf"
        config.write_text(_NEXT_DOOR, encoding="utf-8")
        state = str(self.folder / "babeld.state")
        self._serve(["babeld", "-c", str(config), "-S", state, "-I", "", "-L", "/dev/null"], "next")

    def _serve(self, command: list[str], place: str = "internet") -> None:
        log = (self.folder / f"{place}.log").open("ab")
        with log:
            self._servers.append(subprocess.Popen([*_inside(place), *command], stdout=log, stderr=log))


def _at(place: str | None) -> list[str]:
    return ["-n", place] if place else []


def _inside(place: str | None) -> list[str]:
    return ["ip", "netns", "exec", place] if place else []


def _address_of_a_bridge(place: str, *addresses: str) -> None:
    run(["ip", *_at(place), "link", "add", "br-lan", "type", "bridge"])
    _address(place, "br-lan", *addresses)


def _address(place: str | None, device: str, *addresses: str) -> None:
    for address in addresses:
        quick = ["nodad"] if ":" in address else []
        run(["ip", *_at(place), "address", "add", address, "dev", device, *quick])
    run(["ip", *_at(place), "link", "set", device, "up"])
