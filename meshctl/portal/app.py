"""The factory of a node's own pages. Nothing happens at import."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from pathlib import Path
from string import ascii_lowercase

from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from meshctl.config import Config
from meshctl.portal import api, days, join, learn, me, mine, remember
from meshctl.portal.agent_client import AgentAway, AgentClient, Refused
from meshctl.portal.captive import join_address
from meshctl.portal.certificate import Certificate
from meshctl.portal.figures import ahead, exact, lasting, number, past, rate, volume
from meshctl.portal.languages import bare, lead, speak
from meshctl.portal.news import UNKNOWN
from meshctl.portal.often import refuse_often
from meshctl.portal.origin import refuse_foreign

_WRITERS = (ahead, exact, lasting, number, past, rate, volume)
"""What templates write figures with."""

BODY_LIMIT = 4096
"""Bytes of a form; a pass needs fifty."""


def create_portal(agent: AgentClient, config: Config, certificate: Certificate | None = None) -> Flask:
    """The pages of one node, for any client that can reach them; ``certificate`` is that of its door of TLS."""
    app = Flask("meshctl.portal", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=BODY_LIMIT, MAX_FORM_MEMORY_SIZE=BODY_LIMIT, MAX_FORM_PARTS=8)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    speak(app)
    style = _style()
    app.jinja_env.globals.update(network=config.network.name, box=config.node.name, style=style)
    app.jinja_env.globals.update(help=config.portal.help, help_place=config.portal.help_place)
    app.jinja_env.filters["bare"] = bare
    app.jinja_env.globals.update({write.__name__: write for write in _WRITERS})
    app.extensions["meshctl"] = (agent, config.portal)
    app.extensions["meshctl.certificate"] = certificate
    policy = _content_policy(style)

    def add_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Content-Security-Policy"] = policy
        if response.status_code == 429:
            response.headers.setdefault("Retry-After", "60")  # a minute is what wrong passes are counted in
        return response

    app.before_request(refuse_often())
    app.before_request(_refuse_large)
    app.before_request(refuse_foreign)
    app.before_request(lead)
    app.after_request(add_headers)
    app.register_blueprint(join.pages)
    app.register_blueprint(me.pages)
    app.register_blueprint(days.pages)
    app.register_blueprint(api.pages)
    app.register_blueprint(learn.pages)
    app.register_blueprint(mine.pages)
    app.register_blueprint(remember.pages)
    app.add_url_rule("/health", "health", _health, methods=["GET"])
    app.register_error_handler(AgentAway, _agent_away)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(HTTPException, _http_fault)
    app.jinja_env.globals["own_address"] = join_address(config)
    for name in app.jinja_env.list_templates(extensions=["html"]):
        app.jinja_env.get_template(name)  # compiled now, not while the first phone waits
    return app


# No Strict-Transport-Security: the same name must work over plain http, where a phone's first request is sent to, also
# on the day on which the certificate has expired; a browser that remembered it would lock its owner out.
# The referrer stays off other sites; "no-referrer" would make a browser call our own forms' origin "null".
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _style() -> str:
    sheet = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    lines = [line.strip() for line in sheet.splitlines()]
    small = "".join(line for line in lines if line and not line.startswith("/*"))
    names = sorted(set(re.findall(r"--[a-z]+", small)))  # colours have names to be read by people; phones need none
    return re.sub(r"--[a-z]+", lambda found: f"--{ascii_lowercase[names.index(found[0])]}", small)


def _content_policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = (
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return "; ".join(rules)


def _refuse_large() -> None:
    if (request.content_length or 0) > BODY_LIMIT:
        raise RequestEntityTooLarge  # a button whose form is never read must refuse too


def _health() -> Response:
    return Response("ok\n", mimetype="text/plain")


def _agent_away(fault: AgentAway) -> tuple[str, int, dict[str, str]]:
    current_app.logger.warning("%s", fault)
    return render_template("fault.html", fault="away"), 503, {"Retry-After": "5"}


def _refused(fault: Refused) -> tuple[str, int, dict[str, str]]:
    if fault.code == "unknown-device":
        return render_template("elsewhere.html", line=None, news=UNKNOWN), 409, {}
    if fault.code == "too-fast":
        return render_template("fault.html", fault="429"), 429, {"Retry-After": str(fault.seconds or 60)}
    current_app.logger.warning("the agent refused %s: %s: %s", request.endpoint, fault.code, fault)
    return render_template("fault.html", fault="busy" if fault.code == "busy" else "away"), 503, {"Retry-After": "5"}


def _http_fault(fault: HTTPException) -> Response:
    code = fault.code or 500
    if code == 500:
        logging.getLogger("meshctl.portal").error("a page failed: %r", request.path, exc_info=fault)
    response = Response(render_template("fault.html", fault=str(code)), status=code, mimetype="text/html")
    retry = getattr(fault, "retry_after", None)
    if retry:
        response.headers["Retry-After"] = str(retry)
    allowed = getattr(fault, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response
