"""The maintainers' page: what needs somebody, then lines and nodes. Reads only."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, jsonify, render_template, request

from meshctl.hub.intake import Tally
from meshctl.hub.overview import look, node_table
from meshctl.hub.roster import Roster
from meshctl.hub.store import Store


def serve(app: Flask, store: Store, roster: Roster, tally: Tally, clock: Callable[[], float]) -> None:
    """Put the dashboard at ``/`` and the nodes at ``/api/v1/nodes``."""

    @app.get("/")
    def dashboard() -> Response | str:
        overview = look(store, roster, tally.pending(), clock())
        if "json" in request.args or _prefers_json():
            return jsonify(overview.as_table())
        return render_template("dashboard.html", it=overview)

    @app.get("/api/v1/nodes")
    def nodes() -> Response:
        overview = look(store, roster, tally.pending(), clock())
        return jsonify({"at": overview.at, "nodes": [node_table(node) for node in overview.nodes]})


def _prefers_json() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
