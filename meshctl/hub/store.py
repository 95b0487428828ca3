"""The hub's database: one function for each question. The only file that writes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, delete, func, select, text, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from meshctl.commons.publication import Hour
from meshctl.hub import schema
from meshctl.hub.latest import (
    DAY,
    HOUR,
    MOST_BYTES_AN_HOUR,
    MOST_PAUSES_A_DAY,
    PAUSE_DAYS,
    Advance,
    Counter,
    HeldFact,
    LineKey,
    Standing,
    advance,
    is_failing,
)
from meshctl.hub.links import HeldLink, LinkKey
from meshctl.wire import Health, LineTotal


@dataclass(frozen=True)
class Signed:
    """Verified reports of one node, with the key (base64) that verified them."""

    key: str
    reports: tuple[Health, ...]


class Store:
    """Questions to the database and answers to be kept. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def hold(self, batch: Mapping[str, Signed], now: float) -> int:
        """All reports of the batch, by node, are on disk, in one transaction; say how many were already."""
        with self._writing() as connection, connection.begin():
            # The same order everywhere, so that two copies never wait for each other.
            return sum(_hold(connection, name, batch[name], now) for name in sorted(batch))

    def standings(self) -> list[Standing]:
        """The newest report of each node, by name."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(schema.node).order_by(schema.node.c.name)).mappings()
            return [_standing(row) for row in rows]

    def counters(self) -> list[Counter]:
        """The newest counters, by node, line and direction."""
        table = schema.line
        query = select(table).order_by(table.c.node, table.c.line, table.c.direction)
        with self._engine.connect() as connection:
            return [_counter(row) for row in connection.execute(query).mappings()]

    def links(self) -> list[HeldLink]:
        """The links as each node last told them, also those that it lost, by node, far node and device."""
        table = schema.link
        query = select(table).order_by(table.c.node, table.c.far, table.c.device)
        with self._engine.connect() as connection:
            return [HeldLink(**row) for row in connection.execute(query).mappings()]

    def fewest_repairs(self, since: float) -> dict[str, int]:
        """The smallest repair count that each node reported since then."""
        table = schema.report
        query = select(table.c.node, func.min(table.c.repairs)).where(table.c.received >= since).group_by(table.c.node)
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def note_presence(self, at: float, present: int) -> None:
        """The hour of ``at`` knows that so many homes and guests were there at once."""
        table = schema.presence_hour
        with self._writing() as connection, connection.begin():
            insert = _insert(connection, table).values(hour=int(at // HOUR), most=present)
            newer = insert.excluded.most > table.c.most
            connection.execute(
                insert.on_conflict_do_update(index_elements=["hour"], set_={"most": insert.excluded.most}, where=newer)
            )

    def hours(self, since: float) -> tuple[Hour, ...]:
        """The whole network by hour, oldest first, from the hour of ``since`` on."""
        bytes_, presence, first = schema.line_hour, schema.presence_hour, int(since // HOUR)
        carried = (
            select(bytes_.c.hour, bytes_.c.direction, func.sum(bytes_.c.carried))
            .where(bytes_.c.hour >= first)
            .group_by(bytes_.c.hour, bytes_.c.direction)
        )
        with self._engine.connect() as connection:
            sums = {(hour, direction): int(total) for hour, direction, total in connection.execute(carried)}
            most = {row.hour: row.most for row in connection.execute(select(presence).where(presence.c.hour >= first))}
        known = sorted({hour for hour, _ in sums})
        return tuple(Hour(sums.get((hour, "down"), 0), sums.get((hour, "up"), 0), most.get(hour, 0)) for hour in known)

    def pauses(self, at: float) -> int:
        """How many pauses stewards decided in the last `PAUSE_DAYS` days, over the whole network."""
        table = schema.pause_day
        query = select(func.sum(table.c.begun)).where(table.c.day > int(at // DAY) - PAUSE_DAYS)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def count_refusals(self, more: Mapping[str, int]) -> None:
        """Each reason's counter is higher by so many."""
        table = schema.refusal
        if not more:
            return
        with self._writing() as connection, connection.begin():
            insert = _insert(connection, table)
            statement = insert.on_conflict_do_update(
                index_elements=["reason"], set_={"count": table.c.count + insert.excluded.count}
            )
            connection.execute(statement, [{"reason": reason, "count": more[reason]} for reason in sorted(more)])

    def refusals(self) -> dict[str, int]:
        """How many reports were refused, by reason."""
        table = schema.refusal
        with self._engine.connect() as connection:
            rows = connection.execute(select(table.c.reason, table.c.count).order_by(table.c.reason))
            return {row[0]: row[1] for row in rows}

    def list_version(self, kind: str, signer: str) -> int:
        """The newest version ever noted of that list, 0 for none."""
        table = schema.list_version
        query = select(table.c.version).where(table.c.kind == kind, table.c.signer == signer)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def note_list_version(self, kind: str, signer: str, version: int) -> None:
        """That version was seen; what is noted never goes back."""
        table = schema.list_version
        with self._writing() as connection, connection.begin():
            insert = _insert(connection, table).values(kind=kind, signer=signer, version=version)
            newer, now = insert.excluded.version > table.c.version, {"version": insert.excluded.version}
            connection.execute(insert.on_conflict_do_update(index_elements=["kind", "signer"], set_=now, where=newer))

    def purge(self, before: float) -> None:
        """Reports and hours older than that are gone, and links that went down before."""
        hour = int(before // HOUR)
        with self._writing() as connection, connection.begin():
            connection.execute(delete(schema.report).where(schema.report.c.received < before))
            connection.execute(delete(schema.line_hour).where(schema.line_hour.c.hour < hour))
            connection.execute(delete(schema.presence_hour).where(schema.presence_hour.c.hour < hour))
            connection.execute(delete(schema.pause_day).where(schema.pause_day.c.day < int(before // DAY)))
            connection.execute(delete(schema.link).where(~schema.link.c.up, schema.link.c.since < before))

    def check(self) -> None:
        """Raise unless the database answers."""
        with self._engine.connect() as connection:
            connection.execute(select(1)).scalar()

    def close(self) -> None:
        """No connection stays open."""
        self._engine.dispose()

    def _writing(self) -> Connection:
        return self._engine.connect().execution_options(writes=True)


def _hold(connection: Connection, name: str, signed: Signed, now: float) -> int:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})
    before = _known(connection, name)
    if before and before.key != signed.key:  # the roster gave this name to a new board
        _forget(connection, name)
        before = None
    news = _unknown(connection, name, signed.reports)
    change = advance(signed.key, before, _counters(connection, name), news, now, _links(connection, name))
    if news:
        connection.execute(_insert(connection, schema.report), [_report_row(health, now) for health in news])
    _write(connection, name, change)
    return len(signed.reports) - len(news)


def _known(connection: Connection, name: str) -> Standing | None:
    row = connection.execute(select(schema.node).where(schema.node.c.name == name)).mappings().first()
    return _standing(row) if row else None


def _counters(connection: Connection, name: str) -> dict[LineKey, Counter]:
    rows = connection.execute(select(schema.line).where(schema.line.c.node == name)).mappings()
    return {(row["line"], row["direction"]): _counter(row) for row in rows}


def _links(connection: Connection, name: str) -> dict[LinkKey, HeldLink]:
    rows = connection.execute(select(schema.link).where(schema.link.c.node == name)).mappings()
    return {(row["far"], row["device"]): HeldLink(**row) for row in rows}


def _forget(connection: Connection, name: str) -> None:
    for table in (schema.node, schema.report, schema.line, schema.link):
        connection.execute(delete(table).where((table.c.name if table is schema.node else table.c.node) == name))


def _unknown(connection: Connection, name: str, reports: Iterable[Health]) -> list[Health]:
    table = schema.report
    fresh = {(health.boot, health.sequence): health for health in reports}
    asked = list(fresh)
    for start in range(0, len(asked), 250):  # well below every engine's limit of bound values
        same = tuple_(table.c.boot, table.c.sequence).in_(asked[start : start + 250])
        for boot, sequence in connection.execute(
            select(table.c.boot, table.c.sequence).where(table.c.node == name, same)
        ):
            del fresh[boot, sequence]
    return list(fresh.values())


def _write(connection: Connection, name: str, change: Advance) -> None:
    if change.standing:
        row = {**asdict(change.standing), "facts": json.dumps({k: asdict(v) for k, v in change.standing.facts.items()})}
        _replace(connection, schema.node, [row])
    _replace(connection, schema.link, [asdict(link) for link in change.links.values()])
    _replace(connection, schema.line, [_line_row(counter) for counter in change.counters.values()])
    _add_pauses(connection, name, change)
    table = schema.line_hour
    hours = {hour for _, _, hour in change.hours}
    held = {
        (row.line, row.direction, row.hour): row.carried
        for row in connection.execute(select(table).where(table.c.node == name, table.c.hour.in_(hours)))
    }
    rows = [
        {"node": name, "line": at[0], "direction": at[1], "hour": at[2], "carried": _capped(held.get(at, 0) + more)}
        for at, more in change.hours.items()
    ]
    _replace(connection, table, rows)


def _add_pauses(connection: Connection, name: str, change: Advance) -> None:
    table = schema.pause_day
    query = select(table.c.day, table.c.begun).where(table.c.node == name, table.c.day.in_(change.pauses))
    held = {row.day: row.begun for row in connection.execute(query)} if change.pauses else {}
    sums = {day: min(held.get(day, 0) + more, MOST_PAUSES_A_DAY) for day, more in change.pauses.items()}
    _replace(connection, table, [{"node": name, "day": day, "begun": begun} for day, begun in sums.items()])


def _replace(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    insert = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    rest = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=rest), list(rows))


def _insert(connection: Connection, table: Table) -> postgresql.Insert:
    """Both engines spell "insert or update" alike, and SQLAlchemy gives it to each by its own name."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)  # type: ignore[return-value]
    return postgresql.insert(table)


def _capped(carried: int) -> int:
    return min(carried, MOST_BYTES_AN_HOUR)


def _report_row(health: Health, now: float) -> dict[str, Any]:
    failing = " ".join(sorted(name for name, fact in health.facts.items() if is_failing(fact)))
    fields = ("node", "boot", "sequence", "monotonic", "wall", "trusted", "homes", "guests", "repairs")
    return {"received": now, "failing": failing, **{name: getattr(health, name) for name in fields}}


def _line_row(counter: Counter) -> dict[str, Any]:
    return {"node": counter.node, "boot": counter.boot, "sequence": counter.sequence, **asdict(counter.total)}


def _standing(row: RowMapping) -> Standing:
    facts = {name: HeldFact(**fact) for name, fact in json.loads(row["facts"]).items()}
    return Standing(**{**row, "facts": facts})


def _counter(row: RowMapping) -> Counter:
    fields = ("line", "direction", "carried", "capacity", "busy", "fairness")
    total = LineTotal(**{name: row[name] for name in fields})
    return Counter(row["node"], row["boot"], row["sequence"], total)
