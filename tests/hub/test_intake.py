"""What the hub believes of what nodes send."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st

from meshctl.hub.intake import BATCH_LIMIT, BODY_LIMIT, Pace, Tally, TooFastError, _verified
from meshctl.hub.latest import advance
from meshctl.hub.roster import Believed, NodeKey
from meshctl.hub.store import Store
from meshctl.wire import Envelope, Fact, Health, WireError, encode_batch, encode_health
from tests.hub.fleet import NOON, Board, Clock, carried, link, write_roster

JSON = "application/json"


def post(client: FlaskClient, body: bytes) -> tuple[int, dict[str, Any]]:
    reply = client.post("/api/v1/reports", data=body, content_type=JSON)
    assert reply.json is not None
    return reply.status_code, reply.json


def test_a_signed_batch_is_accepted_and_a_repeat_is_a_duplicate(client: FlaskClient, elm: Board) -> None:
    body = elm.batch(elm.health(), elm.health(sequence=2))
    assert post(client, body) == (200, {"accepted": [[1, 1], [1, 2]], "duplicates": 0, "refused": []})
    assert post(client, body) == (200, {"accepted": [[1, 1], [1, 2]], "duplicates": 2, "refused": []})


def test_one_bad_report_does_not_spoil_its_batch(
    client: FlaskClient, elm: Board, farm: Board, store: Store, tally: Tally
) -> None:
    good, forged = elm.sign(elm.health()), farm.sign(farm.health(sequence=8))
    forged = Envelope("elm", forged.payload, forged.signature)
    code, reply = post(client, encode_batch([forged, good, Board("ghost").sign(Board("ghost").health(sequence=3))]))
    assert code == 200
    assert reply["accepted"] == [[1, 1]]
    assert reply["refused"] == [
        {"boot": 1, "sequence": 8, "reason": "bad-signature"},
        {"boot": 1, "sequence": 3, "reason": "unknown-node"},
    ]
    tally.flush(store)
    assert store.refusals() == {"bad-signature": 1, "unknown-node": 1}
    assert tally.pending() == {}


def reason(client: FlaskClient, board: Board) -> str:
    _, reply = post(client, board.batch(board.health()))
    return str(reply["refused"][0]["reason"]) if reply["refused"] else "taken"


def test_a_withdrawn_node_is_refused_from_the_next_look_on(
    client: FlaskClient, elm: Board, farm: Board, roster_file: Path, store: Store, tally: Tally
) -> None:
    assert (reason(client, elm), reason(client, farm)) == ("taken", "taken")
    before = roster_file.read_bytes()
    write_roster(roster_file, [farm], withdrawn=[elm])
    assert (reason(client, elm), reason(client, farm)) == ("withdrawn-node", "taken")
    roster_file.write_bytes(before)  # somebody shows the roster that still had it
    assert (reason(client, elm), reason(client, farm)) == ("withdrawn-node", "taken")
    tally.flush(store)
    assert store.refusals() == {"withdrawn-node": 2}


def test_a_name_that_another_board_took_over_is_the_new_boards_alone(
    client: FlaskClient, elm: Board, roster_file: Path
) -> None:
    heir, stranger = Board("elm", seed=2), Board("elm", seed=3)
    write_roster(roster_file, [], withdrawn=[elm])
    assert (reason(client, elm), reason(client, heir)) == ("withdrawn-node", "unknown-node")
    write_roster(roster_file, [heir], withdrawn=[elm])
    assert (reason(client, elm), reason(client, heir), reason(client, stranger)) == (
        "withdrawn-node", "taken", "bad-signature",
    )  # fmt: skip


def test_a_report_speaks_for_its_own_node_only(client: FlaskClient, elm: Board, farm: Board) -> None:
    _, reply = post(client, encode_batch([elm.sign(farm.health())]))
    assert reply["refused"][0]["reason"] == "wrong-node"


@pytest.mark.parametrize(
    "changes",
    [
        {"boot": -1},
        {"boot": 2**62},
        {"homes": 10**7},
        {"monotonic": float("inf")},
        {"wall": float("-inf")},
        {"version": "v" * 65},
        {"version": "a\x00b"},
        {"facts": {"disk": Fact(ok=True, value=float("inf"))}},
        {"facts": {"disk": Fact(ok=False, error="\ud800")}},
        {"facts": {f"fact-{n}": Fact(ok=True) for n in range(201)}},
        {"lines": carried(2**63)},
        {"lines": carried(1) + carried(2)},
        {"links": (link("oak"), link("oak", cost=7))},
        {"links": (link("oak", reach=1.01),)},
        {"links": (link("oak", cost=65_536),)},
        {"links": (link("oak", cost=-1),)},
        {"links": (link("oak", rtt_ms=float("inf")),)},
        {"links": (link("oak" * 11),)},
        {"links": (link("oak\n"),)},
        {"links": (link(""),)},
        {"links": (link("elm"),)},
        {"links": tuple(link(f"oak-{n}") for n in range(257))},
        {"gateway": "g" * 33},
        {"via": "\ud800"},
    ],
)
def test_a_signed_report_is_not_believed_beyond_its_bounds(
    client: FlaskClient, elm: Board, changes: dict[str, Any]
) -> None:
    code, reply = post(client, elm.batch(elm.health(sequence=5, **changes)))
    assert code == 200
    assert (reply["accepted"], reply["refused"][0]["reason"]) == ([], "out-of-bounds")
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "payload", [b"[]", b"{", b"17", b'{"node":"elm"}', b"[" * 5000, b'{"boot":true}', b'{"facts":null}']
)
def test_a_signed_payload_of_another_shape_is_refused(client: FlaskClient, elm: Board, payload: bytes) -> None:
    code, reply = post(client, encode_batch([elm.sign_bytes(payload)]))
    assert (code, reply["accepted"]) == (200, [])
    assert reply["refused"][0] == {
        "boot": None, "sequence": None, "reason": reply["refused"][0]["reason"],
    }  # fmt: skip


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = [field.name for field in dataclasses.fields(Health)]


@example({"facts": None})
@example({"wall": 10**400})
@given(st.dictionaries(st.sampled_from(_FIELDS), _ANY, max_size=4) | _ANY)
def test_whatever_is_signed_is_either_a_report_or_refused(odd: Any) -> None:
    board = Board("elm")
    plain = json.loads(encode_health(board.health()))
    payload = json.dumps({**plain, **odd} if isinstance(odd, dict) else odd).encode()
    try:
        health = _verified(board.sign_bytes(payload), Believed({"elm": NodeKey(board.public)}))
    except WireError:
        return
    advance(board.public, None, {}, [health], NOON)
    json.dumps(dataclasses.asdict(health), allow_nan=False).encode()


def test_ten_thousand_bodies_of_garbage_are_refused_and_none_is_a_fault(
    client: FlaskClient, elm: Board, store: Store, tally: Tally
) -> None:
    random.seed(11)
    whole = elm.batch(elm.health())
    codes: dict[int, int] = {}
    for number in range(10_000):
        code = client.post("/api/v1/reports", data=_garbage(number, whole), content_type=JSON).status_code
        codes[code] = codes.get(code, 0) + 1
    assert set(codes) == {400}
    assert tally.pending() == {"not-a-batch": 10_000}
    assert store.standings() == []


def _garbage(number: int, whole: bytes) -> bytes:
    kinds: list[Callable[[], bytes]] = [
        lambda: os.urandom(random.randrange(200)),
        lambda: whole[: random.randrange(len(whole))],
        lambda: json.dumps(random.choice([None, 1, [], {}, "x", {"reports": 3}, {"reports": [None]}])).encode(),
        lambda: b'{"reports":[{"node":"elm","payload":"\\ud800","signature":"AA=="}]}',
        lambda: b'{"reports":[{"node":"elm","payload":"x","signature":"\xc3\xa9"}]}',
        lambda: b"[" * random.randrange(1, 3000),
        lambda: b'{"reports":' + b"9" * 5000 + b"}",
    ]
    return kinds[number % len(kinds)]()


def test_a_batch_has_a_size(client: FlaskClient, elm: Board) -> None:
    assert post(client, b" " * (BODY_LIMIT + 1))[0] == 400
    many = encode_batch([Envelope("elm", b"{}", b"")] * (BATCH_LIMIT + 1))
    assert post(client, many) == (
        400, {"error": {"code": "too-long", "message": f"a batch has at most {BATCH_LIMIT} reports"}},
    )  # fmt: skip
    assert post(client, encode_batch([elm.sign_bytes(b" " * 270_000)]))[0] == 400


def test_only_json_is_taken(client: FlaskClient, elm: Board) -> None:
    body = elm.batch(elm.health())
    assert client.post("/api/v1/reports", data=body).status_code == 415
    packed = {"Content-Encoding": "gzip"}
    assert client.post("/api/v1/reports", data=body, content_type=JSON, headers=packed).status_code == 415
    assert client.get("/api/v1/reports").status_code == 405


def test_a_runaway_node_is_asked_to_keep_its_reports(client: FlaskClient, elm: Board, clock: Clock) -> None:
    for start in range(0, 6000, 1000):
        assert post(client, elm.batch(*(elm.health(sequence=start + n) for n in range(1000))))[0] == 200
    code, reply = post(client, elm.batch(elm.health(sequence=7000)))
    assert (code, reply["error"]["code"]) == (503, "too-fast")
    clock.at += 60
    assert post(client, elm.batch(elm.health(sequence=7000)))[0] == 200


def test_the_pace_is_each_nodes_own() -> None:
    pace = Pace(most=10)
    pace.admit("elm", 10, NOON)
    pace.admit("farm", 10, NOON)
    with pytest.raises(TooFastError, match="elm"):
        pace.admit("elm", 1, NOON)


def test_a_store_that_does_not_answer_makes_nodes_keep_their_reports(
    client: FlaskClient, elm: Board, store: Store
) -> None:
    from meshctl.hub.schema import metadata  # noqa: PLC0415

    metadata.drop_all(store._engine)
    code, reply = post(client, elm.batch(elm.health()))
    assert (code, reply["error"]["code"]) == (503, "no-store")


def test_a_signature_covers_the_bytes_as_sent(client: FlaskClient, elm: Board) -> None:
    payload = encode_health(elm.health(sequence=4))
    spaced = payload.replace(b",", b", ", 1)
    _, reply = post(client, encode_batch([Envelope("elm", spaced, elm.sign_bytes(payload).signature)]))
    assert reply["refused"] == [{"boot": 1, "sequence": 4, "reason": "bad-signature"}]
