"""One board of the lab: its namespace, its files as on a real board, and its services."""

from __future__ import annotations

import base64
import fcntl
import ipaddress
import os
import socket
from pathlib import Path

from nacl.signing import SigningKey

from meshctl.lab import kernel
from meshctl.lab.fault import LabError
from meshctl.lab.ground import ROOM
from meshctl.lab.kernel import ip
from meshctl.lab.launch import Launcher, in_member, meshctl
from meshctl.lab.supervisor import Spec
from meshctl.lab.tomltext import toml_text
from meshctl.lab.topology import NodeTable, Topology
from meshctl.lists import Member
from meshctl.service import listen_tcp

BRIDGE, UPLINK = "br-lan", "wan0"
PORTAL_PORT, CAPTIVE_PORT, HUB_PORT = 80, 8080, 8090
_ETC = Path("/etc/meshctl")
_LIFTED = 64


class Node:
    """A member with services. ``number`` is its place in the topology."""

    def __init__(self, number: int, table: NodeTable, folder: Path, launcher: Launcher) -> None:
        self.number, self.table, self.launcher = number, table, launcher
        self.name = table.name
        self.etc, self.state, self.hub_state = (folder / table.name / part for part in ("etc", "state", "hub"))
        self.run = ROOM / "nodes" / table.name
        self.ports = 0
        self.mesh: list[str] = []
        self.community, self.key = "", SigningKey.generate()

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
                f"route add default via {four}.1",
                f"route add default via {six}:1",
            ],
            self.name,
        )
        for node in topology.node:
            if node.uplink is None or node.name == self.name:
                prefix = ipaddress.ip_interface(node.ipv6).network
                ip([f"route add {prefix} via {six}:2 metric {1024 + self.number}"], "internet")
        if not topology.offloads:
            for member, device in (("internet", far), (self.name, UPLINK)):
                with kernel.inside_net(member):
                    kernel.switch_offloads_off(device)

    def furnish(self, topology: Topology) -> None:
        """Write its files, make its folders, set its sysctls. Raises `LabError` where they are refused."""
        for folder in (self.etc, self.state, self.run, self.run / "watch"):
            folder.mkdir(parents=True)
        (self.etc / "meshctl.toml").write_text(toml_text(self._node_tables(topology)), encoding="utf-8")
        if self.table.hub:
            self.hub_state.mkdir()
            (self.etc / "hub.toml").write_text(toml_text(self._hub_tables()), encoding="utf-8")
        (self.etc / "babeld.conf").write_text(self._config("babeld"), encoding="utf-8")
        (self.etc / "dnsmasq.conf").write_text(self._config("dnsmasq"), encoding="utf-8")
        self._set_sysctls(self._config("sysctl"))
        (self.run / "dnsmasq.leases").touch()
        (self.state / "node.key").write_text(base64.b64encode(bytes(self.key)).decode() + "\n", encoding="ascii")
        (self.state / "node.key").chmod(0o600)
        users = self.launcher.privileges.users
        os.chown(self.state / "node.key", users["agent"], users["agent"])
        for path, role, mode in (
            (self.state, "agent", 0o700),
            (self.run, "agent", 0o755),
            (self.run / "watch", "watch", 0o700),
            (self.run / "dnsmasq.leases", "dnsmasq", 0o600),
            *([(self.hub_state, "hub", 0o700)] if self.table.hub else []),
        ):
            os.chown(path, users[role], users[role])
            path.chmod(mode)
        namespace = Path("/etc/netns", self.name)
        namespace.mkdir()
        (namespace / "meshctl").symlink_to(self.etc)
        (namespace / "resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="ascii")

    def specs(self) -> list[Spec]:
        """Its services with their sockets, in the order of start."""
        environment = self.launcher.environment()
        node, hub = str(_ETC / "meshctl.toml"), str(_ETC / "hub.toml")
        dnsmasq = [*self.launcher.dnsmasq(), f"--conf-file={_ETC}/dnsmasq.conf"]
        specs = [
            *(
                [
                    Spec(
                        self.name,
                        "babeld",
                        in_member(self.name, "babeld", "-I", "", "-S", "", "-c", f"{_ETC}/babeld.conf"),
                        environment,
                    )
                ]
                if self.mesh
                else []
            ),
            self._spec("agent", node, environment, (("agent", self._agent_socket()),)),
            Spec(self.name, "dnsmasq", self.launcher.service(self.name, "dnsmasq", *dnsmasq), environment),
            self._spec("watch", node, self.launcher.environment(str(self.run / "watch"))),
            self._spec("portal", node, environment, self._tcp(("portal", PORTAL_PORT), ("captive", CAPTIVE_PORT))),
        ]
        if self.table.hub:
            specs.append(self._spec("hub", hub, environment, self._tcp(("hub", HUB_PORT))))
        return specs

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

    def entry(self) -> Member:
        """What the roster says of it."""
        table, public = self.table, base64.b64encode(bytes(self.key.verify_key)).decode()
        gateway = table.uplink is not None
        return Member(self.name, self.number + 1, public, table.ipv4, table.ipv6, gateway=gateway, hub=table.hub)

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

    def _node_tables(self, topology: Topology) -> dict[str, dict[str, object] | list[dict[str, object]]]:
        table, users = self.table, self.launcher.privileges.users
        uplink = {"name": f"{self.name}-uplink", "device": UPLINK}
        capacity = {"down_mbit": table.uplink.down_mbit, "up_mbit": table.uplink.up_mbit} if table.uplink else {}
        return {
            "network": table.network,
            "node": {"name": self.name},
            "paths": {"state": str(self.state), "run": str(self.run)},
            "access": [
                {
                    "device": BRIDGE, "ipv4": table.ipv4, "ipv6": table.ipv6,
                    "open_ports": [HUB_PORT] if table.hub else [],
                }
            ],
            **({"line": [{**uplink, **capacity}]} if table.uplink else {}),
            "mesh": {"devices": self.mesh, "community": self.community, "roster": f"{_ETC}/roster.json", **table.mesh},
            "portal": {"port": PORTAL_PORT, "redirect_port": CAPTIVE_PORT, **table.portal},
            "policy": table.policy,
            "session": table.session,
            "shaping": table.shaping,
            "report": {"hub": self._hub_url(topology), **table.report},
            "users": {role: str(users[role]) for role in ("agent", "portal", "watch")},
            "resolver": {"upstream": [topology.internet.ipv4]},
        }  # fmt: skip

    def _hub_tables(self) -> dict[str, dict[str, object] | list[dict[str, object]]]:
        name = self.table.network.get("name")
        return {
            "fleet": {
                "roster": str(self.run / "roster.json"),
                "community": self.community,
                "neighbours": [str(ipaddress.ip_interface(one).network) for one in (self.table.ipv4, self.table.ipv6)],
                **({"name": name} if name else {}),
            },
            "listen": {"addresses": [f"[::]:{HUB_PORT}"]},
            "database": {"url": f"sqlite:///{self.hub_state / 'hub.db'}"},
        }

    def _hub_url(self, topology: Topology) -> str:
        if self.table.hub:
            return f"http://127.0.0.1:{HUB_PORT}"
        for node in topology.node:
            if node.hub:
                return f"http://[{ipaddress.ip_interface(node.ipv6).ip}]:{HUB_PORT}"
        return ""


def _lifted(listener: socket.socket) -> socket.socket:
    """The same socket under a high number, out of the way of the numbers a service expects it at."""
    high = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, _LIFTED)
    listener.close()
    return socket.socket(fileno=high)
