"""One board of the lab: its namespace, its files as on a real board, and its services."""

from __future__ import annotations

import base64
import fcntl
import ipaddress
import os
import shutil
import socket
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from meshctl.lab import kernel
from meshctl.lab.fault import LabError
from meshctl.lab.ground import ROOM
from meshctl.lab.kernel import ip
from meshctl.lab.launch import Launcher, in_member, meshctl
from meshctl.lab.nodefiles import BRIDGE, CAPTIVE_PORT, ETC, HUB_PORT, PORTAL_PORT, UPLINK, hub_tables, node_tables
from meshctl.lab.supervisor import Spec
from meshctl.lab.tomltext import toml_text
from meshctl.lab.topology import NodeTable, Topology
from meshctl.lists import read_roster
from meshctl.service import listen_tcp

_LIFTED = 64
_BABELD = ("babeld", "-c", f"{ETC}/babeld.conf")


class Node:
    """A member with services. ``number`` is its place in the topology."""

    def __init__(self, number: int, table: NodeTable, folder: Path, launcher: Launcher) -> None:
        self.number, self.table, self.launcher = number, table, launcher
        self.name = table.name
        self.etc, self.state, self.hub_state = (folder / table.name / part for part in ("etc", "state", "hub"))
        self.run = ROOM / "nodes" / table.name
        self.ports = 0
        self.static = 0
        self.mesh: list[str] = []
        self.community, self.roster = "", b""
        self.key = SigningKey.generate()
        self.powered = False
        self.uplink_cut = False
        self._prefixes: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []

    def next_link(self) -> str:
        """Return the name of the device for one more link."""
        self.mesh.append(f"mesh{len(self.mesh)}")
        return self.mesh[-1]

    @property
    def public_key(self) -> str:
        """The node's public key in base64."""
        return base64.b64encode(bytes(self.key.verify_key)).decode()

    @property
    def ipv4(self) -> str:
        """The address that phones know it by."""
        return str(ipaddress.ip_interface(self.table.ipv4).ip)

    @property
    def ipv6(self) -> str:
        """The address that phones know it by."""
        return str(ipaddress.ip_interface(self.table.ipv6).ip)

    def build(self, topology: Topology) -> None:
        """Make its namespace, its bridge and its uplink."""
        ip([f"netns add {self.name}"])
        ip(
            [
                "link set lo up",
                f"link add {BRIDGE} address 02:4d:{self.number:02x}:00:00:01 type bridge mcast_snooping 0",
                f"addr add {self.table.ipv4} dev {BRIDGE}",
                f"addr add {self.table.ipv6} dev {BRIDGE} nodad",
                f"link set {BRIDGE} up",
            ],
            self.name,
        )
        if self.table.uplink is not None:
            self._build_uplink(topology)
        self.ports, self.powered = 0, True

    def _build_uplink(self, topology: Topology) -> None:
        far = f"up{self.number}"
        ip([f"link add {far} netns internet type veth peer name {UPLINK} netns {self.name}"])
        four, six = f"198.18.{self.number}", f"2001:db8:ffff:{self.number}:"
        ip(
            [f"addr add {four}.1/30 dev {far}", f"addr add {six}:1/64 dev {far} nodad", f"link set {far} up"],
            "internet",
        )
        ip(
            [
                f"link set {UPLINK} up",
                f"addr add {four}.2/30 dev {UPLINK}",
                f"addr add {six}:2/64 dev {UPLINK} nodad",
            ],
            self.name,
        )
        self._prefixes = [ipaddress.ip_interface(node.ipv6).network for node in topology.node
                          if node.uplink is None or node.name == self.name]  # fmt: skip
        self._route_uplink()
        if self.uplink_cut:
            self.set_uplink(cut=True)
        if not topology.offloads:
            for member, device in (("internet", far), (self.name, UPLINK)):
                with kernel.inside_net(member):
                    kernel.switch_offloads_off(device)

    def _route_uplink(self) -> None:
        four, six = f"198.18.{self.number}", f"2001:db8:ffff:{self.number}:"
        with kernel.inside_net("internet"):
            kernel.write_sysctl(f"net.ipv6.conf.up{self.number}.keep_addr_on_down", "1")
        with kernel.inside_net(self.name):
            kernel.write_sysctl(f"net.ipv6.conf.{UPLINK}.keep_addr_on_down", "1")
        ip([f"route replace default via {four}.1", f"route replace default via {six}:1"], self.name)
        # With several gateways each prefix has one way in, and the next gateway's when that is gone.
        metric = 1024 + self.number
        ip([f"route replace {one} via {six}:2 metric {metric}" for one in self._prefixes], "internet")

    def set_uplink(self, *, cut: bool) -> None:
        """Pull the uplink's cable at the far end, or plug it in again."""
        self.uplink_cut = cut
        if not self.powered:
            return
        ip([f"link set up{self.number} {'down' if cut else 'up'}"], "internet")
        if not cut:
            # Its routes went with the carrier: the provider's side sets them anew, and so does the node's DHCP client.
            self._route_uplink()

    def lose_power(self) -> None:
        """Tear its namespace down and lose its memory; what is on its disk stays."""
        self.powered = False
        names = kernel.run(["ip", "-n", self.name, "-brief", "link"]).splitlines()
        devices = [line.split()[0].partition("@")[0] for line in names]
        # Every device by itself: a process that somebody started inside may hold the namespace a little longer.
        ip([f"link del {d}" for d in devices if d != "lo" and not d.startswith("meshctl")], self.name)
        ip([f"netns del {self.name}"])
        shutil.rmtree(self.run)

    def furnish(self, topology: Topology) -> None:
        """Write its files and make its folders. Raises `LabError` where they are refused."""
        for folder in (self.etc, self.state):
            folder.mkdir(parents=True)
        (self.etc / "meshctl.toml").write_text(toml_text(node_tables(self, topology)), encoding="utf-8")
        if self.table.hub:
            self.hub_state.mkdir()
            (self.etc / "hub.toml").write_text(toml_text(hub_tables(self)), encoding="utf-8")
            keys = {one.name: one.key for one in read_roster(self.roster, self.community).members}
            (self.etc / "nodes.toml").write_text(toml_text({"nodes": keys}), encoding="ascii")
        if self.mesh:
            (self.etc / "babeld.conf").write_text(self._config("babeld"), encoding="utf-8")
        (self.etc / "roster.json").write_bytes(self.roster)
        (self.etc / "dnsmasq.conf").write_text(self._config("dnsmasq"), encoding="utf-8")
        (self.state / "node.key").write_text(base64.b64encode(bytes(self.key)).decode() + "\n", encoding="ascii")
        (self.state / "node.key").chmod(0o600)
        self._own(
            (self.state / "node.key", "agent", 0o600),
            (self.state, "agent", 0o700),
            *([(self.hub_state, "hub", 0o700)] if self.table.hub else []),
        )
        namespace = Path("/etc/netns", self.name)
        namespace.mkdir()
        (namespace / "meshctl").symlink_to(self.etc)
        (namespace / "resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="ascii")

    def boot(self) -> None:
        """Make what is lost with its power: the folder in RAM and the sysctls."""
        for folder in (self.run, self.run / "watch"):
            folder.mkdir()
        (self.run / "dnsmasq.leases").touch()
        self._own(
            (self.run, "agent", 0o755),
            (self.run / "watch", "watch", 0o700),
            (self.run / "dnsmasq.leases", "dnsmasq", 0o600),
        )
        self._set_sysctls(self._config("sysctl"))

    def _own(self, *wanted: tuple[Path, str, int]) -> None:
        users = self.launcher.privileges.users
        for path, role, mode in wanted:
            os.chown(path, users[role], users[role])
            path.chmod(mode)

    def specs(self) -> list[Spec]:
        """Its services with their sockets, in the order of start."""
        environment = self.launcher.environment()
        node, hub = str(ETC / "meshctl.toml"), str(ETC / "hub.toml")
        dnsmasq = [*self.launcher.dnsmasq(), f"--conf-file={ETC}/dnsmasq.conf"]
        specs = [
            *([Spec(self.name, "babeld", in_member(self.name, *_BABELD), environment)] if self.mesh else []),
            self._spec("agent", node, environment, (("agent", self._agent_socket()),)),
            Spec(self.name, "dnsmasq", self.launcher.service(self.name, "dnsmasq", *dnsmasq), environment),
            self._spec("watch", node, self.launcher.environment(str(self.run / "watch"))),
            self._spec("portal", node, environment, self._tcp(("portal", PORTAL_PORT), ("captive", CAPTIVE_PORT))),
        ]
        if self.table.hub:
            specs.append(self._spec("hub", hub, environment, self._tcp(("hub", HUB_PORT))))
        return specs

    def families_without_route(self) -> list[str]:
        """Return which of IPv4 and IPv6 has no way out of this node."""
        with kernel.inside_net(self.name):
            four = Path("/proc/thread-self/net/route").read_text(encoding="ascii").splitlines()[1:]
            six = Path("/proc/thread-self/net/ipv6_route").read_text(encoding="ascii").splitlines()
        lacks = [] if any(line.split()[1] == "00000000" for line in four) else ["IPv4"]
        ways = [line.split() for line in six]
        # An unreachable default stands there too, on lo (proc_net(5)).
        return lacks if any(way[:2] == ["0" * 32, "00"] and way[9] != "lo" for way in ways) else [*lacks, "IPv6"]

    def status(self) -> dict[str, Any]:
        """What `lab status` says of it."""
        uplink = self.table.uplink
        return {
            "name": self.name, "kind": "node", "hub": self.table.hub, "gateway": uplink is not None,
            "powered": self.powered, "uplink_cut": self.uplink_cut, "ipv4": self.ipv4, "ipv6": [self.ipv6],
            "down_mbit": uplink.down_mbit if uplink else None, "up_mbit": uplink.up_mbit if uplink else None,
            "config": str(self.etc / "meshctl.toml"), "state": str(self.state), "run": str(self.run),
        }  # fmt: skip

    def attach(self, phone: str, hardware: str, offloads: bool) -> None:
        """Plug a phone's eth0 into the bridge, isolated from the other phones."""
        port, self.ports = f"p{self.ports}", self.ports + 1
        ip([f"link add {port} netns {self.name} type veth peer name eth0 address {hardware} netns {phone}"])
        ip([f"link set {port} master {BRIDGE} up"], self.name)
        kernel.run(["ip", "netns", "exec", self.name, "bridge", "link", "set", "dev", port, "isolated", "on"])
        if not offloads:
            for member, device in ((self.name, port), (phone, "eth0")):
                with kernel.inside_net(member):
                    kernel.switch_offloads_off(device)

    def _spec(
        self, role: str, file: str, environment: dict[str, str], sockets: tuple[tuple[str, socket.socket], ...] = ()
    ) -> Spec:
        argv = self.launcher.service(self.name, role, *meshctl(role, "--config", file))
        return Spec(self.name, role, argv, environment, notify=True, sockets=sockets)

    def _tcp(self, *wanted: tuple[str, int]) -> tuple[tuple[str, socket.socket], ...]:
        with kernel.inside_net(self.name):
            return tuple((name, _lifted(listen_tcp("::", port))) for name, port in wanted)

    def _agent_socket(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.run / "agent.sock"))
        (self.run / "agent.sock").chmod(0o666)
        listener.listen(128)
        return _lifted(listener)

    def _config(self, what: str) -> str:
        """What follows from its configuration, as `meshctl config` prints it on a board."""
        argv = meshctl("config", what, "--config", str(self.etc / "meshctl.toml"))
        return kernel.run(argv, environment=self.launcher.environment())

    def _set_sysctls(self, text: str) -> None:
        with kernel.inside_net(self.name):
            for line in text.splitlines():
                key, equals, value = line.partition("=")
                if not equals or line.startswith("#"):
                    continue
                try:
                    kernel.write_sysctl(key.strip().removeprefix("-"), value.strip())
                except OSError as fault:
                    if not key.startswith("-"):
                        raise LabError(f"{self.name}: {key.strip()} cannot be set: {fault.strerror}") from fault


def _lifted(listener: socket.socket) -> socket.socket:
    """The same socket under a high number, out of the way of the numbers a service expects it at."""
    high = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, _LIFTED)
    listener.close()
    return socket.socket(fileno=high)
