"""The tables come from the migrations, and only from them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from meshctl.hub import schema
from meshctl.hub.migrate import HEAD, current_revision, migrate
from meshctl.hub.schema import open_engine
from meshctl.hub.store import Store
from meshctl.model import MeshctlError
from tests.hub.conftest import MakeUrl


def test_the_migrated_database_has_the_tables_that_the_code_expects(make_url: MakeUrl) -> None:
    engine = open_engine(make_url())
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        assert current_revision(connection) == HEAD
    engine.dispose()


def test_the_newest_step_is_the_one_that_the_code_names() -> None:
    folder = str(Path(schema.__file__).parent / "migrations")
    assert ScriptDirectory(folder).get_current_head() == HEAD


def test_copies_of_the_hub_may_start_at_once(make_url: MakeUrl) -> None:
    url = make_url()
    program = textwrap.dedent("""
        import sys
        from meshctl.hub.migrate import migrate
        from meshctl.hub.schema import open_engine
        engine = open_engine(sys.argv[1])
        migrate(engine)
        engine.dispose()
    """)
    starts = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(4)]
    assert [start.wait(60) for start in starts] == [0, 0, 0, 0]


def test_a_new_file_may_be_opened_by_several_at_once(tmp_path: Path) -> None:
    """SQLite itself gives up at once where two switch a file to WAL: about one in ten of these."""

    def journal(url: str, together: Barrier) -> object:
        engine = open_engine(url)
        together.wait(20)
        with engine.connect() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        engine.dispose()
        return mode

    with ThreadPoolExecutor(4) as four:
        for number in range(100):
            together = Barrier(4)
            found = [four.submit(journal, f"sqlite:///{tmp_path}/{number}.db", together) for _ in range(4)]
            assert [one.result(20) for one in found] == ["wal"] * 4


def test_a_hub_of_the_first_version_keeps_what_it_holds(make_url: MakeUrl) -> None:
    engine = open_engine(make_url())
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "newline")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO node (name, key, boot, sequence, received, monotonic, wall, trusted, version, homes,"
                " guests, repairs, facts) VALUES ('elm', 'k', 3, 9, 5.0, 6.0, 7.0, true, '0.1.0', 4, 2, 1, '{}')"
            )
        )
    migrate(engine)
    store = Store(engine)
    (standing,) = store.standings()
    assert (standing.order, standing.homes, standing.gateway, standing.gateway_since) == ((3, 9), 4, None, None)
    assert store.links() == []
    store.close()


def test_a_database_of_a_newer_version_is_left_alone(make_url: MakeUrl) -> None:
    engine = open_engine(make_url())
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(MeshctlError, match="another version"):
        migrate(engine)
    engine.dispose()


def test_a_database_that_cannot_be_opened_is_said_so() -> None:
    engine = open_engine("sqlite:////nowhere/at/all/hub.db")
    with pytest.raises(MeshctlError, match=r"cannot be used.*database\.url"):
        migrate(engine)
    engine.dispose()


def test_a_url_of_an_unknown_engine_is_refused() -> None:
    with pytest.raises(MeshctlError, match=r"database\.url"):
        open_engine("abacus://beads")


def test_a_migrated_hub_never_loads_alembic(make_url: MakeUrl) -> None:
    url = make_url()
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
    program = (
        "import sys; from meshctl.hub.migrate import migrate; from meshctl.hub.schema import open_engine\n"
        "engine = open_engine(sys.argv[1]); migrate(engine); engine.dispose(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, url], check=False).returncode == 0
