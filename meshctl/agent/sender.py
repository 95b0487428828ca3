"""Pushes the journal to the hub. A dead hub changes nothing here: lines wait, then go, oldest kept longest."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import random
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from meshctl.agent.store import Store
from meshctl.model import MeshctlError
from meshctl.wire import Envelope, encode_batch

log = logging.getLogger(__name__)

_BATCH = 50
_SECONDS = 10.0
_LONGEST_WAIT = 120.0
_NOT_YET = "unknown-node"
"""The one refusal that time mends: the hub has not read the roster that this node is in."""


class HubAwayError(MeshctlError):
    """The hub did not take the batch; it will be sent again."""


@dataclass(frozen=True)
class Answer:
    """``settled``: the hub has these or will never want them. ``kept``: how many of them it took.

    ``waiting``: it will want these once it knows this node.
    """

    settled: frozenset[int]
    kept: int
    waiting: frozenset[int] = frozenset()


def post(url: str, body: bytes) -> bytes:
    """Send one batch and return the reply's body. Raises `HubAwayError` when it should be sent again."""
    request = urllib.request.Request(  # noqa: S310  # config allows http and https only
        f"{url.rstrip('/')}/api/v1/reports", data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310
            return bytes(reply.read())
    except urllib.error.HTTPError as fault:
        with fault:
            if 400 <= fault.code < 500 and fault.code not in (408, 429):
                # It will never be taken: drop it, or it would stand in the way of all that follows.
                log.warning("the hub refused a batch with %d; it is dropped", fault.code)
                return b""
            raise HubAwayError(f"the hub answered {fault.code}") from fault
    except (OSError, ValueError, http.client.HTTPException) as fault:
        raise HubAwayError(f"the hub does not answer: {fault}") from fault


def read_answer(sent: list[int], reply: bytes) -> Answer:
    """Return which lines are settled. An unreadable answer with status 200 settles nothing."""
    if not reply:
        return Answer(frozenset(sent), 0)
    try:
        table = json.loads(reply)
        accepted = {int(sequence) for _, sequence in table["accepted"]}
        refused = [(refusal.get("sequence"), refusal.get("reason")) for refusal in table.get("refused", [])]
        waiting = frozenset(sequence for sequence, reason in refused if reason == _NOT_YET).intersection(sent)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as fault:
        raise HubAwayError("the hub's answer makes no sense") from fault
    for sequence, reason in refused:
        if sequence not in waiting:
            log.warning("the hub refused report %s: %s", sequence, reason)
    return Answer(frozenset(sent) - waiting, len(accepted), waiting)


def backoff(failures: int, base: float, roll: float) -> float:
    """Return seconds to wait after so many failures in a row; ``roll`` in 0..1 spreads nodes apart."""
    return float(min(_LONGEST_WAIT, base * 2.0 ** min(failures, 10)) * (0.5 + roll))


class Sender:
    """Two loops, apart from the tick: one appends what is due, one sends what waits."""

    def __init__(
        self, url: str, node: str, seconds: float, store: Store, report: Callable[[], Awaitable[object]]
    ) -> None:
        self._url, self._node, self._seconds, self._store, self._report = url, node, seconds, store, report
        self._failures = 0
        self._unknown = False
        self._written = asyncio.Event()

    async def run(self) -> None:
        """Report and send for ever. The journal is written on the loop's thread; only the post is not.

        Writing does not wait for sending: while the hub is away, each report is there all the same.
        """
        await asyncio.gather(self._write(), self._send())

    async def _write(self) -> None:
        while True:
            await self._report()
            self._written.set()
            await asyncio.sleep(self._seconds)

    async def _send(self) -> None:
        while self._url:
            await self._written.wait()
            self._written.clear()
            await self._push()
            if self._failures:
                await asyncio.sleep(backoff(self._failures, self._seconds, random.random()))  # noqa: S311  # spreading, not secrecy

    async def _push(self) -> None:
        """Send what waits. While the hub does not know this node, only its newest report knocks, once a turn."""
        while entries := self._store.unsent(1 if self._unknown else _BATCH):
            body = encode_batch([Envelope(self._node, entry.payload, entry.signature) for entry in entries])
            sequences = [entry.sequence for entry in entries]
            try:
                answer = read_answer(sequences, await asyncio.to_thread(post, self._url, body))
            except HubAwayError as fault:
                self._failures += 1
                log.info("%s; %d in a row", fault, self._failures)
                return
            self._failures = 0
            self._store.mark_sent(answer.settled)
            if answer.waiting:
                if not self._unknown:
                    log.warning("the hub does not know %s yet; reports wait until it is enrolled", self._node)
                self._unknown = True
                return
            self._unknown = False
