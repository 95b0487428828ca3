"""The shapes of the configuration: what a volunteer may set, with what holds when he does not."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from meshctl.model import Capacity, MeshctlError, Policy


class ConfigError(MeshctlError):
    """The configuration cannot be used; the text names file, key and remedy."""

    exit_code = 2

    def __init__(self, file: Path | str, key: str, fault: str, remedy: str) -> None:
        self.file, self.key, self.fault, self.remedy = str(file), key, fault, remedy
        super().__init__(f"{file}: {key}: {fault}. {remedy}")


@dataclass(frozen=True)
class Network:
    """What the whole network is called on its pages."""

    name: str = "Neighbourhood network"


@dataclass(frozen=True)
class Node:
    """This board. ``name`` is unique in the network."""

    name: str


@dataclass(frozen=True)
class Paths:
    """``state`` is on disk and kept; ``run`` is on tmpfs and may be lost."""

    state: str = "/var/lib/meshctl"
    run: str = "/run/meshctl"


@dataclass(frozen=True)
class Access:
    """A device that faces neighbours, with this node's own address in each prefix."""

    device: str
    ipv4: str
    ipv6: str
    open_ports: tuple[int, ...] = ()

    @property
    def interface4(self) -> ipaddress.IPv4Interface:
        """The node's IPv4 address with its prefix."""
        return ipaddress.IPv4Interface(self.ipv4)

    @property
    def interface6(self) -> ipaddress.IPv6Interface:
        """The node's IPv6 address with its prefix."""
        return ipaddress.IPv6Interface(self.ipv6)


@dataclass(frozen=True)
class Line:
    """An uplink with a capacity, in Mbit/s of frames (10^6 bit/s, Ethernet header included)."""

    name: str
    device: str
    down_mbit: float
    up_mbit: float
    masquerade: bool = True

    @property
    def capacity(self) -> Capacity:
        """The configured capacity in bytes per second."""
        return Capacity(down=self.down_mbit * 125_000, up=self.up_mbit * 125_000)


@dataclass(frozen=True)
class Portal:
    """Where neighbours' pages are. ``host`` is a name that this node's resolver answers.

    Without ``splash`` whoever comes is let in, and no button is shown. ``certificate``, a PEM file with its whole
    chain, and ``key`` open a door of TLS on ``https_port``. ``reachable`` is what visitors may use: ``name:port``.

    ``help`` says whom to ask, ``help_place`` where and when; both stand on every page as they are written. Without
    them the pages say, in the reader's language, to ask who hosts the box.
    """

    host: str = "mesh.home"
    port: int = 80
    redirect_port: int = 8080
    splash: bool = True
    certificate: str = ""
    key: str = ""
    https_port: int = 443
    reachable: tuple[str, ...] = ()
    help: str = ""
    help_place: str = ""


@dataclass(frozen=True)
class Session:
    """How long a device stays joined without asking again, in hours."""

    guest_hours: float = 24.0
    household_hours: float = 720.0


@dataclass(frozen=True)
class Shaping:
    """How leaves queue, and what one packet is.

    ``leaf`` ``auto`` takes fq_codel where the kernel has it, else a short FIFO. ``offloads`` ``auto`` has frames
    come one by one where the line is slow enough for any board to forward them so; ``keep`` leaves devices as they are.
    """

    leaf: str = "auto"
    offloads: str = "auto"


@dataclass(frozen=True)
class Report:
    """Where health reports go and how often. An empty ``hub`` sends none."""

    hub: str = ""
    seconds: float = 60.0


@dataclass(frozen=True)
class Users:
    """Which system users the local socket knows: names, or numbers written as text."""

    agent: str = "meshctl-agent"
    portal: str = "meshctl-portal"
    watch: str = "meshctl-watch"


@dataclass(frozen=True)
class Resolver:
    """Where this node's resolver asks; empty means what the system's resolv.conf says."""

    upstream: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mesh:
    """The links to other nodes, and whom this node believes.

    ``devices`` face other nodes; babeld routes over them. ``community`` is the base64 of the
    community's Ed25519 public key; ``roster`` the file of the signed roster, which the agent reads
    again when it changes. Agents talk to each other on TCP ``port``. ``hello_seconds`` is how often
    babeld greets its neighbours, ``wireless`` what kind of links these are.
    """

    devices: tuple[str, ...] = ()
    wireless: bool = False
    hello_seconds: float = 4.0
    port: int = 4450
    community: str = ""
    roster: str = "/etc/meshctl/roster.json"
    babel_port: int = 33123


@dataclass(frozen=True)
class Config:
    """Everything the agent, the watch and the portal of one node need to know."""

    node: Node
    access: tuple[Access, ...]
    network: Network = field(default_factory=Network)
    paths: Paths = field(default_factory=Paths)
    line: tuple[Line, ...] = ()
    portal: Portal = field(default_factory=Portal)
    session: Session = field(default_factory=Session)
    policy: Policy = field(default_factory=Policy)
    shaping: Shaping = field(default_factory=Shaping)
    report: Report = field(default_factory=Report)
    users: Users = field(default_factory=Users)
    resolver: Resolver = field(default_factory=Resolver)
    mesh: Mesh = field(default_factory=Mesh)
    file: str = ""

    @property
    def socket(self) -> Path:
        """The agent's local socket."""
        return Path(self.paths.run) / "agent.sock"


@dataclass(frozen=True)
class Fleet:
    """The network's name, whom the hub believes, and phones' prefixes, which see the public page only.

    ``community`` is the base64 of the community's Ed25519 public key; ``roster`` the file of the signed
    roster, by default where the agent of the hub's own board puts the newest one.
    """

    name: str = "Neighbourhood network"
    roster: str = "/run/meshctl/roster.json"
    community: str = ""
    help: str = "Ask the neighbour who hosts the nearest box."
    neighbours: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listen:
    """Addresses as ``host:port``, IPv6 in brackets."""

    addresses: tuple[str, ...] = ("127.0.0.1:8090",)


@dataclass(frozen=True)
class Database:
    """A SQLAlchemy URL: SQLite on a board, PostgreSQL in a city."""

    url: str = "sqlite:////var/lib/meshctl-hub/hub.db"


@dataclass(frozen=True)
class HubConfig:
    """Everything the hub needs to know."""

    fleet: Fleet = field(default_factory=Fleet)
    listen: Listen = field(default_factory=Listen)
    database: Database = field(default_factory=Database)
    file: str = ""
