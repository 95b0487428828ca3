"""The agent's socket, where something goes wrong that nobody foresaw."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.agent.small_agent import SmallAgent, small_agent

JOIN = {"verb": "join", "client": "10.44.0.9"}


def ask(agent: SmallAgent, request: dict[str, str]) -> bytes:
    """Return what the agent says until a line ends or it hangs up."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(5)
        caller.connect(str(agent.config.socket))
        caller.sendall(json.dumps(request).encode() + b"\n")
        return caller.makefile("rb").readline()


def test_who_asks_to_join_while_the_node_fails_is_hung_up_on_and_not_kept_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: object) -> None:
        raise OSError("no buffer space available")

    with small_agent(tmp_path) as agent:
        with monkeypatch.context() as broken:
            broken.setattr(agent.verbs, "join", fails)
            assert ask(agent, JOIN) == b""
        assert "no buffer space available" in caplog.text
        assert json.loads(ask(agent, JOIN))["ok"] is False
