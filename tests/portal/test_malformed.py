"""Ten thousand malformed requests to every door: nothing breaks, nothing grows, nobody learns of another."""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from meshctl.agent.verbs import Verb
from meshctl.lab.authority import Authority
from meshctl.network_view import NetworkView
from meshctl.portal.agent_client import AgentClient
from meshctl.service import listen_tcp
from meshctl.wire import as_table, decode_line
from tests.agent.small_agent import NOW, SmallAgent, small_agent
from tests.portal.conftest import HERE
from tests.portal.malformed import SECRET, line, request
from tests.portal.test_process import PASSING

SEED, NAME = 5, "mesh.home"
REQUESTS = {"portal": 3_000, "captive": 2_000, "secure": 1_500}
"""To each door. Of those to the last a third are no TLS at all."""

LINES = 3_500
"""To the agent's socket."""

SIDE_BY_SIDE = 6
GROWTH = 6_000_000
"""Bytes that the portal may have more after the second half than after the first; it has some 60 MB."""

TELLING = re.compile(rb'Traceback|File "|werkzeug|waitress|meshctl/|\.py\b|sqlite|02:00:00:00:00')


@dataclass(frozen=True)
class Doors:
    process: psutil.Process
    ports: dict[str, int]
    log: Path
    believes: ssl.SSLContext

    def figures(self) -> tuple[int, int, int]:
        """Memory, open files and threads, once nothing is under way any more."""
        deadline = time.monotonic() + 20
        while len(self.process.net_connections()) > len(self.ports) and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.process.memory_info().rss, self.process.num_fds(), self.process.num_threads()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallAgent]:
    with small_agent(tmp_path_factory.mktemp("agent")) as agent:
        agent.callers[os.getuid()] = "portal"
        # With a line that works: without one the captive door has little to say.
        works = {"ok": True, "network": as_table(NetworkView("elm", (), internet=True))}
        agent.verbs.table["network"] = Verb(frozenset({"portal"}), lambda _: works)
        agent.kernel.around = {HERE: "02:00:00:00:00:01", "10.44.0.9": "02:00:00:00:00:09"}
        yield agent


@pytest.fixture(scope="module")
def doors(agent: SmallAgent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("portal")
    authority, files = Authority(folder / "authority"), (folder / "chain.pem", folder / "key.pem")
    authority.issue(NAME, *files)
    told = f'[portal]\nhost = "{NAME}"\ncertificate = "{files[0]}"\nkey = "{files[1]}"'
    config = folder / "meshctl.toml"
    config.write_text(agent.file.read_text().replace("[portal]", told))
    with ExitStack() as stack:
        listeners = {door: stack.enter_context(closing(listen_tcp(HERE, 0))) for door in REQUESTS}
        process = stack.enter_context(serving(config, folder / "log", *listeners.values()))
        ports = {door: one.getsockname()[1] for door, one in listeners.items()}
        believes = ssl.create_default_context(cafile=str(authority.root))
        yield Doors(process, ports, folder / "log", believes)


@contextmanager
def serving(config: Path, log: Path, *listeners: socket.socket) -> Iterator[psutil.Process]:
    """A portal of its own process on these sockets."""
    numbers = ",".join(str(one.fileno()) for one in listeners)
    words = [sys.executable, "-c", PASSING, numbers, "portal", "--config", str(config)]
    with log.open("wb") as written:
        process = subprocess.Popen(words, pass_fds=[one.fileno() for one in listeners], stderr=written)
    try:
        yield psutil.Process(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


def exchange(doors: Doors, door: str, number: int, sent: bytes) -> bytes:
    """Everything that comes back until the door hangs up."""
    # Handshakes are counted by address: so many of one would be refused, and prove nothing.
    source = HERE if door != "secure" else f"127.1.{number // 250}.{number % 250 + 1}"
    found = b""
    with suppress(ConnectionError, ssl.SSLError), connect(doors, door, number, source) as channel:
        channel.sendall(sent)
        try:
            socket.socket.shutdown(channel, socket.SHUT_WR)  # TLS's own would take the rest for no TLS
        except OSError as fault:
            if fault.errno != errno.ENOTCONN:  # it hung up already
                raise
        while piece := channel.recv(65536):
            found += piece
    return found


def connect(doors: Doors, door: str, number: int, source: str) -> socket.socket:
    plain = socket.create_connection((HERE, doors.ports[door]), timeout=20, source_address=(source, 0))
    if door != "secure" or number % 3 == 0:
        return plain
    return doors.believes.wrap_socket(plain, server_hostname=NAME)


@pytest.mark.parametrize("door", REQUESTS)
def test_no_malformed_request_breaks_a_door_or_makes_it_grow(door: str, doors: Doors, agent: SmallAgent) -> None:
    chance, count = random.Random(SEED), REQUESTS[door]
    sent = [request(chance, number) for number in range(count)]
    statuses: Counter[bytes] = Counter()
    marks = []
    with ThreadPoolExecutor(SIDE_BY_SIDE) as crowd:
        for half in (range(count // 2), range(count // 2, count)):
            for number, reply in zip(half, crowd.map(lambda n: exchange(doors, door, n, sent[n]), half), strict=True):
                # Nobody is refused for asking often: that would hide what lies behind.
                agent.clock.now = replace(NOW, monotonic=NOW.monotonic + 10 * number)
                statuses.update(re.findall(rb"^HTTP/1\.[01] (\d{3}) ", reply))
                assert not TELLING.search(reply), (sent[number], reply)
                assert set(re.findall(rb"%s(\d{6})" % SECRET.encode(), reply)) <= {b"%06d" % number}
            marks.append(doors.figures())

    (memory, files, threads), (memory_after, files_after, threads_after) = marks
    assert {status for status in statuses if status >= b"500"} <= {b"501"}, statuses
    assert sum(statuses.values()) > count // 2
    assert files_after <= files + SIDE_BY_SIDE  # connections to the agent are kept, one for each that asked at once
    assert threads_after == threads
    assert memory_after - memory < GROWTH
    assert not TELLING.search(doors.log.read_bytes().replace(b"meshctl.portal", b"")), doors.log.read_text()[:3000]
    assert SECRET.encode() not in doors.log.read_bytes()


def test_no_malformed_line_silences_the_agent(agent: SmallAgent, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(SEED)
    said: Counter[str] = Counter()
    for _ in range(SIDE_BY_SIDE):
        with socket.socket(socket.AF_UNIX) as channel, closing(channel.makefile("rb")) as replies:
            channel.settimeout(10)
            channel.connect(str(agent.config.socket))
            for _ in range(LINES // SIDE_BY_SIDE):
                sent = line(chance)
                channel.sendall(sent)
                reply = replies.readline()
                assert reply, sent
                table = decode_line(reply)
                assert not TELLING.search(reply), (sent, reply)
                said[table.get("error", {}).get("code", "ok")] += 1

    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
    assert said.keys() >= {"ok", "forbidden", "not-json", "bad-request"}, said
    with AgentClient(agent.config.socket) as client:
        assert client.device("10.44.0.9").state in ("visitor", "guest")
