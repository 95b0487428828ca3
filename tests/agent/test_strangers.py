"""Who has no verbs on this board keeps nobody from those who have."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

from meshctl.portal.agent_client import AgentClient
from tests.agent.small_agent import small_agent

AT, DEVICE = "10.44.0.9", "02:00:00:00:00:01"


def test_connections_that_a_stranger_holds_leave_the_portal_its_own(tmp_path: Path) -> None:
    with small_agent(tmp_path) as agent, ExitStack() as stack, AgentClient(agent.config.socket) as client:
        agent.kernel.around = {AT: DEVICE}
        agent.callers.clear()
        said = []
        for _ in range(300):
            held = stack.enter_context(socket.socket(socket.AF_UNIX))
            held.settimeout(5)
            held.connect(str(agent.config.socket))
            with suppress(BrokenPipeError):  # it was told "busy" before it said anything
                held.sendall(b'{"verb":"device"}\n')
            said.append(held.recv(4096))
        agent.callers[os.getuid()] = "portal"

        assert client.device(AT).state == "visitor"
    assert [b"forbidden" in reply for reply in said] == [True] * 16 + [False] * 284
    assert b"busy" in said[-1]
