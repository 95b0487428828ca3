"""What programs may ask of a hub is as docs/openapi/hub.json says, whatever they send."""

from __future__ import annotations

from pathlib import Path

from meshctl.config import Fleet, HubConfig
from meshctl.hub.app import create_hub
from meshctl.hub.intake import Tally
from meshctl.hub.migrate import migrate
from meshctl.hub.roster import Roster
from meshctl.hub.schema import open_engine
from meshctl.hub.store import Store
from tests.conformance import breaches, described
from tests.hub.fleet import Board, Clock, write_roster
from tests.rosters import PUBLIC


def test_every_answer_is_as_described(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/hub.db")
    migrate(engine)
    store, file = Store(engine), tmp_path / "roster.json"
    write_roster(file, [Board("elm"), Board("farm")])
    config = HubConfig(fleet=Fleet(name="Elm Street network"))
    app = create_hub(store, Roster(file, PUBLIC, store), config, Clock(), Tally())
    requests, found = breaches(described("hub", app, REMOTE_ADDR="203.0.113.9"))
    store.close()
    assert not found, "\n\n".join(found[:5])
    assert requests >= 50
