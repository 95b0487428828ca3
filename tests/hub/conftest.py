"""Every test of the store and the pages runs on both engines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import sql

from meshctl.config import Fleet, HubConfig
from meshctl.hub.app import create_hub
from meshctl.hub.intake import Tally
from meshctl.hub.migrate import migrate
from meshctl.hub.roster import Roster
from meshctl.hub.schema import open_engine
from meshctl.hub.store import Store
from tests.hub.engines import postgresql
from tests.hub.fleet import Board, Clock, write_roster
from tests.rosters import PUBLIC

_numbers = itertools.count(1)

MakeUrl = Callable[[], str]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def make_url(request: pytest.FixtureRequest, tmp_path: Path) -> MakeUrl:
    """Each call gives the URL of a new, empty database."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/hub-{next(_numbers)}.db"
    url = str(request.getfixturevalue("server"))

    def create() -> str:
        name = f"hub{next(_numbers)}"  # a schema of its own costs a hundredth of a database of its own
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        return f"{url}&options=-csearch_path%3D{name}"

    return create


@pytest.fixture
def store(make_url: MakeUrl) -> Iterator[Store]:
    engine = open_engine(make_url())
    migrate(engine)
    store = Store(engine)
    yield store
    store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def elm() -> Board:
    return Board("elm")


@pytest.fixture
def farm() -> Board:
    return Board("farm")


@pytest.fixture
def roster_file(tmp_path: Path, elm: Board, farm: Board) -> Path:
    file = tmp_path / "roster.json"
    write_roster(file, [elm, farm])
    return file


@pytest.fixture
def roster(roster_file: Path, store: Store) -> Roster:
    return Roster(roster_file, PUBLIC, store)


@pytest.fixture
def app(store: Store, roster: Roster, clock: Clock, tally: Tally) -> Flask:
    return create_hub(store, roster, HubConfig(fleet=Fleet(name="Elm Street network")), clock, tally)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
