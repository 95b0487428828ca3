"""The shapes of messages: lines on the local socket, and signed envelopes from node to hub.

No sockets here. A socket message is one JSON object on one line, UTF-8, at most `LINE_LIMIT`
bytes with its newline. A request has a ``verb``; a reply has ``ok`` and either the verb's fields
or an ``error`` of ``code``, ``message``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from meshctl.fields import FieldError, read_table
from meshctl.model import MeshctlError
from meshctl.quota.explain import Explanation

T = TypeVar("T")

LINE_LIMIT = 1 << 20
"""Bytes. An operator's list of 5,000 households fits; a portal's message is below 1 kB."""

ENVELOPE_LIMIT = 256 * 1024
"""Bytes of one envelope's payload."""


class WireError(MeshctlError):
    """A message that cannot be read; ``code`` is a word for programs."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def encode_line(message: Mapping[str, Any]) -> bytes:
    """One message as one line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode_line(line: bytes) -> dict[str, Any]:
    """Read one message. Raises `WireError` for anything but a JSON object of decent size."""
    if len(line) > LINE_LIMIT:
        raise WireError("too-long", f"a message has at most {LINE_LIMIT} bytes")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as fault:
        raise WireError("not-json", "a message is one JSON object on one line") from fault
    if not isinstance(message, dict):
        raise WireError("not-an-object", "a message is one JSON object on one line")
    return message


def failure(code: str, message: str) -> dict[str, Any]:
    """The reply that says no, and why."""
    return {"ok": False, "error": {"code": code, "message": message}}


State = Literal["visitor", "guest", "household"]


@dataclass(frozen=True)
class Slice:
    """One direction of a line as one device sees it; rates in bit/s, bytes since the ledger began.

    ``assured`` is what the device's share gets when everybody wants the line; ``ceiling`` is what
    it may take while others leave it idle.
    """

    assured: float
    ceiling: float
    used: int


@dataclass(frozen=True)
class PauseView:
    """Why a steward paused a device, in the steward's words, and how many seconds that still lasts."""

    reason: str
    ends_in: float


@dataclass(frozen=True)
class DeviceView:
    """What one device may know of itself: the answer to `device`, `join`, `leave` and `link`.

    ``expires_in`` is in seconds. ``down`` and ``up`` are absent for a visitor, and where the node
    has no line. ``homes`` and ``guests`` are how many share the line now, this device included.
    ``standing`` is why a household has the slice it has. ``pause`` is there while a steward has stopped the
    device: it stays what it was, and is that again afterwards. ``remembered`` is for how many seconds it
    will be known again without pressing anything.
    """

    state: State
    household: str | None = None
    expires_in: float | None = None
    homes: int = 0
    guests: int = 0
    down: Slice | None = None
    up: Slice | None = None
    standing: Explanation | None = None
    pause: PauseView | None = None
    remembered: float | None = None


@dataclass(frozen=True)
class LineView:
    """The line as everybody may see it.

    ``busy`` is used bytes over capacity in the last tick, 0 to 1, rounded to 0.05.

    ``uplink`` says whether the internet is reached over it; ``homes`` and ``guests`` count who is present.
    """

    name: str
    down_mbit: float
    up_mbit: float
    homes: int
    guests: int
    slice_mbit: float
    busy: float
    uplink: bool


def device_view(reply: Mapping[str, Any]) -> DeviceView:
    """Read the ``device`` field of a reply. Raises `WireError`."""
    return _shape(DeviceView, reply.get("device"))


def line_view(reply: Mapping[str, Any]) -> LineView | None:
    """Read the ``line`` field of a reply; ``None`` where the node has no line. Raises `WireError`."""
    table = reply.get("line")
    return None if table is None else _shape(LineView, table)


def as_table(view: Any) -> dict[str, Any]:
    """Any of these dataclasses as plain values."""
    return asdict(view)


# Health, from a node to the hub.


@dataclass(frozen=True)
class Fact:
    """One probe's answer. A probe that failed is a fact too: ``ok`` is false and ``error`` says why.

    ``ok`` false with an ``error`` of "not here" means that this machine has no such thing.
    """

    ok: bool
    value: float | None = None
    unit: str = ""
    error: str = ""


@dataclass(frozen=True)
class LineTotal:
    """One direction of one line: ``carried`` bytes of frames since the ledger began, over everybody.

    ``capacity`` in bytes/s; ``busy`` is the last tick's use of it, 0 to 1; ``fairness`` is Jain's
    index over those who were held back in the last tick, or ``None`` when nobody was.
    """

    line: str
    direction: str
    carried: int
    capacity: float
    busy: float
    fairness: float | None = None


@dataclass(frozen=True)
class LinkState:
    """A link to the node ``to`` as this end sees it: never an address.

    ``reach`` is the share of the far end's last hellos, 16 at most, that was heard, 0 to 1; ``cost`` is babel's
    cost of sending over it, 65535 where that cannot be; ``rtt_ms`` is ``None`` where nobody measures it.
    """

    to: str
    device: str
    reach: float
    cost: int
    rtt_ms: float | None = None


@dataclass(frozen=True)
class Health:
    """What one node reports of itself: never a household, never a neighbour's device.

    Order is (``node``, ``boot``, ``sequence``), never ``wall``. ``monotonic`` is seconds since the
    machine started, ``wall`` seconds since 1970, ``trusted`` whether the node believes its wall clock.
    ``gateway`` is the node whose line it uses, itself included, and ``via`` the neighbour over which
    the way there begins; ``None`` where there is none, or no mesh.
    ``pauses`` is how often stewards of this node decided one, over all boots; ``pauses_now`` of them are in force.
    """

    node: str
    boot: int
    sequence: int
    monotonic: float
    wall: float
    trusted: bool
    version: str
    homes: int
    guests: int
    repairs: int
    facts: dict[str, Fact] = field(default_factory=dict)
    lines: tuple[LineTotal, ...] = ()
    links: tuple[LinkState, ...] = ()
    gateway: str | None = None
    via: str | None = None
    pauses: int = 0
    pauses_now: int = 0


@dataclass(frozen=True)
class Envelope:
    """Signed bytes: ``signature`` is Ed25519 (RFC 8032) by ``node``'s key over ``payload`` as sent."""

    node: str
    payload: bytes
    signature: bytes


def encode_health(health: Health) -> bytes:
    """The bytes to sign and store."""
    return json.dumps(asdict(health), separators=(",", ":"), sort_keys=True).encode()


def decode_health(payload: bytes) -> Health:
    """Read a verified payload. Raises `WireError`."""
    try:
        table = json.loads(payload)
    except (ValueError, RecursionError) as fault:
        raise WireError("not-json", "a report is one JSON object") from fault
    return _shape(Health, table)


def encode_batch(envelopes: list[Envelope]) -> bytes:
    """The body of ``POST /api/v1/reports``."""
    entries = [
        {"node": e.node, "payload": e.payload.decode(), "signature": base64.b64encode(e.signature).decode()}
        for e in envelopes
    ]
    return json.dumps({"reports": entries}).encode()


def decode_batch(body: bytes) -> list[Envelope]:
    """Read a batch; signatures are not checked here. Raises `WireError`."""
    try:
        entries = json.loads(body)["reports"]
        if not isinstance(entries, list):
            raise TypeError("reports")  # noqa: TRY301  # the same as where an entry is no table
        envelopes = [
            Envelope(
                _text(e["node"]), _text(e["payload"]).encode(), base64.b64decode(_text(e["signature"]), validate=True)
            )
            for e in entries
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise WireError("not-a-batch", "a batch is {reports: [{node, payload, signature}]}") from fault
    if any(len(e.payload) > ENVELOPE_LIMIT for e in envelopes):
        raise WireError("too-long", f"a report has at most {ENVELOPE_LIMIT} bytes")
    return envelopes


def _text(word: object) -> str:
    if not isinstance(word, str):
        raise TypeError(word)
    return word


def _shape(shape: type[T], table: object) -> T:
    try:
        return read_table(shape, table)
    except FieldError as fault:
        raise WireError("wrong-shape", str(fault)) from fault
