"""Boards in memory over fake kernels and a clock that runs for months: who remembers whom, and what disks hold."""

from __future__ import annotations

import base64
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nacl.signing import SigningKey

from meshctl.agent.members import Members
from meshctl.agent.mesh.addresses import Addresses
from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.circle import Place
from meshctl.agent.mesh.keyring import Keyring
from meshctl.agent.mesh.membership import Membership
from meshctl.agent.mesh.sessions import Post
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.remember_verbs import RememberVerbs
from meshctl.agent.remembering import Remembering
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.verbs import Verbs
from meshctl.agent.views import Views
from meshctl.lists import Member
from meshctl.model import ClockReading
from meshctl.settings import Node, Paths
from tests.agent.fake_kernel import FakeKernel
from tests.agent.test_tick import CONFIG

HOUR, DAY = 3600.0, 86_400.0
BEGAN = 1_790_000_000.0
PHONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
ADDRESSES = {PHONE: "10.44.4.11", OTHER: "10.44.4.12"}


class Circle:
    """What a board has of the others: nothing while its links are cut."""

    def __init__(self, board: Board, membership: Membership) -> None:
        self._board, self.membership = board, membership
        self.hears: dict[str, Callable[[str, Message, Post], None]] = {}
        self.says: list[Callable[[str, Post], None]] = []

    def place(self) -> Place:
        world = self._board.world
        hub = world.hub
        keeper = None if hub == self._board.name else world.boards[hub].member
        return Place(self._board.name, tuple(world.boards), keeper)

    def post(self, name: str, message: Message) -> bool:
        return self._board.world.carry(self._board.name, name, message)

    def post_all(self, message: Message) -> None:
        for name in self._board.world.boards:
            if name != self._board.name:
                self.post(name, message)

    def listen(self, kind: str, hear: Callable[[str, Message, Post], None]) -> None:
        self.hears[kind] = hear

    def greet(self, say: Callable[[str, Post], None]) -> None:
        self.says.append(say)


class Clock:
    """One board's clocks: the monotonic one since its boot, the wall clock only where it has one."""

    def __init__(self, world: World, *, has_wall: bool) -> None:
        self._world, self.has_wall, self.booted = world, has_wall, world.now

    def read(self) -> ClockReading:
        passed = self._world.now - self.booted
        wall = BEGAN + self._world.now if self.has_wall else passed
        return ClockReading(10.0 + passed, wall, trusted=self.has_wall)


class Board:
    """One node: everything between its socket and its kernel."""

    def __init__(self, world: World, name: str, *, has_wall: bool, alone: bool = False) -> None:
        self.world, self.name, self.alone = world, name, alone
        self.state, self.run = world.folder / name, world.folder / f"{name}.run"
        self.state.mkdir()
        self.key, self.clock, self.is_on = SigningKey.generate(), Clock(world, has_wall=has_wall), False
        public = base64.b64encode(bytes(self.key.verify_key)).decode()
        self.member = Member(name, len(world.boards) + 1, public, "10.44.4.1/22", "2001:db8:4::1/64")
        self.boots = 0
        self.power_on()

    def power_on(self) -> None:
        """Begin with what is on disk, and nothing of what was in RAM."""
        self.clock.booted, self.is_on = self.world.now, True
        self.boots += 1
        shutil.rmtree(self.run, ignore_errors=True)
        self.run.mkdir()
        self.start()

    def restart(self) -> None:
        """Have the agent begin anew in the same boot, with what it left in RAM."""
        self.members.save(self.run / "devices.json")
        self.store.close()
        self.start()

    def start(self) -> None:
        """Wire an agent's parts, as `meshctl.agent.main` does."""
        config = replace(CONFIG, node=Node(self.name), paths=Paths(str(self.state), str(self.state)))
        self.store = Store(self.state)
        self.store.boot(f"life {self.boots}")
        now = self.clock.read().monotonic
        self.members, self.day_keys = Members(), Keyring(self.run, now)
        self.members.load(self.run / "devices.json", now)
        self.kernel = FakeKernel(config, ["lan0", "mesh0", "wan0"], lambda: self.clock.read().monotonic)
        self.kernel.around = {address: hardware for hardware, address in ADDRESSES.items()}
        self.turns = Reconciler(config, self.kernel, self.store, self.members, self.clock)
        parts = (self.store, self.members, self.turns)
        networks = Addresses([CONFIG.access[0].interface4.network])
        self.shelf = Shelf(self.store)
        membership = Membership(
            self.name, self.day_keys.keys, (self.shelf.records(now), []), parts, networks, self._tell, lambda: None
        )
        self.circle = Circle(self, membership)
        views = Views(config, parts, self.clock)
        mesh: Any = None if self.alone else SimpleNamespace(membership=membership)
        self.verbs = Verbs(config, self.kernel, parts, self.clock, views, mesh)
        circle = None if self.alone else self.circle
        self.remembering = Remembering(config, self.kernel, parts, self.clock, self.key, circle)
        RememberVerbs(config, self.kernel, parts, self.clock, views, self.remembering, circle).attach(self.verbs)
        self.turns.start()
        membership.adopt(now)

    def power_off(self) -> None:
        """Lose all that is in RAM."""
        self.store.close()
        self.is_on = False

    def ask(self, verb: str, phone: str = PHONE, **more: str) -> dict[str, Any]:
        """Ask as the portal does."""
        request = {"address": ADDRESSES[phone], **more}
        return self.verbs.join([request])[0] if verb == "join" else self.verbs.table[verb].run(request)

    def see(self, *phones: str) -> set[str]:
        """Have the watch see devices; return whom the kernel lets through."""
        self.verbs.seen({phone: [ADDRESSES[phone]] for phone in phones})
        return self.online()

    def online(self) -> set[str]:
        """Whom the kernel lets through."""
        return set(self.kernel.read().table.members)

    def turn(self) -> None:
        """Do what a turn of the loop does."""
        self.turns.tick()
        now, membership = self.clock.read().monotonic, self.circle.membership
        if self.day_keys.turn(self.name, list(self.world.boards), now):
            self.keys_changed()
        membership.turn({}, now)
        membership.keep(self.shelf, now, all_keys_known=now > 30 * HOUR)
        self.remembering.turn()
        self.remembering.purge()

    def keys_changed(self) -> None:
        """Tell the others of new keys of the day, and look at everybody again."""
        now = self.clock.read().monotonic
        self._tell({"kind": "keys", "keys": self.day_keys.keys.offer([], now)})
        self.circle.membership.keys_changed(now)

    def hear(self, sender: str, message: Message, post: Post) -> None:
        """Take a message in as `meshctl.agent.mesh.node` does."""
        now, kind = self.clock.read().monotonic, message["kind"]
        if kind == "devices":
            owner = self.name if message.get("yours") else sender
            self.circle.membership.heard(owner, message["records"], 720 * HOUR, now)
        elif kind == "keys":
            if self.day_keys.accept(message["keys"], now):
                self.keys_changed()
        elif kind in self.circle.hears:
            self.circle.hears[kind](sender, message, post)

    def greet(self, other: str, post: Post) -> None:
        """Say everything to a board that is reached anew."""
        now, membership = self.clock.read().monotonic, self.circle.membership
        post({"kind": "keys", "keys": self.day_keys.keys.offer([], now)})
        post({"kind": "devices", "records": membership.told(now)})
        post({"kind": "devices", "yours": True, "records": membership.told_of(other, now)})
        for say in self.circle.says:
            say(other, post)

    def keys_on_disk(self) -> list[str]:
        """The keys on this board's disk."""
        return sorted(file.stem for file in self.state.glob("remember-keys/*.key"))

    def disk(self) -> bytes:
        """Every byte of every file on this board's disk."""
        self.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        return b"".join(file.read_bytes() for file in sorted(self.state.rglob("*")) if file.is_file())

    def _tell(self, message: Message) -> None:
        for name in self.world.boards:
            if name != self.name:
                self.world.carry(self.name, name, message)


class World:
    """All boards; ``cut`` are those that reach nobody. With ``late`` messages wait for `drain`."""

    def __init__(self, folder: Path, *names: str, walls: bool = True) -> None:
        self.folder, self.now, self.hub = folder, 0.0, names[0]
        self.boards: dict[str, Board] = {}
        self.cut: set[str] = set()
        self.late: random.Random | None = None
        self.queues: dict[tuple[str, str], list[Message]] = {}
        for name in names:
            self.boards[name] = Board(self, name, has_wall=walls, alone=len(names) == 1)
        self.meet()
        self.wait(20.0, 5.0)

    def carry(self, sender: str, to: str, message: Message) -> bool:
        """Bring a message to a board that is reached, as JSON, and its answers back."""
        board = self.boards.get(to)
        if board is None or not board.is_on or self.cut & {sender, to}:
            return False
        message = json.loads(json.dumps(message))
        if self.late is None:
            board.hear(sender, message, self._way(to, sender))
        else:
            self.queues.setdefault((sender, to), []).append(message)
        return True

    def drain(self) -> None:
        """Deliver what is on its way, in any order in which each board's messages to another keep theirs."""
        while waiting := [way for way, queue in self.queues.items() if queue]:
            assert self.late is not None
            sender, to = self.late.choice(sorted(waiting))
            message = self.queues[sender, to].pop(0)
            if self.boards[to].is_on and not self.cut & {sender, to}:
                self.boards[to].hear(sender, message, self._way(to, sender))

    def meet(self) -> None:
        """Have every pair of boards reach each other anew."""
        self.queues.clear()
        up = [board for board in self.boards.values() if board.is_on and board.name not in self.cut]
        for one in up:
            for other in up:
                if one is not other:
                    one.greet(other.name, self._way(one.name, other.name))

    def _way(self, sender: str, to: str) -> Post:
        def post(message: Message) -> None:
            self.carry(sender, to, message)

        return post

    def wait(self, seconds: float, step: float = 12 * HOUR) -> None:
        """Have time pass, with turns of whoever has power."""
        ends = self.now + seconds
        while self.now < ends:
            self.now = min(ends, self.now + step)
            for board in self.boards.values():
                if board.is_on:
                    board.turn()

    def power_cut(self, off_for: float = 60.0) -> None:
        """Take the power from every board at once; nothing in RAM is left anywhere."""
        for board in self.boards.values():
            board.power_off()
        self.now += off_for
        for board in self.boards.values():
            board.power_on()
        self.meet()


@contextmanager
def world_of(folder: Path, *names: str, walls: bool = True) -> Iterator[World]:
    """A world until the block ends."""
    world = World(folder, *names, walls=walls)
    try:
        yield world
    finally:
        for board in world.boards.values():
            if board.is_on:
                board.store.close()
        shutil.rmtree(folder)
