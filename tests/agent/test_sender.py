"""What a node does with its reports while the hub knows it, and while it does not yet."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.agent.sender import Sender, read_answer
from meshctl.agent.store import Entry, Store


class Hub(http.server.HTTPServer):
    """Refuses every report for its ``reason`` while there is one; remembers what came in which batch."""

    reason = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.batches: list[list[int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Door(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Hub)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sequences = [json.loads(report["payload"])["sequence"] for report in body["reports"]]
        self.server.batches.append(sequences)
        refused = [{"boot": 1, "sequence": n, "reason": self.server.reason} for n in sequences if self.server.reason]
        accepted = [] if self.server.reason else [[1, n] for n in sequences]
        reply = json.dumps({"accepted": accepted, "duplicates": 0, "refused": refused}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    for number in range(1, 121):
        store.append(Entry(number, 1, json.dumps({"sequence": number}).encode(), b"s"))
    yield store
    store.close()


async def nothing() -> None:
    """No report is due."""


def push(sender: Sender) -> None:
    asyncio.run(sender._push())


def test_a_node_that_is_not_enrolled_yet_keeps_its_reports_and_knocks_with_one(
    hub: Hub, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    sender = Sender(hub.url, "elm", 60, store, nothing)
    hub.reason = "unknown-node"
    for _ in range(3):
        push(sender)
    assert [len(batch) for batch in hub.batches] == [50, 1, 1]
    assert hub.batches[-1] == [120]
    assert len(store.unsent(200)) == 120
    assert caplog.text.count("the hub does not know elm yet") == 1

    hub.reason = ""
    push(sender)
    assert store.unsent(200) == []
    assert sorted(number for batch in hub.batches[3:] for number in batch) == list(range(1, 121))
    assert [len(batch) for batch in hub.batches[3:]] == [1, 50, 50, 19]


@pytest.mark.parametrize("reason", ["withdrawn-node", "bad-signature", "wrong-node", "out-of-bounds"])
def test_every_other_refusal_is_final(hub: Hub, store: Store, reason: str) -> None:
    hub.reason = reason
    push(Sender(hub.url, "elm", 60, store, nothing))
    assert store.unsent(200) == []
    assert [len(batch) for batch in hub.batches] == [50, 50, 20]


def test_a_mixed_answer_settles_what_it_settles() -> None:
    refused = [
        {"boot": 1, "sequence": 5, "reason": "unknown-node"},
        {"boot": 1, "sequence": 6, "reason": "bad-signature"},
    ]
    answer = read_answer([4, 5, 6], json.dumps({"accepted": [[1, 4]], "refused": refused}).encode())
    assert (answer.settled, answer.waiting, answer.kept) == (frozenset({4, 6}), frozenset({5}), 1)


@pytest.mark.parametrize("sequence", [None, "5", 99, True])
def test_a_refusal_of_something_that_was_not_sent_keeps_nothing(sequence: object) -> None:
    refused = [{"boot": None, "sequence": sequence, "reason": "unknown-node"}]
    answer = read_answer([4], json.dumps({"accepted": [], "refused": refused}).encode())
    assert (answer.settled, answer.waiting) == (frozenset({4}), frozenset())


def test_while_the_hub_is_away_each_report_is_written_all_the_same(store: Store) -> None:
    written: list[int] = []

    async def report() -> None:
        written.append(len(written))

    async def scene() -> None:
        # Nobody listens there: every try fails at once and the pauses grow.
        running = asyncio.ensure_future(Sender("http://127.0.0.1:9", "elm", 0.02, store, report).run())
        async with asyncio.timeout(10):
            while len(written) < 20:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(scene())
    assert len(store.unsent(200)) == 120


def test_a_report_goes_out_as_soon_as_it_is_written(hub: Hub, store: Store) -> None:
    async def scene() -> None:
        running = asyncio.ensure_future(Sender(hub.url, "elm", 60, store, nothing).run())
        async with asyncio.timeout(10):
            while store.unsent(200):
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(scene())
    assert sum(len(batch) for batch in hub.batches) == 120
