"""A small mesh with static routes: phones, an access node, a gateway, a third node, and the internet.

The gateway and the access node run the agent's own turns, in this process, inside their namespaces. The
third node is a plain router: whatever address it sends from, nobody has announced it.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from meshctl.lab.kernel import inside_net, ip, switch_offloads_off, write_sysctl
from meshctl.lab.traffic import counters
from meshctl.lists import Member
from tests.kernel.agents import ACCESS, GATEWAY, ROSTER, THIRD, Agent, config_of

ROOT = Path(__file__).resolve().parent.parent.parent
SITE4, SITE6 = "198.51.100.1", "2001:db8:ffff::1"


@dataclass(frozen=True)
class Spot:
    """Where a datagram begins or ends; a link-local address needs its device."""

    address: str
    port: int
    device: str = ""

    def socket(self) -> socket.socket:
        """Return a bound socket, in the namespace of this moment."""
        channel = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        channel.bind((self.address, self.port, 0, socket.if_nametoindex(self.device) if self.device else 0))
        return channel


class Street:
    """The namespaces and the two agents. Names are this street's own; ``radio0`` is not plugged in."""

    def __init__(self, folder: Path) -> None:
        self._prefix, self.folder = f"kt{uuid.uuid4().hex[:6]}-", folder
        self.gate = Agent(self.at("gate"), config_of(GATEWAY, "mesh0", "mesh1", "radio0"), folder / "gate")
        self.access = Agent(self.at("access"), config_of(ACCESS, "mesh0"), folder / "access")

    def at(self, name: str) -> str:
        """Return the namespace of a member."""
        return self._prefix + name

    def build(self, stack: ExitStack) -> None:
        """Make everything; what ``stack`` closes is gone again."""
        for name in ("isp", "gate", "access", "third", "near", "far", "other"):
            ip([f"netns add {self.at(name)}"])
            stack.callback(ip, [f"netns del {self.at(name)}"])
            ip(["link set lo up"], self.at(name))
            with inside_net(self.at(name)):
                for family in ("ipv4", "ipv6"):
                    write_sysctl(f"net.{family}.conf.all.forwarding", "1" if name not in PHONES else "0")
        self._cable("isp", "eth0", "gate", "wan0")
        self._cable("gate", "mesh0", "access", "mesh0")
        self._cable("gate", "mesh1", "third", "mesh0")
        for one in (GATEWAY, ACCESS):
            door = ["link add lan0 type bridge", "link set lan0 addrgenmode none", "addr add fe80::1/64 dev lan0 nodad"]
            door += [f"addr add {one.ipv4} dev lan0", f"addr add {one.ipv6} dev lan0 nodad"]
            ip([*door, "link set lan0 up"], self.at(one.name))
        for number, (phone, one) in enumerate(PHONES.items()):
            self._phone(phone, one, 10 + number)
        self._routes()

    def _cable(self, left: str, device: str, right: str, other: str) -> None:
        ends = ((left, device), (right, other))
        ip([f"link add {device} netns {self.at(left)} type veth peer name {other} netns {self.at(right)}"])
        for side, (name, end) in enumerate(ends, 1):
            # A link-local address that stands at once: the kernel's own would be on probation for a second.
            lines = [
                f"link set {end} addrgenmode none",
                f"link set {end} up",
                f"addr add fe80::{side}/64 dev {end} nodad",
            ]
            ip(lines, self.at(name))
            with inside_net(self.at(name)):
                switch_offloads_off(end)

    def _phone(self, phone: str, one: Member, host: int) -> None:
        self._cable(one.name, f"p{host}", phone, "eth0")
        ip([f"link set p{host} master lan0"], self.at(one.name))
        four, six = addresses(one, host)
        lines = [f"link set eth0 address {HARDWARE[phone]}", f"addr add {four}/22 dev eth0"]
        lines += [f"addr add {six}/64 dev eth0 nodad", f"route add default via {one.interface4.ip}"]
        ip([*lines, f"route add default via {one.interface6.ip}"], self.at(phone))

    def _routes(self) -> None:
        ip([f"addr add {SITE4}/24 dev eth0", f"addr add {SITE6}/64 dev eth0 nodad"], self.at("isp"))
        ip(["route add 2001:db8::/32 via 2001:db8:ffff::2"], self.at("isp"))
        lines = ["addr add 198.51.100.2/24 dev wan0", "addr add 2001:db8:ffff::2/64 dev wan0 nodad"]
        ip([*lines, f"route add default via {SITE4}", f"route add default via {SITE6}"], self.at("gate"))
        own = THIRD.interface4.ip, THIRD.interface6.ip
        stray = [f"addr add {a} dev lo" for a in (*own, *addresses(THIRD, 9), "10.99.0.9", "2001:db8:99::9")]
        ip([f"{line} nodad" if ":" in line.split()[2] else line for line in stray], self.at("third"))
        for one, link in ((ACCESS, "mesh0"), (THIRD, "mesh1")):
            lines = [f"route add {one.interface4.network} via {one.interface4.ip} dev {link} onlink"]
            ip([*lines, f"route add {one.interface6.network} via fe80::2 dev {link}"], self.at("gate"))
            lines = [f"route add default via {GATEWAY.interface4.ip} dev mesh0 onlink src {one.interface4.ip}"]
            ip([*lines, f"route add default via fe80::1 dev mesh0 src {one.interface6.ip}"], self.at(one.name))

    def run(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program in a member's namespace and return what came of it."""
        whole = ["ip", "netns", "exec", self.at(name), *words]
        return subprocess.run(whole, capture_output=True, text=True, check=False, timeout=30)

    def received(self, name: str) -> int:
        """Bytes of frames that came in at a member's eth0."""
        return counters([self.at(name)])[self.at(name)][0]

    def reaches(self, name: str, address: str, source: str = "") -> bool:
        """Say whether a ping is answered."""
        origin = ["-I", source] if source else []
        return self.run(name, "ping", "-n", "-c1", "-W1", *origin, address).returncode == 0

    def flow(self, name: str, address: str, source: str = "") -> socket.socket:
        """Begin to take bytes from the far end. Raises `OSError`."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside_net(self.at(name)):
            channel = socket.socket(family, socket.SOCK_STREAM)
        try:
            channel.settimeout(1)
            if source:
                channel.bind((source, 0))
            channel.connect((address, 80))
            channel.sendall(b"GET /bytes HTTP/1.1\r\n\r\n")
        except OSError:
            channel.close()
            raise
        return channel

    @contextmanager
    def listens(self, name: str, *ports: int) -> Iterator[None]:
        """Have a member take TCP connections at these ports."""
        with ExitStack() as stack, inside_net(self.at(name)):
            for port in ports:
                listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=2048)
                stack.enter_context(listener)  # nobody takes them out of the queue, not even those that ended
            yield

    def connects(self, name: str, address: str, port: int, source: str = "") -> bool:
        """Say whether a TCP connection is taken."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside_net(self.at(name)):
            channel = socket.socket(family, socket.SOCK_STREAM)
        with channel:
            channel.settimeout(1)
            channel.bind((source, 0))
            return channel.connect_ex((address, port)) == 0

    def hears(self, name: str, ear: Spot, sender: str, mouth: Spot) -> bool:
        """Say whether a datagram from a spot at ``sender`` arrives at a spot of ``name``."""
        with inside_net(self.at(name)):
            listening = ear.socket()
        with inside_net(self.at(sender)):
            talking = mouth.socket()
            scope = socket.if_nametoindex(mouth.device) if mouth.device else 0
        with listening, talking:
            listening.settimeout(0.5)
            talking.sendto(b"hello", (ear.address, ear.port, 0, scope))
            with suppress(OSError):
                return listening.recv(100) == b"hello"
        return False

    def fetches(self, name: str, address: str, size: int, source: str = "") -> int:
        """Take that many bytes and return how many came before the flow ended or stood still for a second."""
        try:
            channel = self.flow(name, address, source)
        except OSError:
            return 0
        with channel:
            return receive(channel, size)

    def settle(self) -> None:
        """Wait until nothing moves at the gateway any more."""
        seen: list[list[int]] = []

        def rests() -> bool:
            trees = self.gate.do(self.gate.kernel.read).trees.values()
            seen.append([shown.count.sent for tree in trees for shown in tree.classes.values()])
            return len(seen) > 3 and all(one == seen[-1] for one in seen[-3:])

        until(rests)

    def asks(self, name: str, address: str, path: str = "/address") -> str:
        """Fetch a page of the far end, empty where that fails."""
        host = f"[{address}]" if ":" in address else address
        words = ["curl", "--globoff", "-s", "-m", "3", "--http0.9", f"http://{host}{path}"]
        return self.run(name, *words).stdout

    def begin(self) -> None:
        """Start both agents with the roster, nobody joined and nothing announced."""
        for agent in (self.gate, self.access):
            agent.enter(ROSTER)
            agent.do(agent.turns.start)

    def reset(self) -> None:
        """Bring both agents back to the roster, with nobody joined, announced or seen."""
        for agent in (self.gate, self.access):
            for device in agent.members.all():
                agent.members.leave(device.hardware)
            agent.enter(ROSTER)
            agent.announce({})
        self.settle()
        for agent in (self.gate, self.access):
            agent.tick()
            agent.turns._strange.clear()
            agent.tick()

    def close(self) -> None:
        """Close the agents' stores."""
        self.gate.store.close()
        self.access.store.close()


PHONES = {"near": GATEWAY, "far": ACCESS, "other": ACCESS}
HARDWARE = {phone: f"02:00:00:00:00:{number:02x}" for number, phone in enumerate(PHONES, 1)}


def addresses(one: Member, host: int) -> tuple[str, str]:
    """Return the addresses of that number in a node's prefixes."""
    four, six = one.interface4.network.network_address, one.interface6.network.network_address
    return str(four + host), str(six + host)


ADDRESSES = {phone: addresses(one, 10 + number) for number, (phone, one) in enumerate(PHONES.items())}


def until(claim: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a claim holds, and fail when it never does."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def receive(channel: socket.socket, size: int) -> int:
    """Take that many bytes and return how many came before the flow ended or stood still for a second."""
    got = 0
    with suppress(OSError):
        while got < size and (piece := channel.recv(65536)):
            got += len(piece)
    return got


@contextmanager
def raised(folder: Path) -> Iterator[Street]:
    """A street that runs, with its far end; nothing of it is left afterwards."""
    with ExitStack() as stack:
        street = Street(folder)
        stack.callback(street.close)
        street.build(stack)
        for name in ("isp", "third"):
            far_end = str(ROOT / "tests" / "kernel" / "far_end.py")
            server = subprocess.Popen(["ip", "netns", "exec", street.at(name), sys.executable, far_end])
            stack.callback(server.wait)
            stack.callback(server.kill)
        street.begin()
        until(lambda: bool(street.asks("isp", SITE4) and street.asks("third", str(THIRD.interface4.ip))))
        yield street
