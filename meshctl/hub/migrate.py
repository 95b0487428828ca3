"""Brings the database to this version's tables. Alembic is loaded only when something is to do."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from meshctl.model import MeshctlError

HEAD = "0004"
"""The newest revision in ``migrations/versions``; a test holds them equal."""

_LOCK = 0x6D657368  # "mesh": any number will do, as long as all copies take the same


def migrate(engine: Engine) -> None:
    """The tables are those of `HEAD`, also when several copies start at once. Raises `MeshctlError`."""
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            if current_revision(connection) != HEAD:
                _upgrade(connection)
    except SQLAlchemyError as fault:
        what = str(fault).splitlines()[0]
        raise MeshctlError(f"the hub's database cannot be used: {what}. Check database.url and its owner.") from fault


def current_revision(connection: Connection) -> str | None:
    """The revision that the database says it has, ``None`` for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # 7 MB that a migrated hub never needs
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    try:
        command.upgrade(config, "head")
    except CommandError as fault:
        raise MeshctlError(f"the hub's database is of another version: {fault}. Install that version or newer.") from (
            fault
        )
