"""Keys of the day come, are shared, and go; nothing under a destroyed one can be linked."""

from __future__ import annotations

import pytest

from meshctl.agent.mesh.channel import ChannelError
from meshctl.agent.mesh.daykeys import LIFETIME, ROTATE, TURN, DayKeys

PHONE = "02:00:5e:10:00:01"


def test_all_who_have_a_key_make_the_same_tokens_and_marks() -> None:
    one, other = DayKeys(), DayKeys()
    key = one.make(100.0)
    assert other.accept(one.offer([], 200.0), 5000.0)
    twin = other.current
    assert twin is not None
    assert twin.token(PHONE) == key.token(PHONE)
    assert twin.household_mark("K7QM") == key.household_mark("K7QM")
    assert twin.born == 4900.0
    assert one.offer(other.names(), 300.0) == []


def test_tokens_and_marks_say_nothing_without_the_key_and_differ_by_day_and_purpose() -> None:
    keys = DayKeys()
    first, second = keys.make(0.0), keys.make(ROTATE)
    hashes = {k.token(PHONE) for k in (first, second)} | {k.household_mark("K7QM") for k in (first, second)}
    hashes |= {k.guest_mark(k.token(PHONE)) for k in (first, second)}
    assert len(hashes) == 6
    assert all("02005e100001" not in one and "K7QM" not in one for one in hashes)


def test_the_next_key_is_due_after_a_day_for_the_first_node_and_later_for_the_others() -> None:
    keys = DayKeys()
    keys.make(0.0)
    assert not keys.is_due(ROTATE, 0)
    assert keys.is_due(ROTATE + 1, 0)
    assert not keys.is_due(ROTATE + 1, 1)
    assert keys.is_due(ROTATE + TURN + 1, 1)


def test_a_key_is_destroyed_when_it_is_too_old() -> None:
    keys = DayKeys()
    old = keys.make(0.0)
    new = keys.make(ROTATE)
    assert keys.forget(LIFETIME + 1) == [old.name]
    assert keys.all() == [new]
    late = DayKeys()
    assert not late.accept([{"secret": old.secret.hex(), "epoch": 1, "age": LIFETIME + 1}], 0.0)


def test_two_that_made_a_key_at_once_use_the_same_one_after_they_met() -> None:
    one, other = DayKeys(), DayKeys()
    one.make(0.0)
    other.make(0.0)
    one.accept(other.offer([], 1.0), 1.0)
    other.accept(one.offer([], 1.0), 1.0)
    assert one.current is not None
    assert other.current is not None
    assert one.current.name == other.current.name
    assert len(one) == len(other) == 2


@pytest.mark.parametrize(
    "offered",
    [
        None, {}, ["x"], [{"secret": "00", "epoch": 1, "age": 0}], [{"secret": "zz" * 32, "epoch": 1, "age": 0}],
        [{"secret": "00" * 32, "epoch": 0, "age": 0}], [{"secret": "00" * 32, "epoch": 1, "age": float("nan")}],
        [{"secret": "00" * 32, "epoch": True, "age": 0}], [{"secret": "00" * 32, "epoch": 1, "age": -1}], [{}] * 17,
    ],
)  # fmt: skip
def test_what_are_no_keys_is_refused(offered: object) -> None:
    keys = DayKeys()
    with pytest.raises(ChannelError):
        keys.accept(offered, 0.0)
    assert len(keys) == 0
