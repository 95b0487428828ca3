"""The list of remembered devices: the same whatever the order in which it hears, and nothing but what it may hold."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.agent.consents import NOTHING, Consent, draw_number, number_hash
from meshctl.agent.mesh.channel import ChannelError
from meshctl.agent.mesh.lasting import DAY, LASTING_LIFETIME
from meshctl.agent.mesh.questions import Answerer, Asker
from meshctl.agent.passes import Verifier
from meshctl.agent.remembered import LONGEST, Book, Promise, from_wire, to_wire
from meshctl.agent.store import Store
from meshctl.model import ClockReading

TOKENS = ["a" * 32, "b" * 32]
RECEIPTS = ["1" * 32, "2" * 32, "3" * 32]


@contextmanager
def book() -> Iterator[Book]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        store = Store(Path(folder))
        store.add_household("AAAA", 1, Verifier(b"s" * 16, b"d" * 32), ClockReading(0.0, 0.0, trusted=False))
        yield Book(store)
        store.close()


def promise(
    token: str = TOKENS[0],
    version: int = 1,
    receipt: str = RECEIPTS[0],
    household: str = "",
    revision: int = 0,
    writer: str = "oak",
) -> Promise:
    consent = Consent(receipt, "remember", 1, 1.0, trusted=True)
    return Promise(token, "c" * 16, LONGEST, version, writer, False, revision, household, consent)


def ended(token: str, version: int, writer: str) -> Promise:
    return Promise(token, "c" * 16, LASTING_LIFETIME, version, writer, gone=True)


Step = tuple[str, Promise | str]
PROMISES = st.builds(
    promise,
    st.sampled_from(TOKENS),
    st.integers(1, 4),
    st.sampled_from(RECEIPTS),
    st.sampled_from(["", "AAAA", "GONE"]),
    st.integers(0, 3),
    st.sampled_from(["elm", "oak"]),
)
ENDS = st.builds(ended, st.sampled_from(TOKENS), st.integers(1, 4), st.sampled_from(["elm", "oak"]))
# No node gives a version twice.
STEPS = st.lists(
    st.one_of(PROMISES.map(lambda one: ("take", one)), ENDS.map(lambda one: ("take", one)),
              st.sampled_from(RECEIPTS).map(lambda one: ("withdraw", one))),
    max_size=6,
    unique_by=lambda step: step[1] if isinstance(step[1], str) else (*step[1].stamp[:4], step[1].token),
)  # fmt: skip


@pytest.fixture(scope="module")
def one_book() -> Iterator[Book]:
    with book() as held:
        yield held


def after(held: Book, steps: list[Step]) -> list[tuple[Promise, Promise | None]]:
    """What a book holds after these steps."""
    held.clear()
    for _, what in steps:
        if isinstance(what, str):
            held.withdraw(what, 0.0)
        else:
            held.take(what)
    rows = sorted(held.all(), key=lambda one: one.token)
    return [(one, held.find([one.token], 1.0)) for one in rows]


@given(steps=STEPS, draw=st.data())
def test_the_result_is_the_same_in_whatever_order_and_however_often_it_is_heard(
    one_book: Book, steps: list[Step], draw: st.DataObject
) -> None:
    shuffled = draw.draw(st.permutations(steps))
    assert after(one_book, steps) == after(one_book, [*shuffled, *shuffled[:2]])


def test_a_withdrawal_wins_over_any_change_of_what_was_agreed_to_before_it(one_book: Book) -> None:
    moved = promise(version=3, revision=99, household="AAAA")
    for order in itertools.permutations([promise(version=3), moved, ended(TOKENS[0], 4, "elm")]):
        ((kept, found),) = after(one_book, [("take", one) for one in order])
        assert (kept.gone, kept.household, kept.consent, found) == (True, "", NOTHING, None)


def test_what_is_over_is_purged_with_its_receipt() -> None:
    with book() as held:
        held.take(promise())
        held.take(promise(TOKENS[1], receipt=RECEIPTS[1]))
        held.withdraw(RECEIPTS[2], 0.0)
        held.purge([], LONGEST - 1)
        assert len(held.all()) == 2
        held.purge(["c" * 16], LONGEST - 1)
        assert held.all() == []
        assert held.withdrawn() == [RECEIPTS[2]]
        held.purge([], LASTING_LIFETIME + 1)
        assert held.withdrawn() == []


def test_nobody_is_promised_more_than_ninety_days_and_the_way_counts() -> None:
    table = {**to_wire(promise(), 0.0), "left": 1e9}
    assert from_wire(table, 50.0).until == 50.0 + LONGEST
    assert from_wire(table, 50.0, waited=5 * DAY).until == 50.0 + 85 * DAY
    assert from_wire(to_wire(promise(), 0.0), 0.0) == promise()


@pytest.mark.parametrize(
    "change",
    [
        {"token": "xyz"},
        {"key": 7},
        {"version": 0},
        {"version": 2**62},
        {"left": -1},
        {"left": float("inf")},
        {"gone": "no"},
        {"household": "TOO LONG A HANDLE"},
        {"receipt": "4" * 33},
        {"trusted": 1},
    ],
)
def test_a_promise_of_a_wrong_shape_is_garbage(change: dict[str, object]) -> None:
    with pytest.raises(ChannelError):
        from_wire({**to_wire(promise(), 0.0), **change}, 0.0)


def test_a_number_is_read_as_people_write_it_and_only_its_hash_is_kept() -> None:
    number = draw_number()
    assert number_hash(number) == number_hash(f" {number.lower().replace('-', ' ')} ")
    assert number_hash("O0IL-1111-0000") == number_hash("001111110000")
    assert {number_hash(text) for text in ("", "7KQ2", "U" * 12, number + "0")} == {None}
    assert number.replace("-", "") not in str(number_hash(number))


def test_questions_are_bounded_and_an_answer_to_none_is_none() -> None:
    posted: list[dict[str, object]] = []

    def post(message: dict[str, object]) -> bool:
        posted.append(message)
        return True

    asker = Asker(lambda hardware: [hardware.rjust(32, "0")])
    wanted = [asker.wants(f"{number:x}", 0.0) for number in range(1500)]
    assert wanted.count(True) == 1000
    asker.send(post, 0.0)
    assert [len(message["asks"]) for message in posted] == [256, 256, 256, 232]  # type: ignore[arg-type]
    assert asker.wants("1", 1.0), "the answer may be on its way"
    asker.send(post, 1.0)
    assert len(posted) == 4
    assert asker.answered({"answers": [{"n": 5000}]}, 1.0) == []
    asker.drop("0")
    assert asker.answered({"answers": [{"n": 1}, {"n": 2}]}, 1.0) == [("1", None)]


def test_a_node_gets_so_many_answers_a_second_and_no_more() -> None:
    with book() as held:
        held.take(promise())
        answers = Answerer(held)
        asks = {"asks": [{"n": number, "tokens": TOKENS} for number in range(256)]}
        given = [len(answers.answer("oak", asks, 0.0, 1.0)["answers"]) for _ in range(9)]
        assert sum(given) == 2000
        assert answers.answer("elm", asks, 0.0, 1.0)["answers"][0]["promise"]["token"] == TOKENS[0]
        with pytest.raises(ChannelError):
            answers.answer("elm", {"asks": [{"n": 1, "tokens": ["'; DROP"]}]}, 0.0, 1.0)
