"""The hub as a WSGI application. A factory: importing this does nothing."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response, jsonify, render_template, request
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnsupportedMediaType

from meshctl.config import HubConfig
from meshctl.hub import dashboard, publish, wording
from meshctl.hub.intake import BODY_LIMIT, Intake, Pace, Tally, TooFastError
from meshctl.hub.roster import Roster
from meshctl.hub.store import Store
from meshctl.wire import WireError

_STYLE = Path(__file__).parent / "templates" / "style.css"


def create_hub(
    store: Store,
    roster: Roster,
    config: HubConfig,
    clock: Callable[[], float] = time.time,
    tally: Tally | None = None,
) -> Flask:
    """Wire the hub's addresses to their parts. ``clock`` is in seconds since 1970."""
    app = Flask("meshctl.hub", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    tally = tally or Tally()
    style = _STYLE.read_text(encoding="utf-8")
    app.jinja_env.globals.update(network=config.fleet.name, help=config.fleet.help, style=Markup(style))  # noqa: S704  # our own file
    for name in ("size", "rate", "percent", "moment", "stamp", "zone", "about", "line_name"):
        app.jinja_env.filters[name] = getattr(wording, name)
    _serve_nodes(app, Intake(store, tally, Pace()), roster, clock)
    dashboard.serve(app, store, roster, tally, clock, dashboard.phones_of(config))
    publish.serve(app, store, roster, config, clock)
    _serve_health(app, store)
    _answer_faults(app, tally)
    _set_headers(app, style)
    return app


def _serve_nodes(app: Flask, intake: Intake, roster: Roster, clock: Callable[[], float]) -> None:
    @app.post("/api/v1/reports")
    def reports() -> Response:
        if request.mimetype != "application/json" or "Content-Encoding" in request.headers:
            raise UnsupportedMediaType("Send the batch as application/json, not encoded further.")
        body = request.get_data(cache=False)
        return jsonify(intake.take(body, roster.believed(), clock()))


def _serve_health(app: Flask, store: Store) -> None:
    @app.get("/health")
    def health() -> Response:
        store.check()
        return jsonify({"ok": True})


def _answer_faults(app: Flask, tally: Tally) -> None:
    @app.errorhandler(WireError)
    def not_a_batch(fault: WireError) -> tuple[Response, int]:
        return _error(fault.code, str(fault)), 400

    @app.errorhandler(TooFastError)
    def too_fast(fault: TooFastError) -> tuple[Response, int, dict[str, str]]:
        return _error("too-fast", str(fault)), 503, {"Retry-After": "60"}

    @app.errorhandler(SQLAlchemyError)
    def no_store(fault: SQLAlchemyError) -> tuple[Response, int, dict[str, str]]:
        app.logger.error("the database does not answer: %s", fault)
        return _error("no-store", "The hub's database does not answer; try again."), 503, {"Retry-After": "60"}

    @app.errorhandler(HTTPException)
    def refused(fault: HTTPException) -> tuple[Response | str, int, dict[str, str]]:
        code, allowed = fault.code or 500, getattr(fault, "valid_methods", None)
        head = {"Allow": ", ".join(sorted(allowed))} if allowed else {}
        if request.path == "/api/v1/reports":
            tally.add("too-long" if isinstance(fault, RequestEntityTooLarge) else "not-a-batch")
        if request.path.startswith("/api/"):
            code = 400 if code == 413 else code  # as every other batch that is too long
            return _error(str(fault.name).lower().replace(" ", "-"), str(fault.description)), code, head
        return render_template("fault.html", code=code, name=fault.name), code, head


def _error(code: str, message: str) -> Response:
    return jsonify({"error": {"code": code, "message": message}})


def _set_headers(app: Flask, style: str) -> None:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    @app.after_request
    def strict(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers.setdefault("Cache-Control", "no-store")
        return response
