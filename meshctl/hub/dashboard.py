"""The maintainers' page: what needs somebody, then lines and nodes. Reads only.

It shows exact figures, which on a small street could be one home's. So phones get the public page.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from flask import Flask, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from meshctl.config import ConfigError, HubConfig
from meshctl.hub.intake import Tally
from meshctl.hub.latest import PAUSE_DAYS
from meshctl.hub.links import POOR_SHARE
from meshctl.hub.overview import look, node_table
from meshctl.hub.roster import Roster
from meshctl.hub.store import Store

Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network


def phones_of(config: HubConfig) -> list[Prefix]:
    """Read the prefixes that nodes give to phones. Raises `ConfigError`."""
    found: list[Prefix] = []
    for index, text in enumerate(config.fleet.neighbours):
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as fault:
            key, remedy = f"fleet.neighbours[{index}]", 'Write a prefix such as "10.44.0.0/22".'
            raise ConfigError(config.file, key, str(fault), remedy) from None
    return found


def serve(
    app: Flask, store: Store, roster: Roster, tally: Tally, clock: Callable[[], float], phones: Sequence[Prefix]
) -> None:
    """Put the dashboard at ``/`` and the nodes at ``/api/v1/nodes``; ``phones`` are prefixes that see neither.

    Nor do phones at any node of the roster, whose prefixes it says.
    """

    def _from_a_phone() -> bool:
        peer = ipaddress.ip_address(str(request.remote_addr).partition("%")[0].removeprefix("::ffff:"))
        return any(peer in prefix for prefix in (*phones, *roster.believed().prefixes))

    @app.get("/")
    def dashboard() -> BaseResponse | str:
        if _from_a_phone():
            return redirect("/public", 303)
        overview = look(store, roster, tally.pending(), clock())
        if "json" in request.args or _prefers_json():
            return jsonify(overview.as_table())
        return render_template("dashboard.html", it=overview, poor=POOR_SHARE, pause_days=PAUSE_DAYS)

    @app.get("/api/v1/nodes")
    def nodes() -> BaseResponse:
        if _from_a_phone():
            return redirect("/public.json", 303)
        overview = look(store, roster, tally.pending(), clock())
        return jsonify({"at": overview.at, "nodes": [node_table(node) for node in overview.nodes]})


def _prefers_json() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
