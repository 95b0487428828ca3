"""One board of the lab: its namespace, its files as on a real board, and its services."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from meshctl.captivity import OPTIONS
from meshctl.lab import kernel
from meshctl.lab.community import Community
from meshctl.lab.fault import LabError
from meshctl.lab.ground import ROOM
from meshctl.lab.kernel import ip
from meshctl.lab.launch import Launcher, meshctl
from meshctl.lab.papers import (
    BRIDGE,
    ETC,
    HUB_PORT,
    hub_tables,
    node_tables,
    page_ports,
)
from meshctl.lab.supervisor import Spec
from meshctl.lab.tables import NodeTable, Topology
from meshctl.lab.tomltext import toml_text
from meshctl.service import listen_tcp

ORDER = ("babeld", "dnsmasq", "agent", "hub", "portal", "watch")
"""In which services start: routes and leases take their time, the watch takes the processor's."""

_LIFTED = 64


class Node:
    """A member with services. ``number`` is its place in the topology, ``devices`` face other nodes."""

    def __init__(
        self, number: int, table: NodeTable, folder: Path, launcher: Launcher, devices: Sequence[str] = ()
    ) -> None:
        self.number, self.table, self.launcher, self.devices = number, table, launcher, tuple(devices)
        self.name = table.name
        self.etc, self.state, self.hub_state = (folder / table.name / part for part in ("etc", "state", "hub"))
        self.run = ROOM / "nodes" / table.name
        self.powered = False
        self._sysctls = ""

    @property
    def ipv4(self) -> str:
        """The address that phones know it by."""
        return str(ipaddress.ip_interface(self.table.ipv4).ip)

    @property
    def ipv6(self) -> str:
        """The address that phones know it by."""
        return str(ipaddress.ip_interface(self.table.ipv6).ip)

    @property
    def prefixes(self) -> tuple[ipaddress.IPv4Network, ipaddress.IPv6Network]:
        """What its neighbours have addresses of."""
        return ipaddress.IPv4Interface(self.table.ipv4).network, ipaddress.IPv6Interface(self.table.ipv6).network

    def furnish(self, topology: Topology, community: Community) -> None:
        """Write its files, which outlast its power."""
        users = self.launcher.privileges.users
        for folder in (self.etc, self.state):
            folder.mkdir(parents=True)
        self.state.chmod(0o700)
        os.chown(self.state, users["agent"], users["agent"])
        community.keep_node(self.name, self.state, users["agent"])
        folders = {"state": self.state, "run": self.run}
        tables = node_tables(self.table, topology, users, folders, self.devices, community.public)
        (self.etc / "meshctl.toml").write_text(toml_text(tables), encoding="utf-8")
        (self.etc / "roster.json").write_bytes(community.roster)
        if self.table.hub:
            self.hub_state.mkdir(mode=0o700)
            os.chown(self.hub_state, users["hub"], users["hub"])
            fleet = hub_tables(self.table, folders, self.hub_state, community.public)
            (self.etc / "hub.toml").write_text(toml_text(fleet), encoding="utf-8")
        namespace = Path("/etc/netns", self.name)
        namespace.mkdir()
        (namespace / "meshctl").symlink_to(self.etc)
        (namespace / "resolv.conf").write_text(f"nameserver {self.ipv4}\n", encoding="ascii")

    def derive(self) -> None:
        """Write what follows from its configuration."""
        for program in ("dnsmasq", *(["babeld"] if self.devices else [])):
            (self.etc / f"{program}.conf").write_text(self._config(program), encoding="utf-8")
        self._sysctls = self._config("sysctl")

    def build(self) -> None:
        """Make its namespace with the device that faces neighbours."""
        ip([f"netns add {self.name}"])
        ip(
            [
                "link set lo up",
                f"link add {BRIDGE} address 02:4d:{self.number:02x}:00:00:01 type bridge mcast_snooping 0",
                f"addr add {self.table.ipv4} dev {BRIDGE}",
                f"addr add {self.table.ipv6} dev {BRIDGE} nodad",
            ],
            self.name,
        )
        with kernel.inside_net(self.name):
            kernel.probe_quickly(BRIDGE)
        ip([f"link set {BRIDGE} up"], self.name)

    def boot(self) -> None:
        """Make what is in RAM. Every device is there by now; nothing is forwarded before the agent is ready."""
        users = self.launcher.privileges.users
        (self.run / "watch").mkdir(parents=True)
        (self.run / "dnsmasq.leases").touch()
        (self.run / OPTIONS).touch()
        for path, role, group, mode in (
            (self.run, "agent", "agent", 0o755),
            (self.run / "watch", "watch", "watch", 0o700),
            # dnsmasq writes the leases, the agent may read them, nobody else may.
            (self.run / "dnsmasq.leases", "dnsmasq", "agent", 0o640),
            (self.run / OPTIONS, "agent", "agent", 0o644),
        ):
            os.chown(path, users[role], users[group])
            path.chmod(mode)
        with kernel.inside_net(self.name):
            # A new namespace has what the machine's own has.
            kernel.write_sysctl("net.ipv4.ip_forward", "0")
        self.powered = True

    def crash(self) -> None:
        """Lose the namespace with every process in it, and what was in RAM; its services are gone already."""
        self.powered = False
        for pid in kernel.run(["ip", "netns", "pids", self.name]).split():
            kernel.kill(int(pid))
        ip([f"netns del {self.name}"])
        shutil.rmtree(self.run)

    def specs(self) -> list[Spec]:
        """Its services with their sockets."""
        environment = self.launcher.environment()
        node, hub = str(ETC / "meshctl.toml"), str(ETC / "hub.toml")
        specs = [
            *([self._plain("babeld", environment, "babeld", "-c", f"{ETC}/babeld.conf")] if self.devices else []),
            replace(self._spec("agent", node, environment, (("agent", self._agent_socket()),)), then=self._set_sysctls),
            self._plain("dnsmasq", environment, *self.launcher.dnsmasq(), f"--conf-file={ETC}/dnsmasq.conf"),
            self._spec("watch", node, self.launcher.environment(str(self.run / "watch"))),
            self._spec("portal", node, environment, self._tcp(*page_ports(self.table).items())),
        ]
        if self.table.hub:
            specs.append(self._spec("hub", hub, environment, self._tcp(("hub", HUB_PORT))))
        return specs

    def _plain(self, role: str, environment: dict[str, str], *argv: str) -> Spec:
        """A service that does not say when it is ready."""
        return Spec(self.name, role, self.launcher.service(self.name, role, *argv), environment)

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

    def _set_sysctls(self) -> None:
        """Set the kernel's figures, forwarding among them: as on a board, once the firewall stands.

        Raises `LabError` where one is refused.
        """
        with kernel.inside_net(self.name):
            for line in self._sysctls.splitlines():
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
