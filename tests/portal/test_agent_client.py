from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.config import Config
from meshctl.network_view import Box, NetworkView, Outage
from meshctl.portal.agent_client import AgentAway, AgentClient, Refused
from tests.portal.conftest import HERE
from tests.portal.fake_agent import FakeAgent


@pytest.fixture
def client(config: Config, fake: FakeAgent) -> Iterator[AgentClient]:
    with AgentClient(config.socket, seconds=5.0) as client:
        yield client


def test_views_come_back_as_values(client: AgentClient) -> None:
    assert client.device(HERE).state == "visitor"
    assert client.join(HERE).state == "guest"
    assert client.leave(HERE).state == "visitor"
    line = client.line()
    assert line is not None
    assert line.down_mbit == 20.0


def test_a_refusal_carries_its_code(client: AgentClient) -> None:
    with pytest.raises(Refused) as refusal:
        client.device("10.44.0.77")
    assert refusal.value.code == "unknown-device"


def test_a_restarted_agent_is_found_again(client: AgentClient, fake: FakeAgent) -> None:
    client.line()
    fake.stop()
    fake.start()
    assert client.join(HERE).state == "guest"


def test_an_absent_agent_is_away(client: AgentClient, fake: FakeAgent) -> None:
    client.line()
    fake.stop()
    with pytest.raises(AgentAway, match="does not answer"):
        client.line()


def test_a_silent_agent_is_away_after_the_wait(config: Config, client: AgentClient, fake: FakeAgent) -> None:
    answer = threading.Event()
    fake.before_join = lambda: (answer.wait(10), None)[1]
    with AgentClient(config.socket, seconds=0.2) as hasty, pytest.raises(AgentAway, match="timed out"):
        hasty.join(HERE)
    answer.set()
    assert client.device(HERE).state in ("visitor", "guest")


@pytest.mark.parametrize(
    "reply",
    [
        b"\n",
        b"nonsense\n",
        b"[]\n",
        b'{"ok":true}\n',
        b'{"ok":true,"device":{"state":"king"}}\n',
        b'{"ok":true,"line":[]}\n',
        b"x" * 70_000 + b"\n",
    ],
)
def test_an_answer_that_cannot_be_read_is_no_answer(reply: bytes, client: AgentClient, fake: FakeAgent) -> None:
    fake.raw_reply = reply
    with pytest.raises(AgentAway):
        client.device(HERE)


def test_a_no_without_a_reason_is_still_a_no(client: AgentClient, fake: FakeAgent) -> None:
    fake.raw_reply = b'{"ok":false}\n'
    with pytest.raises(Refused):
        client.device(HERE)


def test_eight_threads_share_the_kept_connections(client: AgentClient, fake: FakeAgent) -> None:
    seen: list[str] = []

    def ask_often() -> None:
        seen.extend(client.device(HERE).state for _ in range(25))

    threads = [threading.Thread(target=ask_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["visitor"] * 200


def test_no_socket_file_at_all_is_away(tmp_path: Path) -> None:
    with AgentClient(tmp_path / "nowhere.sock") as client, pytest.raises(AgentAway):
        client.line()


def test_the_network_is_told_whole(client: AgentClient, fake: FakeAgent) -> None:
    outage = Outage("internet", "", 3600.0, None, over=False)
    boxes = (Box("elm-1", line=True, up=True), Box("oak", line=False, up=False))
    fake.network = NetworkView("elm-1", boxes, internet=False, since=3600.0, outages=(outage,))
    assert client.network() == fake.network
