"""The public page and its numbers: the same rounded figures for everybody, under the rules they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from flask import Flask, Response, jsonify, render_template

from meshctl.commons.publication import LEAST, LICENCE, RULES
from meshctl.commons.publication import publish as coarsen
from meshctl.config import HubConfig
from meshctl.hub.latest import PAUSE_DAYS
from meshctl.hub.overview import PUBLIC_DAYS, figures, look
from meshctl.hub.roster import Roster
from meshctl.hub.store import Store

_FRESH = {"Cache-Control": "public, max-age=60"}


def serve(app: Flask, store: Store, roster: Roster, config: HubConfig, clock: Callable[[], float]) -> None:
    """Put the totals at ``/public`` for people and ``/public.json`` for programs."""

    @app.get("/public")
    def public() -> tuple[str, dict[str, str]]:
        now = clock()
        totals = coarsen(figures(store, look(store, roster, {}, now)))
        return render_template(
            "public.html",
            it=totals,
            at=now,
            rules=RULES,
            least=LEAST,
            days=PUBLIC_DAYS,
            licence=LICENCE,
            pause_days=PAUSE_DAYS,
        ), _FRESH

    @app.get("/public.json")
    def public_json() -> tuple[Response, dict[str, str]]:
        now = clock()
        totals = asdict(coarsen(figures(store, look(store, roster, {}, now))))
        for count in ("homes", "guests"):
            totals[count] = totals[count] if totals[count] is not None else f"fewer than {LEAST}"
        for direction in ("down", "up"):
            totals[f"{direction}_bytes"] = totals.pop(direction)
        totals["withheld"] = [] if totals["down_bytes"] is not None else ["down_bytes", "up_bytes"]
        table = {
            "network": config.fleet.name,
            "at": int(now // 60 * 60),
            "days": PUBLIC_DAYS,
            "pause_days": PAUSE_DAYS,
            **totals,
        }
        return jsonify({**table, "rules": RULES, "licence": LICENCE}), _FRESH
