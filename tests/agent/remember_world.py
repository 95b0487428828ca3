"""Boards in memory over fake kernels and a clock that runs for months: who remembers whom, and what disks hold."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from meshctl.agent.members import Members
from meshctl.agent.mesh.addresses import Addresses
from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.circle import Place
from meshctl.agent.mesh.daykeys import DayKeys
from meshctl.agent.mesh.membership import Membership
from meshctl.agent.mesh.sessions import Post
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
        self.state = world.folder / name
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
        config = replace(CONFIG, node=Node(self.name), paths=Paths(str(self.state), str(self.state)))
        self.store = Store(self.state)
        self.store.boot(f"life {self.boots}")
        self.members, self.day_keys = Members(), DayKeys()
        self.kernel = FakeKernel(config, ["lan0", "mesh0", "wan0"], lambda: self.clock.read().monotonic)
        self.kernel.around = {address: hardware for hardware, address in ADDRESSES.items()}
        self.turns = Reconciler(config, self.kernel, self.store, self.members, self.clock)
        parts = (self.store, self.members, self.turns)
        networks = Addresses([CONFIG.access[0].interface4.network])
        membership = Membership(self.name, self.day_keys, ([], []), parts, networks, self._tell, lambda: None)
        self.circle = Circle(self, membership)
        views = Views(config, parts, self.clock)
        self.verbs = Verbs(config, self.kernel, parts, self.clock, views)
        circle = None if self.alone else self.circle
        self.remembering = Remembering(config, self.kernel, parts, self.clock, self.key, circle)
        RememberVerbs(config, self.kernel, parts, self.clock, views, self.remembering, circle).attach(self.verbs)
        self.turns.start()

    def power_off(self) -> None:
        """Lose all that is in RAM."""
        self.store.close()
        self.is_on = False

    def ask(self, verb: str, phone: str = PHONE, **more: str) -> dict[str, Any]:
        """Ask as the portal does, and have the other boards hear of who leaves as an agent's mesh has them."""
        request = {"address": ADDRESSES[phone], **more}
        was, now = self.members.get(phone), self.clock.read().monotonic
        reply = self.verbs.join([request])[0] if verb == "join" else self.verbs.table[verb].run(request)
        if verb == "leave" and was is not None and not self.alone:
            self.circle.membership.left(was, now)
        if verb == "join" and not self.alone:
            self.circle.membership.joined([device for device in [self.members.get(phone)] if device], {}, now)
        return reply

    def see(self, *phones: str) -> set[str]:
        """Have the watch see devices; return whom the kernel lets through."""
        self.verbs.seen({phone: [ADDRESSES[phone]] for phone in phones})
        membership = self.circle.membership
        let_in = [device for phone in phones if (device := self.members.get(phone))]
        if not self.alone:
            membership.joined(
                [d for d in let_in if not membership.roaming.mine(d.hardware)], {}, self.clock.read().monotonic
            )
        return self.online()

    def online(self) -> set[str]:
        """Whom the kernel lets through."""
        return set(self.kernel.read().table.members)

    def turn(self) -> None:
        """Do what a turn of the loop does."""
        self.turns.tick()
        self.remembering.turn()
        self.remembering.purge()

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
    """All boards; ``cut`` are those that reach nobody."""

    def __init__(self, folder: Path, *names: str, walls: bool = True) -> None:
        self.folder, self.now, self.hub = folder, 0.0, names[0]
        self.boards: dict[str, Board] = {}
        self.cut: set[str] = set()
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
        if message["kind"] == "devices":
            board.circle.membership.heard(sender, message["records"], 1e7, board.clock.read().monotonic)
        elif message["kind"] in board.circle.hears:
            board.circle.hears[message["kind"]](sender, message, self._way(to, sender))
        return True

    def meet(self) -> None:
        """Have every pair of boards reach each other anew, and share a key of the day."""
        up = [board for board in self.boards.values() if board.is_on and board.name not in self.cut]
        for one in up:
            for other in up:
                for say in one.circle.says if one is not other else ():
                    say(other.name, self._way(one.name, other.name))
        for board in up:
            if not len(board.day_keys):
                board.day_keys.make(board.clock.read().monotonic)
        offers = [(board.day_keys.offer([], board.clock.read().monotonic)) for board in up]
        for board in up:
            for offer in offers:
                board.day_keys.accept(offer, board.clock.read().monotonic)

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
