"""Pauses end the same on every node, in whatever order they are heard, across new keys and power cuts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.agent.mesh.channel import ChannelError, Message
from meshctl.agent.mesh.daykeys import LIFETIME, ROTATE, DayKeys
from meshctl.agent.mesh.pauses import MOST_PAUSES, PauseRecord, SharedPauses, from_wire, to_wire
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.pauses import LAST_VERSION, Pause, Pauses
from meshctl.agent.store import Store

PHONE, OTHER = "02:00:5e:10:00:01", "02:00:5e:10:00:02"
KEY, TOKENS = "01" * 8, ["aa" * 16, "bb" * 16]
HOUR = 3600.0

pause = st.builds(
    Pause,
    ident=st.sampled_from(["K7QM", "0ABC"]),
    reason=st.sampled_from(["It sends spam.", "It floods."]),
    until=st.integers(1, 5).map(float),
    version=st.integers(1, 3),
    by=st.sampled_from(["ash", "elm"]),
    over=st.booleans(),
)
record = st.builds(PauseRecord, token=st.sampled_from(TOKENS), key=st.just(KEY), pause=pause)


def silent(message: Message) -> None:
    """Say nothing to nobody."""


class Node:
    """A node's keys and pauses; what it tells waits in ``said``."""

    def __init__(self, keys: DayKeys, known: list[PauseRecord] | None = None) -> None:
        self.said: list[Message] = []
        self.keys, self.here = keys, Pauses()
        self.shared = SharedPauses(keys, known or [], self.said.append)

    def pause(self, hardware: str, hours: float, now: float, by: str = "elm") -> Pause:
        before = self.shared.best(hardware)
        made = Pause("K7QM", "It sends spam.", now + hours * HOUR, before.next_version if before else 1, by)
        self.shared.write(hardware, made, now)
        return made


def shared_key(*nodes: Node) -> None:
    nodes[0].keys.make(0.0)
    for node in nodes[1:]:
        node.keys.accept(nodes[0].keys.offer([], 0.0), 0.0)


@pytest.fixture
def pair() -> tuple[Node, Node]:
    elm, oak = Node(DayKeys()), Node(DayKeys())
    shared_key(elm, oak)
    return elm, oak


@given(st.lists(record, max_size=12), st.randoms())
def test_order_and_repetition_make_no_difference(found: list[PauseRecord], shuffled: Any) -> None:
    one, other = SharedPauses(DayKeys(), [], silent), SharedPauses(DayKeys(), [], silent)
    again = [*found, *found]
    shuffled.shuffle(again)
    for shared, told in ((one, found), (other, again)):
        for entry in told:
            shared.hear({"records": [to_wire(entry, 0.0)]}, 0.0)
    assert sorted(one.all(), key=repr) == sorted(other.all(), key=repr)


@given(st.lists(record, max_size=8))
def test_of_each_token_the_one_that_no_other_beats_is_kept(found: list[PauseRecord]) -> None:
    shared = SharedPauses(DayKeys(), [], silent)
    shared.hear({"records": [to_wire(entry, 0.0) for entry in found]}, 0.0)
    kept = {entry.token: entry.pause for entry in shared.all()}
    for entry in found:
        assert entry.pause == kept[entry.token] or kept[entry.token].beats(entry.pause)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_early_end_wins_over_the_pause_before_it_in_any_order(order: tuple[int, ...]) -> None:
    old = Pause("K7QM", "It sends spam.", 50.0, 1, "oak")
    over = Pause("K7QM", "It sends spam.", 50.0, 2, "ash", over=True)
    same_time = Pause("K7QM", "It still does.", 90.0, 2, "zoe")
    here = Pauses()
    for index in order:
        here.merge(PHONE, (old, over, same_time)[index])
    assert here.get(PHONE) == over
    assert not here.stops(PHONE)


def test_a_pause_travels_with_what_is_left_of_it_and_never_with_more_than_a_day() -> None:
    sent = PauseRecord(TOKENS[0], KEY, Pause("K7QM", "क्\u200dष", 500.0, 3, "oak"))
    got = from_wire(to_wire(sent, 400.0), 9000.0)
    assert got == PauseRecord(TOKENS[0], KEY, Pause("K7QM", "क्\u200dष", 9100.0, 3, "oak"))
    assert from_wire({**to_wire(sent, 0.0), "left": 1e9}, 0.0).pause.until == 24 * HOUR


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "aa"}, {"key": "zz" * 8}, {"id": "K7QM" * 9}, {"reason": "a\nb"}, {"reason": 7},
        {"reason": "x" * 201},
        {"left": -1}, {"left": "1"}, {"version": 0}, {"version": LAST_VERSION + 1}, {"by": "x" * 33}, {"over": 1},
    ],
)  # fmt: skip
def test_a_wrong_shape_is_refused_whole(wrong: dict[str, Any]) -> None:
    good = to_wire(PauseRecord(TOKENS[0], KEY, Pause("K7QM", "It sends spam.", 50.0, 1, "oak")), 0.0)
    shared = SharedPauses(DayKeys(), [], silent)
    with pytest.raises(ChannelError):
        shared.hear({"records": [good, {**good, "token": TOKENS[1], **wrong}]}, 0.0)
    assert len(shared) == 0
    for garbage in (7, None, "x", [1], [None]):
        with pytest.raises(ChannelError):
            shared.hear({"records": garbage}, 0.0)


def test_a_device_that_was_paused_at_one_node_is_known_at_the_next(pair: tuple[Node, Node]) -> None:
    elm, oak = pair
    made = elm.pause(PHONE, 3, 100.0)
    for message in elm.said:
        assert PHONE.replace(":", "") not in str(message)
        oak.shared.hear(message, 100.0)
    assert oak.shared.best(PHONE) == made
    assert oak.shared.best(OTHER) is None


def test_what_is_told_again_is_not_told_on(pair: tuple[Node, Node]) -> None:
    elm, _ = pair
    made = elm.pause(PHONE, 3, 100.0)
    elm.said.clear()
    elm.shared.write(PHONE, made, 200.0)
    assert elm.said == []


def test_it_outlives_the_next_key_as_joined_devices_do(pair: tuple[Node, Node]) -> None:
    elm, oak = pair
    made = elm.pause(PHONE, 3, ROTATE - HOUR)
    oak.shared.hear(elm.said[0], ROTATE - HOUR)
    elm.keys.make(ROTATE)
    oak.keys.accept(elm.keys.offer(oak.keys.names(), ROTATE), ROTATE)
    elm.said.clear()
    elm.shared.write(PHONE, made, ROTATE)
    (message,) = elm.said
    oak.shared.hear(message, ROTATE)
    for node in (elm, oak):
        node.keys.forget(LIFETIME + 1)
        node.shared.purge(node.keys.names())
        assert node.shared.best(PHONE) == made
        assert len(node.shared) == 1


def test_an_end_that_a_node_without_the_newest_key_wrote_wins_all_the_same(pair: tuple[Node, Node]) -> None:
    elm, oak = pair
    made = elm.pause(PHONE, 3, ROTATE)
    oak.shared.hear(elm.said[0], ROTATE)
    elm.keys.make(ROTATE)
    elm.shared.write(PHONE, made, ROTATE)
    over = Pause(made.ident, made.reason, made.until, made.next_version, "oak", over=True)
    oak.shared.end(made.ident, over, ROTATE)
    elm.shared.hear(oak.said[0], ROTATE)
    assert elm.shared.best(PHONE) == over


def test_a_node_that_was_without_power_is_told_that_it_ended_meanwhile(pair: tuple[Node, Node]) -> None:
    elm, oak = pair
    made = elm.pause(PHONE, 3, 0.0)
    oak.shared.hear(elm.said[0], 0.0)
    # For oak no time has passed in nine hours without power; the key it gets from elm is the same one.
    back = Node(elm.keys, [PauseRecord(one.token, one.key, one.pause) for one in oak.shared.all()])
    now = 9 * HOUR
    for message in back.shared.messages(0.0):
        assert elm.shared.hear(message, now) == []
    assert elm.shared.best(PHONE) == made
    for message in elm.shared.messages(now):
        back.shared.hear(message, 0.0)
    held = back.shared.best(PHONE)
    assert held is not None
    assert not held.in_force(0.001)


def test_no_node_can_make_a_pause_that_nobody_can_end(pair: tuple[Node, Node]) -> None:
    elm, _ = pair
    elm.shared.write(PHONE, Pause("K7QM", "It sends spam.", 24 * HOUR, LAST_VERSION, "zzz"), 0.0)
    held = elm.shared.best(PHONE)
    assert held is not None
    over = Pause(held.ident, held.reason, held.until, held.next_version, "elm", over=True)
    elm.shared.end(held.ident, over, 0.0)
    assert elm.shared.best(PHONE) == over


def test_a_crowd_of_records_never_grows_beyond_its_bound(pair: tuple[Node, Node]) -> None:
    elm, _ = pair
    for number in range(MOST_PAUSES + 50):
        elm.pause(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", 1, float(number))
    assert len(elm.shared) == MOST_PAUSES
    assert max(len(message["records"]) for message in elm.shared.messages(0.0)) <= 256


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    kept = Store(tmp_path)
    yield kept
    kept.close()


def test_the_disk_holds_tokens_and_what_is_left_and_no_address(store: Store, tmp_path: Path) -> None:
    elm = Node(DayKeys())
    elm.keys.make(0.0)
    shelf = Shelf(store)
    store.boot("first")
    made = elm.pause(PHONE, 3, 100.0)
    shelf.keep_pauses(elm.shared.changed(), 100.0)
    token = elm.keys.all()[0].token(PHONE)
    assert [(one.token, one.pause) for one in shelf.pauses(5000.0)] == [(token, made)]
    store.boot("second")
    (again,) = shelf.pauses(7.0)
    assert again.pause.until == 7.0 + 3 * HOUR
    for file in tmp_path.iterdir():
        body = file.read_bytes()
        assert bytes.fromhex(PHONE.replace(":", "")) not in body
        assert PHONE.encode() not in body
    elm.shared.purge([])
    shelf.keep_pauses(elm.shared.changed(), 200.0)
    assert shelf.pauses(0.0) == []
