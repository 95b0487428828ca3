"""Holds an application to its description in docs/openapi, with requests that schemathesis makes up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.schemas import BaseSchema

DESCRIPTIONS = Path(__file__).resolve().parent.parent / "docs" / "openapi"

SETTINGS = {
    "seed": 5,
    "generation": {"max-examples": 25, "database": "none", "deterministic": True},
    "phases": {"stateful": {"enabled": False}},
}
"""For each operation 25 requests that are made up; one for each bound of each keyword of the description besides."""


def described(name: str, application: Callable[..., Iterable[bytes]], **environ: str) -> BaseSchema:
    """Load the description of an application; every request to it has this environment besides (PEP 3333)."""
    whole = json.loads((DESCRIPTIONS / f"{name}.json").read_text(encoding="utf-8"))
    del whole["servers"]
    text = json.dumps(whole).encode()

    def both(given: dict[str, Any], start: Any) -> Iterable[bytes]:
        if given["PATH_INFO"] == "/openapi.json":
            start("200 OK", [("Content-Type", "application/json")])
            return [text]
        return application({**given, **environ}, start)

    return schemathesis.openapi.from_wsgi("/openapi.json", both, config=SchemathesisConfig.from_dict(SETTINGS))


def breaches(schema: BaseSchema) -> tuple[int, list[str]]:
    """Make every request up, and return how many there were and what was not as described."""
    requests, found = 0, []
    for event in from_schema(schema).execute():
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            found.append(f"{event.label}: {event.value}")
        if isinstance(event, events.ScenarioFinished):
            requests += len(event.recorder.cases)
            found += _failed(event)
    return requests, found


def _failed(event: events.ScenarioFinished) -> list[str]:
    cases = event.recorder.cases
    return [
        f"{cases[case].value.as_curl_command()[:2000]}\n{check.name}: {str(check.failure_info.failure)[:2000]}"
        for case, checks in event.recorder.checks.items()
        for check in checks
        if check.failure_info is not None
    ]
