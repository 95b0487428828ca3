"""The hub as a process: sockets, readiness, stop, faults at start, memory, and from an installed wheel."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.hub.conftest import MakeUrl
from tests.hub.fleet import Board, carried, write_roster
from tests.rosters import PUBLIC

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    port: int

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as reply:
            return str(reply.read().decode())

    def post(self, body: bytes) -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/reports", data=body)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as reply:
            return str(reply.read().decode())


def write_config(folder: Path, url: str, *boards: Board) -> Path:
    write_roster(folder / "roster.json", boards)
    file = folder / "hub.toml"
    file.write_text(
        f'[fleet]\nroster = "{folder}/roster.json"\ncommunity = "{PUBLIC}"\n'
        f'[listen]\naddresses = ["127.0.0.1:0"]\n[database]\nurl = "{url}"\n'
    )
    return file


@contextmanager
def running(config: Path, folder: Path) -> Iterator[Running]:
    """Start it as systemd does: a listening socket passed, and a place to say that it is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, socket.create_server(("127.0.0.1", 0)) as door:
        channel.bind(str(folder / "notify"))
        channel.settimeout(30)
        script = 'exec 3<&"$0"; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=hub; exec "$@"'
        words = [sys.executable, "-m", "meshctl", "hub", "--config", str(config)]
        environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}
        process = subprocess.Popen(
            ["bash", "-c", script, str(door.fileno()), *words], pass_fds=[door.fileno()], env=environment
        )
        try:
            assert channel.recv(100) == b"READY=1"
            yield Running(process, door.getsockname()[1])
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(20)
        assert code == 0
        assert channel.recv(100) == b"STOPPING=1"


def test_it_serves_on_a_passed_socket_and_keeps_what_it_holds_over_a_restart(
    make_url: MakeUrl, tmp_path: Path, elm: Board
) -> None:
    config = write_config(tmp_path, make_url(), elm)
    for sequence in (1, 2):
        (tmp_path / "notify").unlink(missing_ok=True)
        with running(config, tmp_path) as hub:
            hub.post(elm.batch(*(elm.health(sequence=n, lines=carried(n)) for n in range(1, sequence + 1))))
            assert "The one node is fine." in hub.get("/")
            assert f'"sequence":{sequence}' in hub.get("/api/v1/nodes")
            if sequence == 2:
                assert hub.post(elm.batch(elm.health())).count('"duplicates":1') == 1


def test_it_stays_within_its_memory(tmp_path: Path, elm: Board) -> None:
    config = write_config(tmp_path, f"sqlite:///{tmp_path}/hub.db", elm)
    with running(config, tmp_path) as hub:
        for start in range(0, 1000, 100):
            hub.post(elm.batch(*(elm.health(sequence=start + n, lines=carried(start + n)) for n in range(100))))
        for page in ("/", "/public", "/?json"):
            hub.get(page)
        assert psutil.Process(hub.process.pid).memory_full_info().pss <= 75e6


def test_two_copies_share_one_database(make_url: MakeUrl, tmp_path: Path, elm: Board) -> None:
    url = make_url()
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        write_config(folder, url, elm)
    with running(one / "hub.toml", one) as first, running(other / "hub.toml", other) as second:
        first.post(elm.batch(elm.health()))
        assert '"duplicates":1' in second.post(elm.batch(elm.health(), elm.health(sequence=2)))
        assert '"sequence":2' in first.get("/api/v1/nodes")


def start_wrongly(config: Path) -> tuple[int, str]:
    words = [sys.executable, "-m", "meshctl", "hub", "--config", str(config)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_a_communitys_key_that_is_none_stops_the_start(tmp_path: Path) -> None:
    config = write_config(tmp_path, f"sqlite:///{tmp_path}/hub.db")
    config.write_text(config.read_text().replace(PUBLIC, "short"))
    code, words = start_wrongly(config)
    assert code == 2
    assert "fleet.community" in words
    assert "meshctl community new" in words
    assert not (tmp_path / "hub.db").exists()


def test_an_older_roster_is_not_believed_after_a_restart_either(tmp_path: Path, elm: Board, farm: Board) -> None:
    config = write_config(tmp_path, f"sqlite:///{tmp_path}/hub.db", elm)
    older = (tmp_path / "roster.json").read_bytes()
    with running(config, tmp_path) as hub:
        assert '"refused":[]' in hub.post(elm.batch(elm.health()))
        write_roster(tmp_path / "roster.json", [farm], withdrawn=[elm])
        assert "withdrawn-node" in hub.post(elm.batch(elm.health(sequence=2)))
    (tmp_path / "roster.json").write_bytes(older)
    (tmp_path / "notify").unlink()
    with running(config, tmp_path) as hub:
        assert "unknown-node" in hub.post(elm.batch(elm.health(sequence=3)))
        assert "was seen before" in hub.get("/")
        write_roster(tmp_path / "roster.json", [farm], withdrawn=[elm])
        assert "withdrawn-node" in hub.post(elm.batch(elm.health(sequence=3)))
        assert '"refused":[]' in hub.post(farm.batch(farm.health()))


def test_an_address_that_is_taken_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = write_config(tmp_path, f"sqlite:///{tmp_path}/hub.db")
        config.write_text(config.read_text().replace(":0", f":{taken.getsockname()[1]}"))
        code, words = start_wrongly(config)
    assert code == 2
    assert "listen.addresses" in words


def test_a_database_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    code, words = start_wrongly(write_config(tmp_path, "sqlite:////nowhere/hub.db"))
    assert code == 1
    assert "database.url" in words
    assert "Traceback" not in words


def test_the_wheel_brings_pages_and_migrations(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = (
        "import meshctl, sys; from meshctl.hub.migrate import migrate; from meshctl.hub.schema import open_engine\n"
        "engine = open_engine(sys.argv[1]); migrate(engine); engine.dispose(); print(meshctl.__file__)"
    )
    words = [sys.executable, "-c", program, f"sqlite:///{tmp_path}/hub.db"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(str(tmp_path)), done.stderr
    templates = {path.name for path in (tmp_path / "site/meshctl/hub/templates").iterdir()}
    assert templates >= {"base.html", "dashboard.html", "public.html", "fault.html", "style.css"}
