"""The real process: passed sockets, readiness, the word to stop, and what it may load."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from meshctl.config import Config
from meshctl.service import listen_tcp
from tests.portal.conftest import HERE
from tests.portal.fake_agent import FakeAgent

_NODE = """
[node]
name = "elm-1"
[paths]
state = "{run}"
run = "{run}"
[[access]]
device = "br-lan"
ipv4 = "10.44.0.1/22"
ipv6 = "fd44::1/64"
"""

PASSING = """
import os, sys
from meshctl.cli import main
for want, have in enumerate(map(int, sys.argv[1].split(",")), 3):
    os.dup2(have, want)
names = ["portal", "captive", "secure"][: sys.argv[1].count(",") + 1]
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names))
sys.argv[1:] = sys.argv[2:]
main()
"""


def test_it_serves_on_passed_sockets_and_stops_when_told(config: Config, fake: FakeAgent, tmp_path: Path) -> None:
    file = tmp_path / "meshctl.toml"
    file.write_text(_NODE.format(run=tmp_path))
    ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ready.bind(str(tmp_path / "notify"))
    ready.settimeout(20)
    with closing(ready), closing(listen_tcp(HERE, 0)) as portal, closing(listen_tcp(HERE, 0)) as captive:
        high = [os.dup2(one.fileno(), number) for number, one in ((60, portal), (61, captive))]
        process = subprocess.Popen(
            [sys.executable, "-c", PASSING, ",".join(map(str, high)), "portal", "--config", str(file)],
            pass_fds=high,
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
        )
        for number in high:
            os.close(number)
        try:
            assert ready.recv(64) == b"READY=1"
            for port, status in ((portal.getsockname()[1], 200), (captive.getsockname()[1], 302)):
                with closing(http.client.HTTPConnection(HERE, port, timeout=10)) as connection:
                    connection.request("GET", "/")
                    with connection.getresponse() as reply:
                        assert (reply.status, len(reply.read()) > 4) == (status, True)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
            process.wait()


def test_it_loads_nothing_that_touches_the_machine() -> None:
    heavy = "scapy netifaces psutil sqlite3 sqlite_utils apscheduler sqlalchemy nacl"
    code = f"import sys, meshctl.portal.main; print([m for m in {heavy.split()} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "meshctl.toml"
    with closing(listen_tcp(HERE, 0)) as taken:
        file.write_text(_NODE.format(run=tmp_path) + f"[portal]\nport = {taken.getsockname()[1]}\n")
        command = [sys.executable, "-m", "meshctl", "portal", "--config", str(file)]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert outcome.returncode == 1
    assert "the portal cannot listen on port" in outcome.stderr
    assert "portal.port" in outcome.stderr
