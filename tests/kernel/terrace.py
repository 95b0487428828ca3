"""A terrace: one gateway, hundreds of devices in front of it, and a line with its far end.

Every device is a macvlan with a hardware address, an IPv4 and an IPv6 address of its own, all in one
namespace, so that three hundred homes cost a second. The gateway runs the agent's own turns, in this
process, inside its namespace. Neighbour tables are filled by hand: nobody asks by ARP or ND, and what
passes by the trees can be counted to the frame.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from meshctl.agent import memory
from meshctl.agent.kernel import frame_devices
from meshctl.agent.links import offloads
from meshctl.agent.memory import Written
from meshctl.config import Access, Config, Line, Mesh, Node, Shaping
from meshctl.lab.kernel import inside_net, ip, switch_offloads, write_sysctl
from meshctl.model import Direction, Policy
from tests.kernel.agents import ACCESS, COMMUNITY, GATEWAY, ROSTER, Agent
from tests.kernel.counting import CAME, FIRST_PORT, OWN
from tests.kernel.homes import address, handle, hardware, past_of
from tests.kernel.street import ROOT, SITE4, SITE6, until

DEVICES = 300
FAR = (1, 2)
"""Numbers of the devices behind the other node; nobody has joined them here."""

FRAME, ETHERNET, TCP_HEADER = 1514, 14, 32
"""Bytes: a full frame, and of each the headers; TCP's has timestamps (RFC 7323)."""

CONGESTION = b"cubic"
"""What most machines use (RFC 9438), whatever this one does."""


@dataclass(frozen=True)
class Passed:
    """Bytes and packets as the kernel counted them: with offloads, several frames as one packet with one header."""

    size: int = 0
    packets: int = 0

    def since(self, before: Passed) -> Passed:
        """Return what came after ``before``."""
        return Passed(self.size - before.size, self.packets - before.packets)

    def frames(self, family: int) -> int:
        """Return the bytes of the frames that a wire would have carried, for TCP of that family."""
        header = ETHERNET + {4: 20, 6: 40}[family] + TCP_HEADER
        segments = -(-(self.size - self.packets * header) // (FRAME - header))
        return self.size + max(0, segments - self.packets) * header


@dataclass(frozen=True)
class Reading:
    """What had passed by device, at a moment of the monotonic clock."""

    at: float
    passed: Mapping[int, Passed]


class Terrace:
    """The namespaces, and at any time one agent at the gateway."""

    def __init__(self, folder: Path) -> None:
        self._prefix, self.folder = f"kt{uuid.uuid4().hex[:6]}-", folder
        self._hired = 0
        self.gate: Agent | None = None

    def at(self, name: str) -> str:
        """Return the namespace of a member."""
        return self._prefix + name

    def build(self, stack: ExitStack) -> None:
        """Make everything; what ``stack`` closes is gone again."""
        for name in ("isp", "gate", "homes", "far"):
            ip([f"netns add {self.at(name)}"])
            stack.callback(ip, [f"netns del {self.at(name)}"])
            ip(["link set lo up"], self.at(name))
            with inside_net(self.at(name)):
                for family in ("ipv4", "ipv6"):
                    write_sysctl(f"net.{family}.conf.all.forwarding", "1" if name == "gate" else "0")
                for scope in ("all", "default"):
                    write_sysctl(f"net.ipv4.conf.{scope}.rp_filter", "0")
                # What one measurement learned must not shape the next.
                write_sysctl("net.ipv4.tcp_no_metrics_save", "1")
        for side, device, other in (("gate", "wan0", "isp"), ("gate", "lan0", "homes"), ("gate", "mesh0", "far")):
            self._cable(side, device, other)
        self._gateway()
        self._far()
        self._devices()
        self._run("isp", "nft", "-f", "-", text=CAME)
        self._run("gate", "nft", "-f", "-", text=OWN)

    def _cable(self, left: str, device: str, right: str) -> None:
        ip([f"link add {device} netns {self.at(left)} type veth peer name eth0 netns {self.at(right)}"])
        for side, (name, end) in enumerate(((left, device), (right, "eth0")), 1):
            lines = [f"link set {end} addrgenmode none", f"link set {end} address {_end(device, side)}"]
            ip([*lines, f"link set {end} up", f"addr add fe80::{side}/64 dev {end} nodad"], self.at(name))

    def _gateway(self) -> None:
        lines = [f"addr add {SITE4}/24 dev eth0", f"addr add {SITE6}/64 dev eth0 nodad"]
        lines += ["route add 2001:db8::/32 via 2001:db8:ffff::2"]
        for own in ("198.51.100.2", "2001:db8:ffff::2"):
            lines.append(f"neigh replace {own} lladdr {_end('wan0', 1)} dev eth0 nud permanent")
        ip(lines, self.at("isp"))
        lines = ["addr add 198.51.100.2/24 dev wan0", "addr add 2001:db8:ffff::2/64 dev wan0 nodad"]
        lines += [f"addr add {GATEWAY.ipv4} dev lan0", f"addr add {GATEWAY.ipv6} dev lan0 nodad"]
        for site in (SITE4, SITE6):
            lines.append(f"neigh replace {site} lladdr {_end('wan0', 2)} dev wan0 nud permanent")
            lines.append(f"route add default via {site}")
        for number in range(1, DEVICES + 1):
            for family in (4, 6):
                lines.append(
                    f"neigh replace {address(number, family)} lladdr {hardware(number)} dev lan0 nud permanent"
                )
        ip(lines, self.at("gate"))

    def _far(self) -> None:
        """Lead to another node's prefixes, and give two addresses in each to what stands there."""
        four, six, end = ACCESS.interface4, ACCESS.interface6, _end("mesh0", 2)
        lines = [f"neigh replace {way} lladdr {end} dev mesh0 nud permanent" for way in (four.ip, "fe80::2")]
        lines.append(f"route add {four.network} via {four.ip} dev mesh0 onlink")
        ip([*lines, f"route add {six.network} via fe80::2 dev mesh0"], self.at("gate"))
        lines = []
        for way in (GATEWAY.interface4.ip, "fe80::1"):
            lines.append(f"neigh replace {way} lladdr {_end('mesh0', 1)} dev eth0 nud permanent")
            lines.append(f"route add default via {way} dev eth0 onlink")
        for number in FAR:
            lines += [f"addr add {address(number, 4, ACCESS)}/32 dev lo"]
            lines += [f"addr add {address(number, 6, ACCESS)}/128 dev lo nodad"]
        ip(lines, self.at("far"))

    def _devices(self) -> None:
        lines: list[str] = []
        for number in range(1, DEVICES + 1):
            name = f"d{number}"
            lines.append(f"link add link eth0 name {name} address {hardware(number)} type macvlan mode private")
            lines += [f"link set {name} addrgenmode none", f"link set {name} up"]
            for family, router in ((4, GATEWAY.interface4.ip), (6, "fe80::1")):
                whole = "/32" if family == 4 else "/128 nodad"
                lines.append(f"addr add {address(number, family)}{whole} dev {name}")
                lines.append(f"neigh replace {router} lladdr {_end('lan0', 1)} dev {name} nud permanent")
                lines.append(f"route add default via {router} dev {name} onlink metric {number}")
        ip(lines, self.at("homes"))

    def _run(self, name: str, *words: str, text: str = "") -> str:
        whole = ["ip", "netns", "exec", self.at(name), *words]
        return subprocess.run(whole, input=text, capture_output=True, text=True, check=True, timeout=30).stdout

    def at_gate(self, words: str, text: str = "") -> str:
        """Run a program at the gateway, with that input, and return what it printed."""
        return self._run("gate", *words.split(), text=text)

    def offloads(self, *, on: bool) -> None:
        """Have every cable carry frames as a wire would, or several as one (GSO, TSO, GRO)."""
        for name, devices in (("isp", ["eth0"]), ("gate", ["wan0", "lan0", "mesh0"]), ("homes", ["eth0"])):
            with inside_net(self.at(name)):
                for device in devices:
                    switch_offloads(device, on=on)

    def lengthen(self, *, far: bool) -> None:
        """Have TCP make packets as on a way of more than half a millisecond, or as on one of no length."""
        for name in ("isp", "homes"):
            with inside_net(self.at(name)):
                write_sysctl("net.ipv4.tcp_tso_rtt_log", "0" if far else "9")

    def flow(self, number: int, family: int) -> socket.socket:
        """Begin a TCP connection of a device to its port at the far end."""
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        with inside_net(self.at("homes")):
            channel = socket.socket(kind, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, f"d{number}".encode())
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION)
        channel.bind((address(number, family), 0))
        channel.connect_ex((SITE4 if family == 4 else SITE6, FIRST_PORT + number))
        return channel

    def arrived(self) -> dict[Direction, Reading]:
        """Return what reached each device so far, and what of it reached the far end."""
        with inside_net(self.at("homes")):
            text = Path("/proc/thread-self/net/dev").read_text(encoding="ascii")
        rows = [line.strip().partition(":") for line in text.splitlines() if line.strip().startswith("d")]
        down = Reading(time.monotonic(), {int(n[1:]): Passed(*map(int, row.split()[:2])) for n, _, row in rows})
        began = time.monotonic()
        listing = json.loads(self._run("isp", "nft", "-j", "list", "set", "inet", "came", "up"))["nftables"][1]["set"]
        up: dict[int, Passed] = {}
        for entry in listing.get("elem", []):
            counter = entry["elem"]["counter"]
            whole = counter["bytes"] + ETHERNET * counter["packets"]
            up[entry["elem"]["val"] - FIRST_PORT] = Passed(whole, counter["packets"])
        return {"down": down, "up": Reading((began + time.monotonic()) / 2, up)}

    def settle(self) -> None:
        """Wait until no packet waits at the gateway any more."""
        until(lambda: all(line.split()[1] == "0b" for line in self._backlogs()))

    def _backlogs(self) -> list[str]:
        return [line for line in self.at_gate("tc -s qdisc show").splitlines() if line.startswith(" backlog")]

    def hire(
        self,
        mbit: float,
        *,
        meshed: bool = False,
        started: bool = True,
        levels: Mapping[int, int] | None = None,
        policy: Policy | None = None,
    ) -> Agent:
        """Put a new agent in charge of a line of that capacity, in place of the one before.

        It knows every home there could be, and remembers such use of some that they are at these ``levels``. A
        ``meshed`` gateway has two devices that face neighbours, so that their tree is on an IFB.
        """
        self.dismiss()
        self._hired += 1
        config = Config(
            Node("gate"),
            (Access("lan0", GATEWAY.ipv4, GATEWAY.ipv6),),
            line=(Line("isp", "wan0", mbit, mbit),),
            shaping=Shaping("pfifo"),
            policy=policy or Policy(),
            mesh=Mesh(("mesh0",), community=COMMUNITY) if meshed else Mesh(),
        )
        agent = self.gate = Agent(self.at("gate"), config, self.folder / f"gate{self._hired}")
        with agent.store.transaction():
            rows = [(number, handle(number), 1, 0, 0, b"", b"") for number in range(1, DEVICES + 1)]
            agent.store.connection.executemany("INSERT INTO household VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            if levels:
                written = Written(agent.store.current_boot(), agent.clock.read().monotonic, None)
                memory.write(agent.store.connection, "isp", None, past_of(config, levels), written)
        if meshed:
            agent.enter(ROSTER)
        agent.turns.merged = agent.do(lambda: offloads(frame_devices(config)))
        if started:
            agent.do(agent.turns.start)
        return agent

    def dismiss(self) -> None:
        """Have the agent end; what it put into the kernel stays."""
        if self.gate is not None:
            self.gate.store.close()
        self.gate = None

    def clear(self) -> None:
        """Take everything of any agent out of the gateway's kernel."""
        self.dismiss()
        for words in ("nft delete table inet meshctl", "tc qdisc del dev lan0 root", "tc qdisc del dev wan0 root",
                      "tc qdisc del dev lan0 clsact", "tc qdisc del dev mesh0 clsact", "ip link del meshctl-down",
                      "conntrack -F"):  # fmt: skip
            subprocess.run(["ip", "netns", "exec", self.at("gate"), *words.split()], capture_output=True, check=False)


def _end(device: str, side: int) -> str:
    return f"02:ff:00:{('wan0', 'lan0', 'mesh0').index(device):02x}:00:{side:02x}"


@contextmanager
def raised(folder: Path) -> Iterator[Terrace]:
    """A terrace with its far end; nothing of it is left afterwards."""
    with ExitStack() as stack:
        terrace = Terrace(folder)
        stack.callback(terrace.dismiss)
        terrace.build(stack)
        far_end = str(ROOT / "tests" / "kernel" / "far_end.py")
        server = subprocess.Popen(["ip", "netns", "exec", terrace.at("isp"), sys.executable, far_end, CONGESTION])
        stack.callback(server.wait)
        stack.callback(server.kill)
        until(_listens(terrace))
        yield terrace


def _listens(terrace: Terrace) -> Callable[[], bool]:
    def answers() -> bool:
        with inside_net(terrace.at("isp")):
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with probe:
            return probe.connect_ex((SITE4, 80)) == 0

    return answers
