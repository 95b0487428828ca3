"""What is held, on both engines."""

from __future__ import annotations

import threading

from meshctl.commons.publication import Hour
from meshctl.hub.latest import HOUR
from meshctl.hub.schema import open_engine
from meshctl.hub.store import Signed, Store
from meshctl.wire import Health
from tests.hub.conftest import MakeUrl
from tests.hub.fleet import NOON, Board, carried


def hold(store: Store, board: Board, *healths: Health, now: float = NOON) -> int:
    return store.hold({board.name: Signed(board.public, healths)}, now)


def test_a_report_is_held_once(store: Store, elm: Board) -> None:
    assert hold(store, elm, elm.health(), elm.health(sequence=2)) == 0
    assert hold(store, elm, elm.health(sequence=2), elm.health(sequence=3)) == 1
    assert hold(store, elm, elm.health(sequence=4), elm.health(sequence=4)) == 1


def test_a_long_replay_is_held_in_one_batch(store: Store, elm: Board) -> None:
    replay = [elm.health(sequence=n) for n in range(1, 1001)]
    assert hold(store, elm, *replay[:600]) == 0
    assert hold(store, elm, *replay) == 600
    assert store.standings()[0].sequence == 1000


def test_the_standing_comes_back_as_it_was_reported(store: Store, elm: Board) -> None:
    hold(store, elm, elm.health(boot=3, sequence=9, homes=12, trusted=False, wall=5.0), now=NOON)
    (standing,) = store.standings()
    assert (standing.order, standing.homes, standing.trusted, standing.wall) == ((3, 9), 12, False, 5.0)
    assert standing.received == NOON
    assert standing.facts["temperature"].unit == "°C"


def test_an_old_boots_late_report_does_not_replace_a_newer_one(store: Store, elm: Board) -> None:
    hold(store, elm, elm.health(boot=2, sequence=1, homes=5))
    hold(store, elm, elm.health(boot=1, sequence=900, homes=1), now=NOON + 60)
    assert store.standings()[0].homes == 5


def test_a_new_key_starts_the_name_anew(store: Store, elm: Board) -> None:
    hold(store, elm, elm.health(boot=70, lines=carried(10**9)))
    replaced = Board("elm", seed=2)
    assert hold(store, replaced, replaced.health(boot=1, lines=carried(5))) == 0
    assert store.standings()[0].order == (1, 1)
    assert store.hours(NOON) == ()


def test_hours_add_up_over_lines_and_nodes(store: Store, elm: Board, farm: Board) -> None:
    for board in (elm, farm):
        hold(store, board, board.health(lines=carried(0)))
        hold(store, board, board.health(sequence=2, lines=carried(100, 7)))
        hold(store, board, board.health(sequence=3, lines=carried(150, 9)))
    store.note_presence(NOON, 6)
    store.note_presence(NOON, 4)
    assert store.hours(NOON) == (Hour(300, 18, 6),)
    assert store.hours(NOON + HOUR) == ()


def test_what_is_old_is_purged_and_nothing_else(store: Store, elm: Board) -> None:
    hold(store, elm, elm.health(lines=carried(0), wall=NOON - 3 * HOUR), now=NOON - 3 * HOUR)
    hold(store, elm, elm.health(sequence=2, lines=carried(9), wall=NOON - 3 * HOUR), now=NOON - 3 * HOUR)
    hold(store, elm, elm.health(sequence=3, lines=carried(10)))
    store.purge(NOON - HOUR)
    assert [hour.down for hour in store.hours(0)] == [1]
    assert hold(store, elm, elm.health(sequence=3)) == 1
    assert store.standings()[0].sequence == 3


def test_refusals_add_up(store: Store) -> None:
    store.count_refusals({"bad-signature": 2})
    store.count_refusals({"unknown-node": 1, "bad-signature": 3})
    store.count_refusals({})
    assert store.refusals() == {"bad-signature": 5, "unknown-node": 1}


def test_a_lists_version_never_goes_back_and_is_each_signers_own(store: Store) -> None:
    assert store.list_version("roster", "elm") == 0
    for version in (3, 5, 4):
        store.note_list_version("roster", "elm", version)
    store.note_list_version("roster", "oak", 1)
    assert (store.list_version("roster", "elm"), store.list_version("roster", "oak")) == (5, 1)


def test_two_copies_of_the_hub_hold_the_same_batch_once(store: Store, make_url: MakeUrl, elm: Board) -> None:
    url = store._engine.url
    other = Store(open_engine(url.render_as_string(hide_password=False)))
    healths = [elm.health(sequence=n, lines=carried(n * 10)) for n in range(1, 51)]
    duplicates: list[int] = []
    copies = [
        threading.Thread(target=lambda s=s: duplicates.append(hold(s, elm, *healths)))
        for s in (store, other, store, other)
    ]
    for copy in copies:
        copy.start()
    for copy in copies:
        copy.join()
    other.close()
    assert sum(duplicates) == 150
    assert store.hours(NOON)[0].down == 490
