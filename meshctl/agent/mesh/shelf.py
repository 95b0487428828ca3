"""node.db's part of the mesh: the newest lists, tokens, and other lines' use. No hardware address, no mark."""

from __future__ import annotations

import base64
from collections.abc import Container, Mapping

from meshctl.agent.mesh.pauses import PauseRecord
from meshctl.agent.mesh.records import Record
from meshctl.agent.mesh.roll import Enrolled, Roll, enrolled
from meshctl.agent.passes import Verifier
from meshctl.agent.pauses import Pause
from meshctl.agent.removal import ask_to_scrub, drop_absent
from meshctl.agent.store import Store
from meshctl.model import GUESTS
from meshctl.quota.merge import NEVER, Held, Stamp, join, told
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME

UseKey = tuple[str, str, str]
"""Line, direction, household."""


class Shelf:
    """Reads and writes what the mesh must not forget; every change is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def kept_list(self, kind: str) -> bytes | None:
        """Return the newest list of a kind, as it came."""
        row = self._store.connection.execute("SELECT body FROM list WHERE kind = ?", (kind,)).fetchone()
        return None if row is None else bytes(row[0])

    def version(self, kind: str) -> int:
        """Return the version below which no list of a kind is taken."""
        row = self._store.connection.execute("SELECT version FROM list WHERE kind = ?", (kind,)).fetchone()
        return int(row[0]) if row else 0

    def keep_list(self, kind: str, version: int, body: bytes) -> None:
        """Keep a list in place of the one before."""
        self._store.connection.execute("INSERT OR REPLACE INTO list VALUES (?, ?, ?)", (kind, version, body))

    def enter_roll(self, roll: Roll, body: bytes) -> frozenset[str]:
        """Know exactly the households of a roll; return those that are not known any more.

        Who was known keeps his number, which the kernel's marks use. No row names who is not known.
        """
        connection, before = self._store.connection, self.version("roll")
        with self._store.transaction():
            numbers = dict(connection.execute("SELECT handle, number FROM household").fetchall())
            wanted = {one.handle for one in roll.households}
            removed = frozenset(numbers) - wanted
            connection.executemany("DELETE FROM household WHERE handle = ?", [(handle,) for handle in removed])
            taken = {number for handle, number in numbers.items() if handle in wanted}
            free = (number for number in range(1, FIRST_GUEST - FIRST_HOME) if number not in taken)
            rows = [_row(one, numbers.get(one.handle) or next(free)) for one in roll.households]
            connection.executemany("INSERT OR REPLACE INTO household VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("INSERT OR REPLACE INTO list VALUES ('roll', ?, ?)", (roll.version, body))
            drop_absent(connection, removed)
            if removed or not before:
                ask_to_scrub(connection)
        return removed

    def roll_rows(self) -> list[Enrolled]:
        """Return all households as they stand on a roll."""
        rows = self._store.connection.execute(
            "SELECT handle, shares, since, trusted, salt, verifier FROM household ORDER BY number"
        )
        return [enrolled(*row) for row in rows]

    def records(self, now: float) -> list[Record]:
        """Return the records of a former run, their stays counted on from ``now``."""
        rows = self._store.connection.execute(
            "SELECT token, key, household, left, version, owner, gone FROM token"
        ).fetchall()
        return [Record(t, k, h or None, now + left, v, o, bool(g)) for t, k, h, left, v, o, g in rows]

    def keep_records(self, changed: Mapping[str, Record | None], now: float) -> None:
        """Write changed records; ``None`` means that the token is forgotten."""
        if not changed:
            return
        gone = [(token,) for token, record in changed.items() if record is None]
        kept = [
            (r.token, r.key, self._named(r.household), max(0.0, r.until - now), r.version, r.owner, int(r.gone))
            for r in changed.values()
            if r is not None
        ]
        with self._store.transaction():
            self._store.connection.executemany("DELETE FROM token WHERE token = ?", gone)
            self._store.connection.executemany("INSERT OR REPLACE INTO token VALUES (?, ?, ?, ?, ?, ?, ?)", kept)

    def _named(self, household: str | None) -> str:
        """Return a household as it is written down: one that is on no roll here may be one that was erased."""
        return household if household and self._store.household(household) else ""

    def pauses(self, now: float) -> list[PauseRecord]:
        """Return the pauses of a former run; those of a former boot have as long to go as when they were written."""
        boot = self._store.current_boot()
        query = "SELECT token, key, ident, reason, until, left, boot, version, writer, over FROM pause"
        return [
            PauseRecord(t, k, Pause(ident, reason, until if b == boot else now + left, version, by, bool(over)))
            for t, k, ident, reason, until, left, b, version, by, over in self._store.connection.execute(query)
        ]

    def keep_pauses(self, changed: Mapping[str, PauseRecord | None], now: float) -> None:
        """Write changed pauses; ``None`` means that the record is forgotten."""
        if not changed:
            return
        gone = [(token,) for token, record in changed.items() if record is None]
        kept = [
            _pause_row(record, now, self._store.current_boot()) for record in changed.values() if record is not None
        ]
        with self._store.transaction():
            self._store.connection.executemany("DELETE FROM pause WHERE token = ?", gone)
            values = ", ".join("?" * 10)
            self._store.connection.executemany(f"INSERT OR REPLACE INTO pause VALUES ({values})", kept)  # noqa: S608

    def take_use(self, owner: str, stamp: Stamp, rows: Mapping[UseKey, int], *, whole: bool) -> None:
        """Join what ``owner``'s line carried with what it says now: each row by its own stamp, see `quota.merge`.

        What is told of households that are not known counts as guests' use where all is told anew, and
        is not taken in else.
        """
        connection = self._store.connection
        known = {GUESTS, *(row[0] for row in connection.execute("SELECT handle FROM household"))}
        rows = _fold(rows, known) if whole else {key: carried for key, carried in rows.items() if key[2] in known}
        before = Held({key: row for key in rows if (row := self._use_row(owner, key))}, self._newest_whole(owner))
        after = join(before, told(stamp, rows, whole=whole))
        fresh = [(owner, *key, figure, *at) for key, (at, figure) in after.rows.items() if at == stamp]
        with self._store.transaction():
            if after.whole != before.whole:
                connection.execute("INSERT OR REPLACE INTO use_whole VALUES (?, ?, ?)", (owner, *after.whole))
                connection.execute("DELETE FROM use WHERE owner = ? AND (boot, sequence) < (?, ?)", (owner, *stamp))
            connection.executemany("INSERT OR REPLACE INTO use VALUES (?, ?, ?, ?, ?, ?, ?)", fresh)

    def _use_row(self, owner: str, key: UseKey) -> tuple[Stamp, int] | None:
        query = "SELECT boot, sequence, bytes FROM use WHERE owner = ? AND line = ? AND direction = ? AND household = ?"
        row = self._store.connection.execute(query, (owner, *key)).fetchone()
        return ((row[0], row[1]), row[2]) if row else None

    def _newest_whole(self, owner: str) -> Stamp:
        row = self._store.connection.execute(
            "SELECT boot, sequence FROM use_whole WHERE owner = ?", (owner,)
        ).fetchone()
        return (row[0], row[1]) if row else NEVER

    def use(self) -> dict[UseKey, int]:
        """Return what other nodes' lines carried, by line, direction and household; lines of one name together."""
        rows = self._store.connection.execute(
            "SELECT line, direction, household, SUM(bytes) FROM use GROUP BY line, direction, household"
        )
        return {(line, direction, household): carried for line, direction, household, carried in rows}


def _fold(rows: Mapping[UseKey, int], known: Container[str]) -> dict[UseKey, int]:
    folded: dict[UseKey, int] = {}
    for (line, direction, household), carried in rows.items():
        key = (line, direction, household if household in known else GUESTS)
        folded[key] = folded.get(key, 0) + carried
    return folded


def _pause_row(record: PauseRecord, now: float, boot: int) -> tuple[object, ...]:
    one, left = record.pause, max(0.0, record.pause.until - now)
    head = (record.token, record.key, one.ident, one.reason, one.until, left)
    return (*head, boot, one.version, one.by, int(one.over))


def _row(one: Enrolled, number: int) -> tuple[object, ...]:
    kept = _verifier(one)
    return (number, one.handle, one.shares, one.since, int(one.trusted), kept.salt, kept.digest)


def _verifier(one: Enrolled) -> Verifier:
    return Verifier(base64.b64decode(one.salt), base64.b64decode(one.verifier))
