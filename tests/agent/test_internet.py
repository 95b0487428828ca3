from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from meshctl.agent import internet
from meshctl.agent.internet import SILENCE, Internet
from meshctl.config import Access, Config, Line, Node, Resolver


class Server(asyncio.DatagramProtocol):
    """Answers every question, as a name server that refuses would, until told to be silent."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked.append(data)
        if not self.silent:
            self.transport.sendto(data[:2] + bytes([data[2] | 0x80]) + data[3:], addr)


def config(*upstream: str) -> Config:
    line = Line("isp", "lo", 20, 5)
    access = Access("br-lan", "10.44.0.1/22", "fd44::1/64")
    return Config(Node("elm"), (access,), line=(line,), resolver=Resolver(upstream))


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    state = [True]
    monkeypatch.setattr(internet, "has_carrier", lambda device: state[0])
    return state


def test_the_line_works_as_long_as_a_name_server_answers(plugged: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]

    async def tell() -> None:
        loop, server = asyncio.get_running_loop(), Server()
        transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
        monkeypatch.setattr(internet, "_PORT", transport.get_extra_info("sockname")[1])
        line = Internet(config("127.0.0.1"), lambda: now[0])
        await answered(line, server)
        now[0] += SILENCE - 1
        assert line.works
        server.silent = True
        await line.ask()
        assert line.facts() == {}
        assert line.silent_since is None
        now[0] += 2
        assert not line.works
        assert line.silent_since == 100, "since the last answer, not since it was noticed"
        assert "no name server behind the line answers" in line.facts()["uplink"].error
        server.silent = False
        await answered(line, server)
        assert line.works
        plugged[0] = False
        assert not line.works
        assert line.facts() == {}, "the cable has its own probe"
        line.close()
        transport.close()

    asyncio.run(tell())


async def answered(line: Internet, server: Server) -> None:
    before = line._answered
    await line.ask()
    async with asyncio.timeout(5):
        while line._answered == before:
            await asyncio.sleep(0.001)


def test_a_question_is_one_for_the_roots_servers(plugged: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell() -> bytes:
        loop, server = asyncio.get_running_loop(), Server()
        transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
        monkeypatch.setattr(internet, "_PORT", transport.get_extra_info("sockname")[1])
        line = Internet(config("127.0.0.1"), lambda: 0.0)
        await line.ask()
        async with asyncio.timeout(5):
            while not server.asked:
                await asyncio.sleep(0.001)
        line.close()
        transport.close()
        return server.asked[0]

    # One question, recursion desired, for the name of no labels, type NS, class IN.
    assert asyncio.run(tell())[2:] == bytes.fromhex("0100 0001 0000 0000 0000 00 0002 0001")


def test_silence_from_servers_that_nobody_configured_proves_nothing(plugged: list[bool], tmp_path: Path) -> None:
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.1\nnameserver 127.0.0.1\noptions edns0\n", encoding="utf-8")
    now = [0.0]
    line = Internet(config(), lambda: now[0], resolv)
    assert line._servers == ["192.0.2.1"]
    now[0] = 10 * SILENCE
    assert line.works


def test_configured_servers_that_never_answer_are_believed_after_a_while(plugged: list[bool]) -> None:
    now = [0.0]
    line = Internet(config("192.0.2.1"), lambda: now[0])
    assert line.works
    now[0] = SILENCE + 1
    assert not line.works


def test_a_line_that_is_plugged_in_again_has_a_moment_to_come_up(plugged: list[bool]) -> None:
    now = [0.0]
    line = Internet(config("192.0.2.1"), lambda: now[0])
    now[0], plugged[0] = 1000.0, False
    asyncio.run(line.ask())
    plugged[0] = True
    assert line.works


def test_without_any_name_server_the_cable_says_it(plugged: list[bool], tmp_path: Path) -> None:
    line = Internet(config(), lambda: 10 * SILENCE, tmp_path / "none")
    assert line.works
    plugged[0] = False
    assert not line.works
