"""After a day of use and an erase nothing that lasts holds a device, an EUI-64 address or the household."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from meshctl.agent.passes import Drawn
from meshctl.privacy.commands import privacy
from tests.privacy.world import HOUR, Board, World, drawn

PHONE, GUEST, OLD, KEPT = "02:1f:aa:33:c4:51", "02:1f:bb:34:c5:62", "06:2e:cc:35:d6:73", "02:3d:dd:36:e7:84"
EUI64 = ":42e:ccff:fe35:d673"


def scan(tree: Path, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(privacy, ["scan", str(tree), "--json", *words])
    assert done.exit_code in (0, 1), done.output
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["unread"] == []
    return found


def said(found: dict[str, Any]) -> list[str]:
    """One line of each finding, for whoever reads a failure."""
    return [
        f"{Path(one['file']).name} {one['within']} {one['of']} {one['form']} {one['places']}" for one in found["found"]
    ]


class Life:
    """What happens to a home of two phones, another home and a guest."""

    def __init__(self, place: World) -> None:
        self.world, self.gone, self.kept = place, drawn(), drawn()
        self.elm, self.oak, self.ash = place.boards.values()
        self.keys: set[bytes] = set()
        self.addresses: list[str] = []

    async def move_in(self) -> None:
        await self.world.power_on("elm", "oak", "ash")
        homes = [one.row for one in (self.gone, self.kept)]
        assert (await self.elm.ask("household-add", homes=homes))["ok"]
        for board in self.world.boards.values():
            net4, net6 = board.member.ipv4.split("/")[0], board.member.ipv6.split("/")[0]
            board.kernel.around = {
                f"{net4[:-1]}71": PHONE, f"{net6[:-1]}71": PHONE, f"{net4[:-1]}72": GUEST, f"{net6[:-1]}72": GUEST,
                f"{net4[:-1]}73": OLD, f"{net6[:-3]}{EUI64}": OLD, f"{net4[:-1]}74": KEPT,
            }  # fmt: skip
            self.addresses += [self.at(board, phone) for phone in (PHONE, GUEST)]
        for phone, home in ((PHONE, self.gone), (OLD, self.gone), (KEPT, self.kept)):
            assert (await self.elm.ask("link", address=self.at(self.elm, phone), **{"pass": home.text}))["ok"]
        assert (await self.elm.ask("join", address=self.at(self.elm, GUEST)))["ok"]

    def at(self, board: Board, phone: str) -> str:
        return next(address for address, other in board.kernel.around.items() if other == phone and "." in address)

    async def use(self, hours: int) -> None:
        for _ in range(hours):
            self.see(self.elm)
            await self.world.settle()
            for home in (self.gone, self.kept):
                if self.elm.here._store.household(home.handle):
                    self.elm.carry("down", home.handle, 5_000_000)
                    self.elm.carry("up", home.handle, 400_000)
            await self.world.wait(HOUR)
            self.keys |= self.world.day_keys()

    def see(self, board: Board) -> None:
        sightings: dict[str, list[str]] = {}
        for address, hardware in board.kernel.around.items():
            sightings.setdefault(hardware, []).append(address)
        board.here._verbs.seen(sightings)

    async def day(self) -> None:
        """Use, roaming, a pause, wrong passes, a power cut, a note, and ash goes off."""
        await self.use(3)
        self.see(self.oak)
        await self.world.settle()
        assert self.oak.here._members.get(PHONE)
        pause = await self.oak.ask("pause", address=self.at(self.oak, GUEST), reason="It floods.", hours=2.0)
        assert pause["ok"]
        await self.oak.ask("link", address=self.at(self.oak, OLD), **{"pass": "0000-0000-0000-0000"})
        for board in (self.elm, self.oak):
            await board.ask("leave", address=self.at(board, KEPT))
            await board.ask("link", address=self.at(board, KEPT), **{"pass": self.kept.text})
        await self.use(3)
        around = self.oak.kernel.around
        self.oak.power_off()
        await self.use(1)
        await self.world.power_on("oak")
        self.oak.kernel.around = around
        self.see(self.oak)
        assert (await self.oak.ask("remember", address=self.at(self.oak, PHONE)))["ok"]
        note = await self.elm.ask("correct", **self.credential(), address=self.at(self.elm, OLD), note="Too much.")
        assert note["ok"], note
        await self.use(19)

    def credential(self) -> dict[str, Any]:
        return {"pass": self.gone.text, "secure": True}

    async def erase(self) -> None:
        """Ash goes off knowing the home; the home is erased a day later; ash comes back after that."""
        self.ash.power_off()
        shutil.copy(self.oak.state / "node.db", self.oak.state / "node.db.damaged-1")  # one that was found damaged once
        asked = await self.oak.ask("erase", **self.credential(), address=self.at(self.oak, PHONE))
        assert asked["ok"], asked
        await self.use(25)
        assert self.elm.here._store.household(self.gone.handle) is None
        copy = shutil.copytree(self.ash.state, self.world.ram / "ash before")
        assert scan(copy, "--text", self.gone.handle)["found"], "ash must have known the home"
        with (self.ash.state / "node.db").open("r+b") as database:
            database.seek(100)
            database.write(bytes(64))
        await self.world.power_on("ash")
        assert self.ash.here._store.set_aside, "ash finds its database damaged"
        await self.use(2)

    def needles(self) -> list[str]:
        """Say what must be nowhere: every device and its addresses, and the home by its handle and its pass."""
        words = [word for hardware in (PHONE, GUEST, OLD, KEPT) for word in ("--address", hardware)]
        return words + [word for text in (*self.of_home(self.gone), *self.addresses) for word in ("--text", text)]

    @staticmethod
    def of_home(home: Drawn) -> tuple[str, ...]:
        """The handle, the pass, its secret, and what verifies that."""
        secret = home.text.split("-", 1)[1]
        kept = (base64.b64encode(home.kept.salt).decode(), base64.b64encode(home.kept.digest).decode())
        return (home.handle, home.text, secret, secret.replace("-", ""), *kept)

    def key_words(self, keys: set[bytes]) -> list[str]:
        return [word for key in keys for word in ("--key", key.hex())]


def test_after_days_of_use_and_an_erase_nothing_that_lasts_holds_any_of_it(place: World) -> None:
    asyncio.run(_live(Life(place)))


async def _live(life: Life) -> None:
    disk = life.world.disk
    await life.move_in()
    await life.day()
    assert scan(disk, "--text", life.gone.handle)["found"], "a home that lives is on disks"
    await life.erase()
    of_home = [word for text in life.of_home(life.gone) for word in ("--text", text)]
    assert said(scan(disk, *of_home, *life.key_words(life.keys))) == [], "also where it was off"
    await life.use(26)  # a node that was off keeps tokens for as long as a key may still come, a day's key's life
    dead = life.keys - life.world.day_keys()
    assert len(life.keys) >= 3
    assert dead
    # Whoever has the keys that were destroyed, and seizes every disk, finds no device either.
    found = scan(disk, *life.needles(), *life.key_words(dead))
    assert said(found) == []
    assert "is in force" in (disk / "log").read_text("utf-8"), "what the agents say was searched too"
    assert len(found["noted"]) <= 1
    assert {file.name for file in disk.rglob("*.db-wal")} == {"node.db-wal", "hub.db-wal"}
    assert scan(disk, "--text", life.kept.handle)["found"], "the other home stays"

    # The control: one row with an address in a write-ahead log is found.
    store = life.oak.here._store.connection
    store.execute("CREATE TABLE planted (text)")
    store.execute("INSERT INTO planted VALUES (?)", (PHONE.replace(":", "-").upper(),))
    (one,) = scan(disk, *life.needles())["found"]
    assert (Path(one["file"]).parts[-2:], one["of"]) == (("oak", "node.db-wal"), "address 1")
