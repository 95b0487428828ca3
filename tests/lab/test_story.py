from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from meshctl.lab import demo
from meshctl.lab.fault import LabError
from meshctl.lab.story import capture
from meshctl.lab.story.load import Load
from meshctl.lab.story.stage import Chapter, Claim, Story, apart, jain
from meshctl.lab.story.trust import secret_words
from meshctl.lab.topology import load_topology
from meshctl.lab.web import known_bytes

CLIENT = "10.45.0.7"
ETHERNET = bytes(12)


def tcp(port: int) -> bytes:
    return struct.pack("!HH", 40_000, port) + bytes(16)


def frame4(port: int, payload: bytes = b"") -> bytes:
    head = b"\x45" + bytes(8) + b"\x06" + bytes(2) + socket.inet_aton(CLIENT) + bytes(4)
    return ETHERNET + b"\x08\x00" + head + tcp(port) + payload


def frame6(port: int) -> bytes:
    return ETHERNET + b"\x86\xdd" + bytes(6) + b"\x06" + bytes(33) + tcp(port)


def told(story: Story) -> Iterator[Claim]:
    yield Claim("the sun is up", held=True)


def untrue(story: Story) -> Iterator[Claim]:
    yield Claim("the sun is blue", held=False)


def broken(story: Story) -> Iterator[Claim]:
    yield Claim("the sun is up", held=True)
    raise LabError("the sun went down")


@pytest.fixture
def story() -> Story:
    return Story.__new__(Story)


def test_the_demo_is_a_ring_of_three_nodes_with_two_phones_at_each() -> None:
    topology = load_topology(demo.TOPOLOGY)
    assert [(node.name, node.hub, node.uplink is not None) for node in topology.node] == [
        ("elm", True, True), ("oak", False, False), ("ash", False, False),
    ]  # fmt: skip
    assert len(topology.link) == 3
    assert sorted(phone.at for phone in topology.phone) == ["ash", "ash", "elm", "elm", "oak", "oak"]


@pytest.mark.parametrize(
    ("chapter", "held", "words"),
    [(told, True, "ok "), (untrue, False, "NOT"), (broken, False, "it broke off: the sun went down")],
)
def test_a_chapter_holds_when_every_claim_of_it_does(
    story: Story, capsys: pytest.CaptureFixture[str], chapter: Chapter, *, held: bool, words: str
) -> None:
    assert demo.tell_chapter(story, chapter) is held
    assert words in capsys.readouterr().out


def test_a_download_is_whole_when_every_byte_is_the_known_one_wherever_the_pieces_end() -> None:
    near, far = socket.socketpair()
    with near, far:
        for cut in (5, 30, 38, 60):
            sent = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + known_bytes(0, 50)
            load = Load("amal", near, 50)
            for piece in (sent[:cut], sent[cut:]):
                load.take(piece)
            assert load.whole, cut
        load = Load("amal", near, 50)
        load.take(sent[:-1] + b"?")
        assert load.got == 50
        assert not load.whole


def test_what_agents_say_is_told_from_what_clients_do() -> None:
    assert capture.between_agents(frame4(4450), 4450)
    assert capture.between_agents(frame6(4450), 4450)
    assert not capture.between_agents(frame4(80), 4450)
    assert not capture.between_agents(frame6(80), 4450)


def test_a_word_that_crossed_is_named() -> None:
    words = secret_words({"handle": "7K3M", "pass": "7K3M-AAAA-BBBB-CCCC"}, "02:ab:cd:12:34:56")
    frames = [frame4(80), frame4(4450, b"..7K3M.."), frame6(4450), ETHERNET + bytes.fromhex("02abcd123456")]
    found = capture.summary(frames, {"never": words, "address": CLIENT}, 4450)
    assert found["crossed"] == ["the address", "the handle"]
    assert (found["frames"], found["client"], found["agents"]) == (4, 2, 2)
    assert words["its EUI-64"] == "00abcdfffe123456"


def test_shares_are_as_fair_as_they_are_equal() -> None:
    assert jain([5.0, 5.0, 5.0]) == pytest.approx(1.0)
    assert jain([9.0, 0.0, 0.0]) == pytest.approx(1 / 3)
    assert jain([0.0, 0.0]) == 0.0
    assert apart(99, 100) == pytest.approx(0.01)
    assert apart(1, 0) == 1.0
