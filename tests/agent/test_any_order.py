"""People press what they like at any board, while boards lose power, links and agents: what must hold once all are up.

Messages between two boards keep their order and are delivered in any order else. Who pressed last decides, as long as
nobody pressed something else at a board that could not know of it.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meshctl.agent.passes import Verifier
from tests.agent.remember_world import ADDRESSES, DAY, OTHER, PHONE, Board, World, world_of

NAMES = ("elm", "oak", "ash")
HOMES = ("AAAA", "BBBB")


@dataclass
class Person:
    """What somebody with a phone pressed last, and so may rely on; ``None`` where the order is not known to all."""

    phone: str
    is_in: bool | None = False
    home: str | None = ""
    remembered: bool | None = False
    number: str = ""
    pressed: list[str] = field(default_factory=list)


class Life:
    """A world in which things happen by chance."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.people = [Person(PHONE), Person(OTHER)]
        self.story: list[str] = []
        for board in world.boards.values():
            for handle in HOMES:
                board.store.add_household(handle, 1, Verifier(b"s" * 16, b"d" * 32), board.clock.read())
        world.late = chance
        self.moment()

    def tell(self, *words: object) -> None:
        self.story.append(" ".join(map(str, words)))

    def moment(self) -> None:
        """Have everything that is on its way arrive, over some turns."""
        for _ in range(4):
            self.world.drain()
            self.world.wait(5.0, 5.0)
        self.world.drain()

    # What people do.

    def press(self, person: Person, board: Board) -> None:
        self.tell(board.name, "sees", person.phone[-1])
        open_pass(board)
        board.see(person.phone)
        if self.chance.random() < 0.7:
            self.world.drain()
        member = board.members.get(person.phone)
        can = ["join", "link", "forget", "withdraw", "receipt"]
        can += ["leave", "remember", "remember"] if member else []
        can += ["unlink"] if member and member.household else []
        verb = self.chance.choice(can)
        if verb == "receipt" and not person.number:
            return
        self.tell(person.phone[-1], verb, "at", board.name)
        getattr(self, f"_{verb}")(person, board)
        person.pressed.append(verb)

    def _join(self, person: Person, board: Board) -> None:
        board.ask("join", person.phone)
        member = board.members.get(person.phone)
        person.home = (member.household or "") if member else None
        person.is_in = True

    def _link(self, person: Person, board: Board) -> None:
        person.home = self.chance.choice(HOMES)
        board.ask("link", person.phone, **{"pass": person.home})
        person.is_in = True

    def _unlink(self, person: Person, board: Board) -> None:
        member = board.members.get(person.phone)
        known = board.store.household(member.household) if member and member.household else None
        assert known is not None
        board.verbs.unlink(ADDRESSES[person.phone], known[0])
        person.home, person.is_in = "", True

    def _leave(self, person: Person, board: Board) -> None:
        board.ask("leave", person.phone)
        person.is_in = False

    def _forget(self, person: Person, board: Board) -> None:
        board.ask("forget", person.phone)
        person.is_in = person.remembered = False

    def _withdraw(self, person: Person, board: Board) -> None:
        board.ask("withdraw", person.phone)
        person.remembered = False

    def _receipt(self, person: Person, board: Board) -> None:
        other = next(one for one in self.people if one is not person)
        if "error" not in board.ask("withdraw", other.phone, number=person.number):
            person.remembered = False

    def _remember(self, person: Person, board: Board) -> None:
        reply = board.ask("remember", person.phone)
        if "receipt" in reply:
            person.remembered, person.number = True, reply["receipt"]["number"]

    # What happens to boards.

    def befall(self) -> None:
        board = self.chance.choice(list(self.world.boards.values()))
        kind = self.chance.choice(["power", "power", "restart", "cut", "wait", "meet"])
        self.tell(kind, board.name)
        if kind == "power" and board.is_on and sum(one.is_on for one in self.world.boards.values()) > 1:
            self.world.drain()
            board.turn()  # who joined within the last ten seconds at a board that nobody else reaches presses again
            board.power_off()
        elif kind == "power" and not board.is_on:
            board.power_on()
            self.world.meet()
        elif kind == "restart" and board.is_on:
            board.restart()
            self.world.meet()
        elif kind == "cut":
            self.world.cut ^= {board.name}
            self.world.meet()
        elif kind == "wait":
            self.world.wait(self.chance.choice([5.0, 60.0]), 5.0)
        else:
            self.world.drain()

    def mend(self) -> None:
        """Have every board up, and all said; people walk past each of them."""
        self.world.cut = set()
        for board in self.world.boards.values():
            if not board.is_on:
                board.power_on()
        self.world.meet()
        self.moment()
        for _ in range(2):
            for board in self.world.boards.values():
                board.see(PHONE, OTHER)
                self.moment()

    def fast_forward(self) -> None:
        """Two days, or a power cut of everything: who is remembered is in again, guests are not."""
        if self.chance.random() < 0.5:
            self.tell("two days")
            self.world.late = None
            self.world.wait(2 * DAY, 3600.0)
            self.world.late = self.chance
        else:
            self.tell("no power anywhere")
            self.world.power_cut()
        for one in self.people:
            one.is_in, one.home, one.pressed = one.remembered or None, None, []
        self.mend()

    def check(self) -> None:
        """Compare what the boards do with what people may rely on."""
        told = "\n".join(self.story[-60:])
        for one in self.people:
            endings = sum(verb in ("leave", "forget") for verb in one.pressed)
            unsure = endings > 1 or (endings == 1 and one.pressed[-1] not in ("leave", "forget"))
            online = {name: one.phone in board.online() for name, board in self.world.boards.items()}
            if one.is_in is not None and not unsure:
                assert set(online.values()) == {one.is_in}, f"{told}\n{one} {online}"
            one.is_in = all(online.values())
            members = [board.members.get(one.phone) for board in self.world.boards.values()]
            homes = {member.household or "" for member in members if member}
            assert len(homes) < 2, f"{told}\n{one} {homes}"
            moves = sum(verb in ("join", "link", "unlink", "leave", "forget") for verb in one.pressed)
            if one.is_in and one.home is not None and moves < 2:
                assert homes == {one.home}, f"{told}\n{one} {homes}"
            one.home = homes.pop() if homes else None
            asked = [verb for verb in one.pressed if verb in ("remember", "forget", "withdraw", "receipt")]
            stops = len(asked) - asked.count("remember")
            if stops and stops < len(asked) and (stops > 1 or asked[-1] == "remember"):
                one.remembered = None
            one.pressed.clear()


def open_pass(board: Board) -> None:
    def of_pass(text: str) -> object:
        known = board.store.household(text)
        return known[0] if known else None

    setattr(board.verbs.credential, "of_pass", of_pass)  # noqa: B010  # without the cost of a real pass


@pytest.mark.parametrize("seed", range(6))
def test_who_pressed_last_decides_whatever_happens_to_boards(seed: int) -> None:
    with world_of(Path(tempfile.mkdtemp(dir="/dev/shm")), *NAMES) as world:
        life = Life(world, random.Random(seed))  # repeatable
        for _ in range(12):
            for _ in range(life.chance.randint(1, 8)):
                up = [board for board in world.boards.values() if board.is_on]
                if life.chance.random() < 0.5:
                    life.press(life.chance.choice(life.people), life.chance.choice(up))
                else:
                    life.befall()
            life.mend()
            life.tell("-- all up")
            life.check()
            if life.chance.random() < 0.4:
                life.fast_forward()
                life.check()
