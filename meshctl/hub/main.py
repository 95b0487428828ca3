"""Wires the hub's parts together and serves until told to stop."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path

from waitress.server import create_server

from meshctl.config import ConfigError, HubConfig
from meshctl.hub.app import create_hub
from meshctl.hub.housekeeping import Housekeeping
from meshctl.hub.intake import BODY_LIMIT, Tally
from meshctl.hub.migrate import migrate
from meshctl.hub.roster import Roster
from meshctl.hub.schema import open_engine
from meshctl.hub.store import Store
from meshctl.service import listen_tcp, notify, on_stop, passed_sockets

_log = logging.getLogger(__name__)

_THREADS = 4


def run(config: HubConfig) -> int:
    """Serve the hub; the exit code. Raises `MeshctlError` when it cannot start."""
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue of one is no news
    engine = open_engine(config.database.url)
    migrate(engine)
    store, tally = Store(engine), Tally()
    roster = Roster(Path(config.fleet.roster), config.fleet.community, store)
    if fault := roster.fault():
        _log.warning("%s", fault)
    app = create_hub(store, roster, config, time.time, tally)
    sockets = passed_sockets().get("hub") or _listen(config)
    server = create_server(
        app, sockets=sockets, threads=_THREADS, ident=None, max_request_body_size=2 * BODY_LIMIT, channel_timeout=30
    )  # what is a little too long is refused by the application, in the words of its API
    housekeeping = Housekeeping(store, roster, tally, time.time)
    on_stop(_stop)
    housekeeping.start()
    notify("READY=1")
    try:
        server.run()
    finally:
        notify("STOPPING=1")
        server.close()
        housekeeping.stop()
        store.close()
    return 0


def _stop() -> None:
    raise SystemExit(0)


def _listen(config: HubConfig) -> list[socket.socket]:
    sockets = []
    for address in config.listen.addresses:
        host, _, port = address.rpartition(":")
        try:
            sockets.append(listen_tcp(host.strip("[]"), int(port)))
        except OSError as fault:
            remedy = "Stop what listens there, or name another address."
            raise ConfigError(config.file, "listen.addresses", f"{address}: {fault}", remedy) from fault
    return sockets
