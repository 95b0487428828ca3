"""node.db's part of the mesh: the newest lists, tokens, and other lines' use. No hardware address, no mark."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from meshctl.agent.mesh.records import Record
from meshctl.agent.mesh.roll import Enrolled, Roll, enrolled
from meshctl.agent.passes import Verifier
from meshctl.agent.store import Store
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

    def enter_roll(self, roll: Roll, body: bytes) -> None:
        """Know exactly the households of a roll; who was known keeps his number, which the kernel's marks use."""
        connection = self._store.connection
        with self._store.transaction():
            numbers = dict(connection.execute("SELECT handle, number FROM household").fetchall())
            wanted = {one.handle for one in roll.households}
            connection.executemany("DELETE FROM household WHERE handle = ?", [(h,) for h in numbers if h not in wanted])
            taken = {number for handle, number in numbers.items() if handle in wanted}
            free = (number for number in range(1, FIRST_GUEST - FIRST_HOME) if number not in taken)
            rows = [_row(one, numbers.get(one.handle) or next(free)) for one in roll.households]
            connection.executemany("INSERT OR REPLACE INTO household VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("INSERT OR REPLACE INTO list VALUES ('roll', ?, ?)", (roll.version, body))

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
            (r.token, r.key, r.household or "", max(0.0, r.until - now), r.version, r.owner, int(r.gone))
            for r in changed.values()
            if r is not None
        ]
        with self._store.transaction():
            self._store.connection.executemany("DELETE FROM token WHERE token = ?", gone)
            self._store.connection.executemany("INSERT OR REPLACE INTO token VALUES (?, ?, ?, ?, ?, ?, ?)", kept)

    def take_use(self, owner: str, stamp: tuple[int, int], rows: Mapping[UseKey, int], *, whole: bool) -> bool:
        """Replace what ``owner``'s line carried by newer figures; an older ``stamp`` changes nothing."""
        connection = self._store.connection
        held = connection.execute(
            "SELECT boot, sequence FROM use WHERE owner = ? ORDER BY boot DESC, sequence DESC LIMIT 1", (owner,)
        ).fetchone()
        if held is not None and stamp < (held[0], held[1]):
            return False
        with self._store.transaction():
            if whole:
                connection.execute("DELETE FROM use WHERE owner = ?", (owner,))
            connection.executemany(
                "INSERT OR REPLACE INTO use VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(owner, *key, carried, *stamp) for key, carried in rows.items()],
            )
        return True

    def use(self) -> dict[UseKey, int]:
        """Return what other nodes' lines carried, by line, direction and household."""
        rows = self._store.connection.execute("SELECT line, direction, household, bytes FROM use")
        return {(line, direction, household): carried for line, direction, household, carried in rows}


def _row(one: Enrolled, number: int) -> tuple[object, ...]:
    kept = _verifier(one)
    return (number, one.handle, one.shares, one.since, int(one.trusted), kept.salt, kept.digest)


def _verifier(one: Enrolled) -> Verifier:
    return Verifier(base64.b64decode(one.salt), base64.b64decode(one.verifier))
