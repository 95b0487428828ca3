from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.lab.logbook import Logbook, tail
from meshctl.lab.supervisor import Service, Spec, Supervisor

STANDIN = (sys.executable, str(Path(__file__).with_name("standin.py")))
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    (tmp_path / "log").mkdir()
    (tmp_path / "n").mkdir()
    before = signal.getsignal(signal.SIGCHLD)
    made = Supervisor(tmp_path / "log", tmp_path / "n")
    yield made
    made.stop(2)
    made.close()
    signal.signal(signal.SIGCHLD, before)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as low:
        high = socket.socket(fileno=fcntl.fcntl(low.fileno(), fcntl.F_DUPFD_CLOEXEC, 64))
    with high:
        yield high


def turn_until(supervisor: Supervisor, claim: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        supervisor.turn(0.05)


def stand_in(supervisor: Supervisor, listener: socket.socket, *words: str) -> Service:
    spec = Spec("elm", "standin", (*STANDIN, *words), ENVIRONMENT, notify=True, sockets=(("first", listener),))
    return supervisor.add(spec)


def answer(supervisor: Supervisor, listener: socket.socket) -> int:
    """Connect, and turn the loop until the service answers: nothing but the socket's queue holds the caller."""
    with socket.create_connection(listener.getsockname()) as channel:
        channel.settimeout(0)
        heard: list[bytes] = []

        def hear() -> bool:
            try:
                heard.append(channel.recv(64))
            except BlockingIOError:
                return False
            return True

        turn_until(supervisor, hear)
    return int(heard[0])


def test_a_service_is_ready_when_it_says_so_and_its_pid_is_its_own(
    supervisor: Supervisor, listener: socket.socket
) -> None:
    service = stand_in(supervisor, listener)
    assert service.state == "starting"
    turn_until(supervisor, lambda: service.is_up)
    assert answer(supervisor, listener) == service.pid


def test_what_follows_is_done_at_every_start_before_a_service_counts_as_ready(
    supervisor: Supervisor, listener: socket.socket
) -> None:
    states: list[str] = []
    spec = Spec("elm", "standin", STANDIN, ENVIRONMENT, notify=True, sockets=(("first", listener),))
    service = supervisor.add(replace(spec, then=lambda: states.append(service.state)))
    turn_until(supervisor, lambda: service.is_up)
    supervisor.kill("elm", "standin", signal.SIGKILL)
    turn_until(supervisor, lambda: len(states) == 2 and service.is_up)
    assert states == ["starting", "starting"]


def test_a_killed_service_is_back_and_a_connection_made_meanwhile_is_answered(
    supervisor: Supervisor, listener: socket.socket
) -> None:
    service = stand_in(supervisor, listener)
    turn_until(supervisor, lambda: service.is_up)
    first = supervisor.kill("elm", "standin", signal.SIGKILL)
    turn_until(supervisor, lambda: service.pid != first)
    assert answer(supervisor, listener) not in (first, 0)
    turn_until(supervisor, lambda: service.is_up)
    assert service.past.restarts == 1


def test_one_that_cannot_start_is_given_up_and_its_log_says_why(
    supervisor: Supervisor, listener: socket.socket, tmp_path: Path
) -> None:
    service = stand_in(supervisor, listener, "die")
    turn_until(supervisor, lambda: service.state == "failed")
    log = tail(tmp_path / "log" / "elm-standin.log", 100)
    assert log.count("standing in die") == 6
    assert "ended with 3; given up" in log
    with pytest.raises(KeyError):
        supervisor.kill("elm", "standin", signal.SIGKILL)


def test_stopping_ends_also_what_does_not_listen(supervisor: Supervisor) -> None:
    service = supervisor.add(Spec("elm", "deaf", ("sh", "-c", "trap '' TERM; while :; do sleep 1; done"), ENVIRONMENT))
    pid = service.pid
    assert pid is not None
    supervisor.stop(0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_log_stays_bounded(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "chatty.log", limit=1000)
    for number in range(500):
        book.write(b"line %d\n" % number)
    book.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2000
    assert tail(tmp_path / "chatty.log", 1) == "line 499"


def test_no_hardware_address_is_kept_even_where_it_comes_in_pieces(tmp_path: Path) -> None:
    book = Logbook(tmp_path / "dhcp.log")
    pieces = (
        b"Listening on LPF/eth0/02:3F:f8:4c:5e:a2\nNAK 10.45.1.96 02:3f:f",
        b"8:4c:5e:a2 wrong\nfrom fe80::3f:",
        b"f8ff:fe4c:5ea2%eth0\nid ff:00:01:00:01:2c:02:3f:f8:4c:5e:a2\nat 12:30:05 on 2001:db8:44::1",
    )
    for piece in pieces:
        book.write(piece)
    book.close()
    assert (tmp_path / "dhcp.log").read_text().splitlines() == [
        "Listening on LPF/eth0/(hardware address)",
        "NAK 10.45.1.96 (hardware address) wrong",
        "from (hardware address)%eth0",
        "id (hardware address)",
        "at 12:30:05 on 2001:db8:44::1",
    ]
