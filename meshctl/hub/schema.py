"""The hub's tables and how its database is opened; `migrations` makes the tables.

No household and no device has a column here. Times are seconds since 1970 by the hub's clock,
except ``wall``, which is the node's own.
"""

from __future__ import annotations

import sqlite3
import time

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from meshctl.model import MeshctlError

_PATIENCE = 20.0
"""Seconds to wait for a lock on a database that is a file."""

metadata = MetaData()

node = Table(
    "node",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("key", String(44), nullable=False),
    Column("boot", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("received", Double, nullable=False),
    Column("gap", Double),
    Column("monotonic", Double, nullable=False),
    Column("wall", Double, nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("version", String(64), nullable=False),
    Column("homes", Integer, nullable=False),
    Column("guests", Integer, nullable=False),
    Column("repairs", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),
    Column("gateway", String(32)),
    Column("via", String(32)),
    Column("gateway_since", Double),
    Column("pauses", BigInteger, nullable=False, server_default="0"),
    Column("pauses_now", BigInteger, nullable=False, server_default="0"),
)
"""The newest report of each node. ``gap`` is the seconds since the one before it was received."""

link = Table(
    "link",
    metadata,
    Column("node", String(32), primary_key=True),
    Column("far", String(32), primary_key=True),
    Column("device", String(32), primary_key=True),
    Column("reach", Double, nullable=False),
    Column("cost", Integer, nullable=False),
    Column("rtt_ms", Double),
    Column("up", Boolean, nullable=False),
    Column("since", Double, nullable=False),
    Column("poor", Double),
)
"""What the newest report of each node says of its links to other nodes, and those it no longer has."""

report = Table(
    "report",
    metadata,
    Column("node", String(32), primary_key=True),
    Column("boot", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("received", Double, nullable=False),
    Column("monotonic", Double, nullable=False),
    Column("wall", Double, nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("homes", Integer, nullable=False),
    Column("guests", Integer, nullable=False),
    Column("repairs", BigInteger, nullable=False),
    Column("failing", Text, nullable=False),
    Index("report_received", "received"),
)
"""Every report, once. ``failing`` names the facts that failed, separated by spaces."""

line = Table(
    "line",
    metadata,
    Column("node", String(32), primary_key=True),
    Column("line", String(64), primary_key=True),
    Column("direction", String(4), primary_key=True),
    Column("boot", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("carried", BigInteger, nullable=False),
    Column("capacity", Double, nullable=False),
    Column("busy", Double, nullable=False),
    Column("fairness", Double),
)
"""The newest counter of each line and direction, by the report that it came from."""

line_hour = Table(
    "line_hour",
    metadata,
    Column("node", String(32), primary_key=True),
    Column("line", String(64), primary_key=True),
    Column("direction", String(4), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("carried", BigInteger, nullable=False),
    Index("line_hour_hour", "hour"),
)
"""Bytes carried in one hour; ``hour`` counts hours since 1970."""

presence_hour = Table(
    "presence_hour",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("most", Integer, nullable=False),
)
"""The most homes and guests that the whole network had at once in an hour."""

pause_day = Table(
    "pause_day",
    metadata,
    Column("node", String(32), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("begun", BigInteger, nullable=False),
)
"""How many pauses stewards of a node decided in one day; ``day`` counts days since 1970."""

refusal = Table(
    "refusal",
    metadata,
    Column("reason", String(32), primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""How many reports were refused, by reason."""

list_version = Table(
    "list_version",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("signer", String(44), primary_key=True),
    Column("version", BigInteger, nullable=False),
)
"""The newest version ever seen of a signed list; ``signer`` is the base64 of the public key it was signed with."""


def open_engine(url: str) -> Engine:
    """Make an engine; connects at first use. Raises `MeshctlError` for a URL that cannot be used."""
    try:
        if url.startswith("sqlite"):
            engine = create_engine(url, connect_args={"timeout": _PATIENCE})
        else:
            engine = create_engine(url, pool_size=5, max_overflow=5, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError) as fault:
        raise MeshctlError(f"database.url cannot be used: {fault}. See the hub's README for both forms.") from fault
    except ModuleNotFoundError as fault:
        raise MeshctlError(f'database.url needs {fault.name}: pip install "meshctl[hub-postgres]".') from fault
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    """FULL, so that what the hub said it holds survives a power cut."""
    connection.isolation_level = None
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch a database to WAL, which SQLite does not wait for where another one does so at the same moment."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock before it reads, so that it never has to give up half-way."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
