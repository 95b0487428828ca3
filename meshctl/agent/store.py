"""node.db: what this node must not forget. The agent is its only writer.

WAL with synchronous=FULL: what a tick committed survives a power cut. No hardware address, no
address and no name of a person has a column here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from meshctl.agent import aside
from meshctl.agent.daily import Charge, Daily
from meshctl.agent.files import write_whole
from meshctl.agent.migrations import migrations
from meshctl.agent.passes import Verifier
from meshctl.agent.register import Register
from meshctl.agent.removal import Scrub, ask_to_scrub, drop_absent, part_of
from meshctl.model import GUESTS, ClockReading, Direction, Household, MeshctlError
from meshctl.quota.meter import Count, Flow, Place
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME

_MOST_HOUSEHOLDS = FIRST_GUEST - FIRST_HOME


class StoreError(MeshctlError):
    """node.db refused, with the remedy."""


@dataclass(frozen=True)
class Entry:
    """One line of the journal, signed and numbered."""

    sequence: int
    boot: int
    payload: bytes
    signature: bytes


class Store:
    """One function per question. Every change is one transaction."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "node.db"
        self.set_aside = aside.if_damaged(self._file)
        self._beside = folder / "boot-counter"
        self._connection = sqlite3.connect(self._file, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON"):
            self._connection.execute(f"PRAGMA {pragma}").close()
        migrations.apply(Database(self._connection))
        self._connection.isolation_level = None
        self.daily = Daily(self._connection)
        self._register = Register(self._connection)
        self._scrub = Scrub(self._connection, self._file)

    @property
    def connection(self) -> sqlite3.Connection:
        """The open database, for the questions that `meshctl.agent.mesh.shelf` asks."""
        return self._connection

    def close(self) -> None:
        """Close the database; everything is already on disk."""
        self._connection.close()

    def boot(self, life: str) -> int:
        """Return this boot's number; a ``life`` not seen last counts as a new boot.

        The number is also kept beside the database, so that it never goes back when a damaged
        database was set aside: the hub tells reports apart by it.
        """
        row = self._connection.execute("SELECT counter, life FROM boot ORDER BY counter DESC LIMIT 1").fetchone()
        if row is not None and row[1] == life:
            return int(row[0])
        beside = int(self._beside.read_text()) if self._beside.exists() else 0
        counter = max(beside, row[0] if row else 0) + 1
        write_whole(self._beside, f"{counter}\n")
        self._connection.execute("INSERT INTO boot VALUES (?, ?)", (counter, life))
        return counter

    def current_boot(self) -> int:
        """Return the number of the newest boot, 0 before the first."""
        return int(self._connection.execute("SELECT COALESCE(MAX(counter), 0) FROM boot").fetchone()[0])

    def households(self) -> tuple[Household, ...]:
        """Return all households in the order they were added."""
        return self._register.all()

    def households_by_mark(self) -> Mapping[int, Household]:
        """Return all households by mark, which is also the number of their class."""
        return self._register.by_mark()

    def household(self, handle: str) -> tuple[Household, Verifier] | None:
        """Return a household and what verifies its pass, or ``None``."""
        row = self._connection.execute(
            "SELECT handle, number, shares, salt, verifier FROM household WHERE handle = ?", (handle,)
        ).fetchone()
        return None if row is None else (Household(*row[:3]), Verifier(*row[3:]))

    def since(self, handle: str) -> tuple[float, bool]:
        """Return when a known household was added, in seconds since 1970, and whether the clock was trusted then."""
        row = self._connection.execute("SELECT since, trusted FROM household WHERE handle = ?", (handle,)).fetchone()
        return float(row[0]), bool(row[1])

    def add_household(self, handle: str, shares: int, verifier: Verifier, clock: ClockReading) -> Household:
        """Add a household. Raises `StoreError` when the handle is taken or this node can know no more."""
        return self.add_households([(handle, verifier)], shares, clock)[0]

    def add_households(self, new: Sequence[tuple[str, Verifier]], shares: int, clock: ClockReading) -> list[Household]:
        """Add households, all or none. Raises `StoreError` as `add_household` does, and for a handle given twice."""
        handles = [handle for handle, _ in new]
        with self.transaction():
            twice = self.taken(handles) or [handle for handle in handles if handles.count(handle) > 1]
            if twice:
                raise StoreError(f"a household {twice[0]} exists already, or did. Draw another pass.")
            used = {row[0] for row in self._connection.execute("SELECT number FROM household")}
            free = [number for number in range(1, _MOST_HOUSEHOLDS) if number not in used][: len(new)]
            if len(free) < len(new):
                raise StoreError(f"this node knows {len(used)} households and can know no more. Remove some.")
            rows = [
                (number, handle, shares, clock.wall, int(clock.trusted), kept.salt, kept.digest)
                for number, (handle, kept) in zip(free, new, strict=True)
            ]
            self._connection.executemany("INSERT INTO household VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        return [Household(handle, number, shares) for number, handle in zip(free, handles, strict=True)]

    def taken(self, handles: Iterable[str]) -> list[str]:
        """Return which of these handles a household has, or may have had: a removed one's is never used again."""
        known = {row[0] for row in self._connection.execute("SELECT handle FROM household")}
        spent = {row[0] for row in self._connection.execute("SELECT part FROM spent")}
        return [handle for handle in handles if handle in known or part_of(handle) in spent]

    def remove_household(self, handle: str) -> None:
        """Forget a known household for good; what it used counts as guests' use from now on."""
        with self.transaction():
            self._connection.execute("DELETE FROM household WHERE handle = ?", (handle,))
            self._connection.execute("INSERT OR IGNORE INTO spent VALUES (?)", (part_of(handle),))
            drop_absent(self._connection, [handle])
            ask_to_scrub(self._connection)

    def scrub(self) -> bool:
        """Have no byte of what was deleted on the disk, if something was; say whether there was."""
        return self._scrub.turn({household.handle for household in self.households()})

    def ledger(self) -> dict[tuple[str, Direction, str], int]:
        """Return bytes of frames delivered, by line, direction and household (all guests together)."""
        rows = self._connection.execute("SELECT line, direction, household, bytes FROM ledger")
        return {(line, direction, household): count for line, direction, household, count in rows}

    def readings(self) -> dict[Place, Count]:
        """Return the counters' last recorded readings."""
        rows = self._connection.execute("SELECT line, direction, mark, life, sent, packets, dropped FROM reading")
        return {(row[0], row[1], row[2]): Count(*row[3:]) for row in rows}

    def record(
        self,
        flows: Mapping[Place, Flow],
        before: Mapping[Place, Count],
        now: Mapping[Place, Count],
        clock: ClockReading,
        also: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        """Add what flowed to the ledger and to its day, and keep the readings it came from.

        One transaction, with ``also``.

        So a crash at any moment loses at most what passed since the last call, and counts nothing twice.
        """
        known = self.households_by_mark()
        charges: dict[Charge, int] = {}
        for (line, direction, mark), flow in flows.items():
            if flow.sent:
                key = (line, direction, known[mark].handle if mark in known else GUESTS)
                charges[key] = charges.get(key, 0) + flow.sent
        day = self.daily.heed(clock)
        changed = [(*place, c.life, c.sent, c.packets, c.dropped) for place, c in now.items() if before.get(place) != c]
        gone = [place for place in before if place not in now]
        if not (charges or changed or gone or also):
            return
        with self.transaction():
            self._connection.executemany("DELETE FROM reading WHERE line = ? AND direction = ? AND mark = ?", gone)
            self._connection.executemany("INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)", changed)
            self._connection.executemany(
                "INSERT INTO ledger VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
                [(*key, sent) for key, sent in charges.items()],
            )
            self.daily.add(charges, day)
            if also is not None:
                also(self._connection)

    def count(self, name: str) -> int:
        """Count one more of something that happened, such as ``repairs``, and return how many there were."""
        self._connection.execute("INSERT INTO tally VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1", (name,))
        return self.counted(name)

    def counted(self, name: str) -> int:
        """Return how many of something there were, over all boots."""
        row = self._connection.execute("SELECT count FROM tally WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def next_sequence(self) -> int:
        """Return the number of the journal's next line; numbers never repeat."""
        return int(self._connection.execute("SELECT COALESCE(MAX(sequence), 0) + 1 FROM journal").fetchone()[0])

    def append(self, entry: Entry) -> None:
        """Add a line to the journal."""
        self._connection.execute(
            "INSERT INTO journal VALUES (?, ?, ?, ?, 0)", (entry.sequence, entry.boot, entry.payload, entry.signature)
        )

    def unsent(self, most: int) -> list[Entry]:
        """Return the newest unsent line and the oldest ones after it, ``most`` in all.

        The newest first: after a long silence the hub wants to know how things are now.
        """
        query = "SELECT sequence, boot, payload, signature FROM journal WHERE sent = 0 ORDER BY sequence {} LIMIT ?"
        newest = self._connection.execute(query.format("DESC"), (1,)).fetchall()
        oldest = self._connection.execute(query.format("ASC"), (most,)).fetchall()
        return [Entry(*row) for row in dict.fromkeys([*newest, *oldest])][:most]

    def mark_sent(self, sequences: Iterable[int]) -> None:
        """Remember that the hub has these lines."""
        with self.transaction():
            self._connection.executemany(
                "UPDATE journal SET sent = 1 WHERE sequence = ?", [(number,) for number in sequences]
            )

    def purge_journal(self, keep: int) -> int:
        """Drop all but the newest ``keep`` lines; return how many went."""
        cursor = self._connection.execute(
            "DELETE FROM journal WHERE sequence <= (SELECT MAX(sequence) FROM journal) - ?", (keep,)
        )
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        return cursor.rowcount

    def purge_boots(self, keep: int) -> None:
        """Drop all but the newest ``keep`` boots."""
        self._connection.execute("DELETE FROM boot WHERE counter <= (SELECT MAX(counter) FROM boot) - ?", (keep,))

    def purge_set_aside(self, clock: ClockReading, seconds: float) -> None:
        """Drop copies of a damaged database that are older, once the clock has been right for hours."""
        if self.daily.sure(clock):
            aside.purge(self._file, clock.wall, seconds)

    def transaction(self) -> Transaction:
        """Begin a transaction that ends with the block."""
        return Transaction(self._connection)


class Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when the block raises."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, fault: object, trace: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
