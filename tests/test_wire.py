"""Messages survive the way there and back, and nothing odd gets through."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.wire import (
    ENVELOPE_LIMIT,
    LINE_LIMIT,
    DeviceView,
    Envelope,
    Fact,
    Health,
    LineTotal,
    LineView,
    LinkState,
    Slice,
    WireError,
    decode_batch,
    decode_health,
    decode_line,
    device_view,
    encode_batch,
    encode_health,
    encode_line,
    failure,
    line_view,
)

HEALTH = Health(
    "corner-7", 3, 9, 12.5, 1.8e9, trusted=False, version="0.1.0", homes=4, guests=2, repairs=1,
    facts={"disk": Fact(ok=True, value=900, unit="MB"), "heat": Fact(ok=False, error="not here")},
    lines=(LineTotal("isp", "down", 10**13, 2.5e6, 0.5, None),),
    links=(LinkState("oak", "mesh0", 0.9375, 96, 0.41), LinkState("oak", "mesh1", 0.0, 65535)),
    gateway="elm", via="oak",
)  # fmt: skip

LATER = ("facts", "lines", "links", "gateway", "via", "pauses", "pauses_now")
"""Fields that a node of an older version does not send."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_a_line_survives_the_way(message: dict[str, object]) -> None:
    line = encode_line(message) if _encodable(message) else b"{}\n"
    assert line.count(b"\n") == 1
    assert decode_line(line) == (message if _encodable(message) else {})


def _encodable(message: dict[str, object]) -> bool:
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "not-json"),
        (b"hello\n", "not-json"),
        (b"\xff\xfe{}\n", "not-json"),
        (b"[" * 100_000 + b"\n", "not-json"),
        (b"[]\n", "not-an-object"),
        (b"7\n", "not-an-object"),
        (b"{" + b" " * LINE_LIMIT + b"}", "too-long"),
    ],
)
def test_anything_but_one_object_of_decent_size_is_refused(line: bytes, code: str) -> None:
    with pytest.raises(WireError) as refused:
        decode_line(line)
    assert refused.value.code == code


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    for read in (decode_line, decode_health, decode_batch):
        with contextlib.suppress(WireError):
            read(noise)


def test_health_survives_the_way() -> None:
    assert decode_health(encode_health(HEALTH)) == HEALTH


@pytest.mark.parametrize("key", [key for key in asdict(HEALTH) if key not in LATER])
def test_health_without_a_required_field_is_refused(key: str) -> None:
    table = asdict(HEALTH)
    del table[key]
    with pytest.raises(WireError, match=key):
        decode_health(json.dumps(table).encode())


def test_health_with_a_field_nobody_knows_is_refused() -> None:
    with pytest.raises(WireError, match="unknown key"):
        decode_health(json.dumps({**asdict(HEALTH), "devices": []}).encode())


def test_a_batch_survives_the_way() -> None:
    batch = [Envelope("a", encode_health(HEALTH), b"\x00" * 64), Envelope("b", b"{}", b"")]
    assert decode_batch(encode_batch(batch)) == batch


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"reports": 7}', b'{"reports": [7]}', b'{"reports": [{"node": "a", "payload": "x"}]}',
     b'{"reports": [{"node": "a", "payload": "x", "signature": "!!"}]}'],
)  # fmt: skip
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(WireError) as refused:
        decode_batch(body)
    assert refused.value.code == "not-a-batch"


def test_an_endless_report_is_refused() -> None:
    with pytest.raises(WireError, match="at most"):
        decode_batch(encode_batch([Envelope("a", b"x" * (ENVELOPE_LIMIT + 1), b"")]))


def test_views_survive_the_way() -> None:
    device = DeviceView("guest", None, 60.0, 3, 2, Slice(1e6, 2e7, 55), Slice(1e5, 5e6, 5))
    assert device_view(decode_line(encode_line({"ok": True, "device": asdict(device)}))) == device
    line = LineView("isp", 20.0, 5.0, 3, 2, 1.5, 0.35, uplink=True)
    assert line_view({"ok": True, "line": asdict(line)}) == line
    assert line_view({"ok": True, "line": None}) is None
    with pytest.raises(WireError, match=r"device|not"):
        device_view(failure("busy", "x"))
