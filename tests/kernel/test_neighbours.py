"""Who is behind which address: what is read is what ip(8) shows, of the doors only, and how old it is."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meshctl.agent.neighbours import heard_lately
from tests.kernel.street import ADDRESSES, HARDWARE, Street

pytestmark = pytest.mark.kernel


def test_the_agent_reads_what_ip_shows_of_its_doors(street: Street) -> None:
    four, six = ADDRESSES["far"]
    assert street.reaches("access", four)
    assert street.reaches("access", six)
    nobody = street.run("access", "ping", "-n", "-c1", "-W1", "10.44.8.99").returncode
    street.reaches("access", "10.44.4.1")
    found = street.access.do(street.access.kernel.neighbours)
    shown = json.loads(street.run("access", "ip", "-json", "neigh", "show", "dev", "lan0").stdout)

    assert nobody
    assert found[four] == found[six] == HARDWARE["far"]
    assert found == {row["dst"]: row["lladdr"] for row in shown if "lladdr" in row}


def test_of_whom_nothing_was_heard_for_longer_nothing_is_said(street: Street) -> None:
    four = ADDRESSES["other"][0]
    street.run("access", "ip", "neigh", "flush", "dev", "lan0")
    assert four not in street.access.do(lambda: heard_lately("lan0", 60))
    assert street.reaches("other", "10.44.8.1")
    assert street.access.do(lambda: heard_lately("lan0", 60))[four] == HARDWARE["other"]
    time.sleep(1.2)
    assert four not in street.access.do(lambda: heard_lately("lan0", 1))
    assert street.access.do(lambda: heard_lately("lan0", 60))[four] == HARDWARE["other"]


def test_the_watch_tells_of_who_was_there_before_it(street: Street, tmp_path: Path) -> None:
    wanted = {(HARDWARE["far"], address) for address in ADDRESSES["far"]}
    street.run("access", "ip", "neigh", "flush", "dev", "lan0")
    assert street.reaches("far", "10.44.8.1")
    assert street.reaches("far", "2001:db8:2::1")
    with told_by_a_watch(street, tmp_path) as lines:
        found: set[tuple[str, str]] = set()
        while not wanted <= found:  # lines end in a timeout where there are none
            one = next(lines)
            found.add((one["hardware"], one["address"]))
    assert {hardware for hardware, _ in found} == {HARDWARE["far"]}


@contextmanager
def told_by_a_watch(street: Street, folder: Path) -> Iterator[Iterator[dict[str, str]]]:
    """Start a real watch at the access node; yield what it tells the agent, which is played here."""
    file, agent = folder / "meshctl.toml", socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door = '[[access]]\ndevice = "lan0"\nipv4 = "10.44.8.1/22"\nipv6 = "2001:db8:2::1/64"\n'
    file.write_text(f'[node]\nname = "access"\n{door}[paths]\nrun = "{folder}"\nstate = "{folder}"\n')
    agent.bind(str(folder / "agent.sock"))
    agent.listen()
    agent.settimeout(20)
    words = f"ip netns exec {street.at('access')} {sys.executable} -m meshctl watch --config {file}".split()
    with agent, subprocess.Popen(words) as watch:
        try:
            yield _spoken(agent)
        finally:
            watch.terminate()


def _spoken(agent: socket.socket) -> Iterator[dict[str, str]]:
    while True:
        channel = agent.accept()[0]
        with channel, channel.makefile(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
