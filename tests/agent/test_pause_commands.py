"""What a steward types, and what is refused before the agent is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from meshctl.agent import pause_commands
from meshctl.agent.pause_commands import pause

ADDRESS = "10.44.4.12"
GOOD = [ADDRESS, "--reason", "It sends spam.", "--hours", "3"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Requests that the agent was asked; it says yes to all."""
    requests: list[dict[str, object]] = []
    row = {"id": "K7QM", "reason": "It sends spam.", "ends_in": 10_740.0, "node": "elm"}

    def ask(_: Path, request: dict[str, object]) -> dict[str, object]:
        requests.append(request)
        return {"ok": True, "pauses": [row]} if request["verb"] == "pauses" else {"ok": True, **row, "replaced": True}

    monkeypatch.setattr(pause_commands, "ask", ask)
    return requests


@pytest.mark.parametrize(
    "words",
    [
        [], ["--end"], ["--list", ADDRESS], [ADDRESS, "--end", "--list"], [ADDRESS, "--end", "--hours", "3"],
        ["--list", "--reason", "x"], [ADDRESS, "--hours", "many"],
    ],
)  # fmt: skip
def test_what_is_no_call_is_said_so_with_exit_code_two(asked: list[dict[str, object]], words: list[str]) -> None:
    assert CliRunner().invoke(pause, words).exit_code == 2
    assert asked == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([ADDRESS, "--hours", "3"], "reason: it has 3 to 200 printable characters"),
        ([ADDRESS, "--reason", "It sends spam."], "hours: it is a number above 0 and at most 24"),
        ([*GOOD[:-1], "24.5"], "hours: it is a number above 0 and at most 24"),
        ([*GOOD[:-1], "nan"], "hours: it is a number above 0 and at most 24"),
    ],
)
def test_a_wrong_field_is_named_with_its_remedy_and_exit_code_two(words: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "meshctl", "pause", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_answers_are_short(asked: list[dict[str, object]]) -> None:
    said = CliRunner().invoke(pause, GOOD).output
    assert said == (
        "It was paused already: reason and end are new. Paused for 3 h. To end it sooner: meshctl pause K7QM --end\n"
    )
    assert CliRunner().invoke(pause, ["k7qm", "--end"]).output == "Pause K7QM is over.\n"
    assert CliRunner().invoke(pause, ["--list"]).output.splitlines()[1] == (
        "K7QM    2 h 59 m  elm              It sends spam."
    )
    assert asked[0] == {"verb": "pause", "address": ADDRESS, "reason": "It sends spam.", "hours": 3.0}
