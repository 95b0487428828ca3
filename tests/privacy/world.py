"""A network that lives through days in seconds: whole agents with files of their own, over kernels and wires of ours.

What is taken away is what a test cannot fast-forward: the kernel, TCP between nodes, and time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from meshctl.agent import main, sender
from meshctl.agent.health.babel import Surroundings
from meshctl.agent.journal import node_key
from meshctl.agent.main import _Agent
from meshctl.agent.mesh import node as mesh_node
from meshctl.agent.mesh import soon, way
from meshctl.agent.mesh.channel import Identity, Message
from meshctl.agent.mesh.sessions import Ears
from meshctl.agent.passes import Drawn, draw_verified
from meshctl.agent.purge import Purge
from meshctl.agent.sender import Sender
from meshctl.agent.store import Store
from meshctl.config import Access, Config, Fleet, HubConfig, Line, Mesh, Node, Paths, Shaping
from meshctl.hub.app import create_hub
from meshctl.hub.housekeeping import Housekeeping
from meshctl.hub.intake import Tally
from meshctl.hub.migrate import migrate
from meshctl.hub.roster import Roster as Believed
from meshctl.hub.schema import open_engine
from meshctl.hub.store import Store as HubStore
from meshctl.lists import Member, sign_roster
from meshctl.model import ClockReading, Direction
from meshctl.wire import Fact
from tests import rosters
from tests.agent.fake_kernel import FakeKernel

HOUR = 3600.0
STEP = 1800.0
BEGAN = 1_790_000_000.0


class Wire:
    """What an agent has in place of its channels; messages go through JSON, as on the real ones."""

    world: World

    def __init__(self, me: Identity, own4: str, own6: str, port: int, ears: Ears) -> None:
        self._name, self.ears = me.name, ears
        self.members: dict[str, Member] = {}
        self.met_now: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.world.wires[me.name] = self

    async def listen(self) -> Wire:
        return self

    def close(self) -> None:
        self.world.wires.pop(self._name, None)

    def meet(self, members: list[Member]) -> None:
        self.members = {member.name: member for member in members}

    def met(self, name: str, life: str) -> None:
        pass

    def up(self) -> dict[str, bool]:
        return {name: name in self.world.wires for name in self.members}

    def standing(self) -> list[dict[str, Any]]:
        return [{"name": n, "gateway": m.gateway, "hub": m.hub, "up": self.up()[n]} for n, m in self.members.items()]

    def post(self, name: str, message: Message) -> bool:
        if not self.up().get(name):
            return False
        self.world.carry(self._name, name, message)
        return True

    def reply(self, name: str, message: Message) -> None:
        self.post(name, message)

    def greet(self) -> None:
        """Open what can be opened, part with who is gone, and beat."""
        up = {name for name, is_up in self.up().items() if is_up}
        for name in self.met_now - up:
            self.ears.closed(name)
        for name in up:
            first = name not in self.met_now
            self.post(name, {**self.ears.greeting(), **({"first": True} if first else {})})
            if first:
                self.ears.opened(name, self.world.way(self._name, name))
        self.met_now = up


class WorldClock:
    """One node's clocks: monotonic since it booted, wall time right."""

    def __init__(self, world: World) -> None:
        self._world, self.booted = world, world.now

    def read(self) -> ClockReading:
        return ClockReading(30.0 + self._world.now - self.booted, BEGAN + self._world.now, trusted=True)


class Board:
    """One node: its disk, its RAM, and its agent while it has power."""

    def __init__(self, world: World, number: int, name: str) -> None:
        self.world, self.name, self.gateway = world, name, number == 1
        self.state, self.run = world.disk / name, world.ram / name
        self.state.mkdir(parents=True)
        public = rosters.text(node_key(self.state))
        plain = rosters.member(number, name)
        self.member = Member(name, number, public, plain.ipv4, plain.ipv6, gateway=self.gateway, hub=self.gateway)
        self.config = Config(
            Node(name),
            (Access("lan0", plain.ipv4, plain.ipv6),),
            line=(Line("isp", "wan0", 20.0, 20.0),) if self.gateway else (),
            paths=Paths(str(self.state), str(self.run)),
            shaping=Shaping("pfifo"),
            mesh=Mesh(("mesh0",), community=rosters.PUBLIC, roster=str(world.disk / "roster.json")),
        )
        self.agent: _Agent | None = None

    @property
    def here(self) -> _Agent:
        assert self.agent is not None
        return self.agent

    @property
    def kernel(self) -> FakeKernel:
        kernel = self.here._kernel
        assert isinstance(kernel, FakeKernel)
        return kernel

    async def power_on(self) -> None:
        """Begin as `run` does, with what is on disk."""
        self.run.mkdir(parents=True)
        self.agent = agent = _Agent(self.config, Store(self.state), WorldClock(self.world))
        agent._outlook._internet = None
        self.purge = Purge(agent._store, agent._outlook.outages, agent._clock, 60.0)
        self.purge.rules["remembered"] = agent._remembering.purge
        assert agent._mesh is not None
        agent._turns.enter_roster(agent._mesh.lists.roster)
        agent._turns.start()
        agent._pausing.settle()
        agent._keep_copy()
        await agent._mesh.start()

    def power_off(self) -> None:
        """Lose all that is in RAM; the disk is as it is at this moment, its write-ahead log and all."""
        mesh, store = self.here._mesh, self.here._store
        assert mesh is not None
        shutil.rmtree(self.run)
        shutil.copytree(self.state, self.run)
        mesh.close()
        store.close()
        shutil.rmtree(self.state)
        self.run.rename(self.state)
        self.agent = None

    async def turn(self) -> None:
        agent = self.here
        agent._settle()
        agent._turn()
        if int(self.world.now) % int(HOUR) == 0:
            await agent._report()
            await Sender("http://hub", self.name, 60.0, agent._store, agent._report)._push()
            self.purge.run()

    async def ask(self, verb: str, **words: Any) -> dict[str, Any]:
        """Ask as the portal or a steward does."""
        verbs, request = self.here._verbs, {"verb": verb, **words}
        if verb == "join":
            reply = verbs.join([request])[0]
        elif verb in verbs.slow:
            reply = await verbs.slow[verb].run(request)
        else:
            reply = verbs.table[verb].run(request)
        self.here._after_verb()
        await self.world.settle()
        return reply

    def carry(self, direction: Direction, handle: str, octets: int) -> None:
        """Have the line carry something for a household that is present."""
        marks = {home.handle: mark for mark, home in self.here._store.households_by_mark().items()}
        self.kernel.send(direction, marks[handle], octets)


class World:
    """All boards and the hub. Make it by `world`."""

    def __init__(self, disk: Path, ram: Path) -> None:
        self.disk, self.ram, self.now = disk, ram, 0.0
        self.wires: dict[str, Wire] = {}
        self._flying: deque[tuple[str, str, str]] = deque()
        Wire.world = self
        self.boards = {name: Board(self, n, name) for n, name in enumerate(("elm", "oak", "ash"), 1)}
        roster = rosters.roster(1, [board.member for board in self.boards.values()])
        (disk / "roster.json").write_bytes(sign_roster(roster, rosters.COMMUNITY))
        self._hub_store, tally = HubStore(self._engine()), Tally()
        believed = Believed(disk / "roster.json", rosters.PUBLIC, self._hub_store)
        config = HubConfig(fleet=Fleet(name="Elm Street network"))
        app = create_hub(self._hub_store, believed, config, self.wall, tally)
        self.hub_pages = app.test_client()
        self._keeping = Housekeeping(self._hub_store, believed, tally, self.wall)

    def _engine(self) -> Any:
        (self.disk / "hub").mkdir()
        engine = open_engine(f"sqlite:///{self.disk}/hub/hub.db")
        migrate(engine)
        return engine

    def wall(self) -> float:
        return BEGAN + self.now

    def take_reports(self, url: str, body: bytes) -> bytes:
        """In place of the sender's request: the real hub."""
        with self.hub_pages.post("/api/v1/reports", data=body, content_type="application/json") as reply:
            assert reply.status_code == 200, reply.data
            return bytes(reply.data)

    def carry(self, sender_name: str, to: str, message: Message) -> None:
        self._flying.append((sender_name, to, json.dumps(message)))

    def way(self, sender_name: str, to: str) -> Callable[[Message], None]:
        return lambda message: self.carry(sender_name, to, message)

    async def settle(self) -> None:
        """Deliver what flies, and what follows from it, until nothing does."""
        for _ in range(6):
            while self._flying:
                came_from, to, text = self._flying.popleft()
                if to in self.wires:
                    self.wires[to].ears.hear(came_from, json.loads(text), self.way(to, came_from))
            await asyncio.sleep(0)

    async def wait(self, seconds: float) -> None:
        """Have time pass, turn by turn."""
        ends = self.now + seconds
        while self.now < ends:
            self.now = min(ends, self.now + STEP)
            for wire in list(self.wires.values()):
                wire.greet()
            await self.settle()
            for board in self.boards.values():
                if board.agent is not None:
                    await board.turn()
            await self.settle()
            self._keeping.turn(int(self.now // STEP))

    async def power_on(self, *names: str) -> None:
        for name in names:
            await self.boards[name].power_on()
        await self.wait(2 * STEP)

    def close(self) -> None:
        for board in self.boards.values():
            if board.agent is not None:
                board.power_off()
        self._hub_store.close()

    def day_keys(self) -> set[bytes]:
        """Every living key of the day, anywhere."""
        meshes = [board.agent._mesh for board in self.boards.values() if board.agent is not None]
        return {key.secret for mesh in meshes if mesh is not None for key in mesh._ring.keys.all()}


async def _no_survey(*_: object) -> tuple[Fact, Surroundings]:
    return Fact(ok=True), Surroundings(gateway="elm", leads_out=True)


async def _no_mesh_facts(*_: object) -> tuple[dict[str, Fact], Surroundings]:
    return {}, Surroundings(gateway="elm")


@contextmanager
def world(disk: Path, ram: Path, patch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose boards have no power yet; all that any process of it logs at any level is in ``disk``/log."""
    patch.setattr(mesh_node, "Sessions", Wire)
    patch.setattr(way, "survey", _no_survey)
    patch.setattr(main, "examine_mesh", _no_mesh_facts)
    patch.setattr(soon, "_SECONDS", 0.0)
    devices = ["lan0", "mesh0", "wan0"]

    def kernel(config: Config) -> FakeKernel:
        return FakeKernel(config, devices, lambda: made.boards[config.node.name].here._clock.read().monotonic)

    patch.setattr(main, "LinuxKernel", kernel)
    heard = logging.FileHandler(disk / "log")
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    made = World(disk, ram)
    patch.setattr(sender, "post", made.take_reports)
    try:
        yield made
    finally:
        made.close()
        root.removeHandler(heard)
        root.setLevel(level)
        heard.close()


def drawn() -> Drawn:
    """A pass whose handle has a figure and a letter of no hash: others are words or numbers that stand by chance."""
    while True:
        one = draw_verified()
        if set(one.handle) & set("0123456789") and set(one.handle) - set("0123456789ABCDEF"):
            return one
