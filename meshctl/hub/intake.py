"""Takes in what nodes report: verifies, bounds, holds each report once, says what was refused and why.

Nothing in a body is believed before its signature; nothing signed is believed beyond its bounds.
"""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from meshctl.hub.links import UNREACHABLE
from meshctl.hub.roster import Believed
from meshctl.hub.store import Signed, Store
from meshctl.model import DIRECTIONS, MeshctlError
from meshctl.wire import Envelope, Health, WireError, decode_batch, decode_health

BODY_LIMIT = 2 * 1024 * 1024
"""Bytes of one batch."""

BATCH_LIMIT = 1000
"""Reports in one batch."""

REPORTS_PER_MINUTE = 6000
"""For one node: a week's spool after an outage goes through in two minutes; a runaway does not."""

_LARGEST = 2**62
_MOST_LINKS = 256
_LONGEST_NAME = 32
_CONTROL = {chr(code) for code in range(32)} | {"\x7f"}


class TooFastError(MeshctlError):
    """A node sends more than the hub takes in; it must keep its reports and try again."""


@dataclass
class Tally:
    """Refusals that are not in the database yet: a flood of nonsense must not wear out a disk."""

    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, reason: str) -> None:
        """One more."""
        with self._lock:
            self._counts[reason] += 1

    def pending(self) -> dict[str, int]:
        """What is counted here and nowhere else."""
        with self._lock:
            return dict(self._counts)

    def flush(self, store: Store) -> None:
        """The database has them; they stay here when it does not answer."""
        with self._lock:
            store.count_refusals(self._counts)
            self._counts.clear()


class Pace:
    """How many reports each node sent in the current minute."""

    def __init__(self, most: int = REPORTS_PER_MINUTE) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._minute = -1
        self._sent: Counter[str] = Counter()

    def admit(self, node: str, reports: int, now: float) -> None:
        """Count them. Raises `TooFastError` when the node's minute is full."""
        with self._lock:
            if int(now // 60) != self._minute:
                self._minute = int(now // 60)
                self._sent.clear()
            if self._sent[node] + reports > self._most:
                raise TooFastError(f"{node} sends more than {self._most} reports a minute; keep them, try again later")
            self._sent[node] += reports


class Intake:
    """One batch in, one reply out."""

    def __init__(self, store: Store, tally: Tally, pace: Pace) -> None:
        self._store, self._tally, self._pace = store, tally, pace

    def take(self, body: bytes, believed: Believed, now: float) -> dict[str, Any]:
        """Hold what can be believed. Raises `WireError` for a body that is no batch, or `TooFastError`.

        ``accepted`` is what the hub holds now; ``duplicates`` of these it held before.
        """
        envelopes = self._batch(body)
        good: dict[str, list[Health]] = {}
        refused: list[dict[str, Any]] = []
        for envelope in envelopes:
            try:
                health = _verified(envelope, believed)
            except WireError as fault:
                self._tally.add(fault.code)
                refused.append({**_claimed(envelope), "reason": fault.code})
            else:
                good.setdefault(envelope.node, []).append(health)
        for name, reports in good.items():
            self._pace.admit(name, len(reports), now)
        signed = {name: Signed(believed.keys[name].text, tuple(reports)) for name, reports in good.items()}
        duplicates = self._store.hold(signed, now) if signed else 0
        accepted = [[health.boot, health.sequence] for reports in good.values() for health in reports]
        return {"accepted": accepted, "duplicates": duplicates, "refused": refused}

    def _batch(self, body: bytes) -> list[Envelope]:
        try:
            return _read_batch(body)
        except WireError as fault:
            self._tally.add(fault.code)
            raise


def _read_batch(body: bytes) -> list[Envelope]:
    envelopes = decode_batch(body)
    if len(envelopes) > BATCH_LIMIT:
        raise WireError("too-long", f"a batch has at most {BATCH_LIMIT} reports")
    return envelopes


def _verified(envelope: Envelope, believed: Believed) -> Health:
    key = believed.keys.get(envelope.node)
    if key is None or not key.signed(envelope.payload, envelope.signature):
        gone = believed.withdrawn.get(envelope.node, ())
        if any(old.signed(envelope.payload, envelope.signature) for old in gone):
            raise WireError("withdrawn-node", "that node's key is withdrawn")
        if key is None:
            raise WireError("unknown-node", "no key is known for that name")
        raise WireError("bad-signature", "the signature is not by that node's key")
    health = decode_health(envelope.payload)
    if health.node != envelope.node:
        raise WireError("wrong-node", "the report names another node than its envelope")
    for fault in _beyond_bounds(health):
        raise WireError("out-of-bounds", fault)
    return health


def _beyond_bounds(health: Health) -> Iterator[str]:
    figures = [
        health.boot,
        health.sequence,
        health.homes,
        health.guests,
        health.repairs,
        health.monotonic,
        health.pauses,
    ]
    texts = [(health.version, 64)]
    for name, fact in health.facts.items():
        texts += [(name, 64), (fact.unit, 16), (fact.error, 500)]
        if fact.value is not None and not math.isfinite(fact.value):
            yield f"fact {name!r} is not finite"
    for total in health.lines:
        texts.append((total.line, 64))
        figures += [total.carried, total.capacity, total.busy, total.fairness or 0]
    if not all(0 <= figure < _LARGEST for figure in figures) or not math.isfinite(health.wall):
        yield "a figure is negative or beyond all measure"
    if max(health.homes, health.guests, health.pauses_now) > 1_000_000 or health.pauses_now < 0:
        yield "more people than a node can serve"
    if any(len(text) > most or not _is_plain(text) for text, most in texts):
        yield "a text is too long or cannot be printed"
    if len(health.facts) > 200 or len(health.lines) > 32:
        yield "too many facts or lines"
    directions = [(total.line, total.direction) for total in health.lines]
    if len(set(directions)) != len(directions) or any(way not in DIRECTIONS for _, way in directions):
        yield "a line is there twice, or goes neither down nor up"
    yield from _beyond_links(health)


def _beyond_links(health: Health) -> Iterator[str]:
    if len(health.links) > _MOST_LINKS:
        yield "too many links"
    if len({(link.to, link.device) for link in health.links}) != len(health.links):
        yield "a link is there twice"
    for link in health.links:
        rtt = link.rtt_ms or 0.0
        if not (0 <= link.reach <= 1 and 0 <= link.cost <= UNREACHABLE and 0 <= rtt < _LARGEST):
            yield "a link's figure is beyond all measure"
    names = [name for name in (health.gateway, health.via, *(link.to for link in health.links)) if name is not None]
    texts = [*names, *(link.device for link in health.links)]
    if not all(texts) or health.node in (link.to for link in health.links):
        yield "a link leads nowhere"
    if any(len(text) > _LONGEST_NAME or not _is_plain(text) for text in texts):
        yield "a link's name is too long or cannot be printed"


def _is_plain(text: str) -> bool:
    return _CONTROL.isdisjoint(text) and not any(0xD800 <= ord(char) <= 0xDFFF for char in text)


def _claimed(envelope: Envelope) -> dict[str, Any]:
    """The boot and sequence that a refused payload says it has, so that its sender can tell which it is."""
    try:
        table = json.loads(envelope.payload)
    except (ValueError, RecursionError):
        return {"boot": None, "sequence": None}
    claims = table if isinstance(table, dict) else {}
    return {name: claims.get(name) if type(claims.get(name)) is int else None for name in ("boot", "sequence")}
