"""Records of who is joined end the same on every node, in whatever order they come."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.agent.mesh import records
from meshctl.agent.mesh.daykeys import DayKeys
from meshctl.agent.mesh.records import LAST_VERSION, Record, Records, from_wire, to_wire
from meshctl.agent.mesh.roaming import SEEN_SECONDS, Roaming
from meshctl.model import Device

PHONE, OTHER = "02:00:5e:10:00:01", "02:00:5e:10:00:02"


def guest(hardware: str, until: float = 1000.0) -> Device:
    return Device(hardware, 0x8000, None, until)


record = st.builds(
    Record,
    token=st.sampled_from(["aa" * 16, "bb" * 16]),
    key=st.just("01" * 8),
    household=st.sampled_from([None, "K7QM"]),
    until=st.floats(1, 100),
    version=st.integers(1, 4),
    owner=st.sampled_from(["ash", "elm", "oak"]),
    gone=st.booleans(),
)


def sound(found: list[Record]) -> list[Record]:
    """Keep one record of each (token, version, owner): no node writes two."""
    return list({(one.token, one.version, one.owner): one for one in found}.values())


@given(st.lists(record, max_size=12).map(sound), st.randoms())
def test_order_and_repetition_make_no_difference(found: list[Record], shuffled: object) -> None:
    one, other = Records(), Records()
    for entry in found:
        one.merge(entry)
    again = [*found, *found]
    shuffled.shuffle(again)  # type: ignore[attr-defined]
    for entry in again:
        other.merge(entry)
    assert sorted(one.all(), key=repr) == sorted(other.all(), key=repr)


def test_a_record_travels_with_what_is_left_of_the_stay() -> None:
    sent = Record("aa" * 16, "01" * 8, "K7QM", 500.0, 3, "oak")
    got = from_wire(to_wire(sent, 400.0), "oak", 9000.0, 3600.0)
    assert got == Record("aa" * 16, "01" * 8, "K7QM", 9100.0, 3, "oak")
    assert from_wire(to_wire(sent, 0.0), "oak", 0.0, 60.0).until == 60.0


def two_nodes() -> tuple[Roaming, Roaming]:
    oak_keys, elm_keys = DayKeys(), DayKeys()
    oak_keys.make(0.0)
    elm_keys.accept(oak_keys.offer([], 0.0), 0.0)
    return Roaming("oak", oak_keys, Records()), Roaming("elm", elm_keys, Records())


def test_a_device_that_joined_at_one_node_is_known_at_the_next() -> None:
    oak, elm = two_nodes()
    elm.hear(oak.claim([guest(PHONE)], 1.0), [], 1.0)
    found = elm.recognise(PHONE, 2.0)
    assert found is not None
    assert found.household is None
    assert elm.recognise(OTHER, 2.0) is None
    assert elm.recognise(PHONE, 1000.0) is None


def test_no_record_makes_a_node_say_what_others_must_refuse() -> None:
    oak, elm = two_nodes()
    (sent,) = oak.claim([guest(PHONE)], 0.0)
    elm.hear([replace(sent, version=LAST_VERSION)], [], 0.0)
    (own,) = elm.claim([guest(PHONE)], 1.0)
    assert from_wire(to_wire(own, 1.0), "elm", 1.0, 3600.0).version == LAST_VERSION


def test_a_device_seen_before_the_first_key_of_the_day_is_known_under_it() -> None:
    oak, _ = two_nodes()
    keys = DayKeys()
    ash = Roaming("ash", keys, Records())
    ash.see(PHONE, 0.0)
    keys.accept(oak._keys.offer([], 0.0), 0.0)
    effects = ash.hear(oak.claim([guest(PHONE)], 0.0), [], 1.0)
    assert effects.arrived == [PHONE]


def test_who_leaves_at_one_node_is_a_visitor_at_every_other() -> None:
    oak, elm = two_nodes()
    elm.hear(oak.claim([guest(PHONE)], 1.0), [], 1.0)
    elm.see(PHONE, 2.0)
    back = elm.claim([guest(PHONE)], 2.0)
    assert oak.hear(back, [PHONE], 2.0).moved == [PHONE]
    assert not oak.mine(PHONE)
    effects = oak.hear(elm.release(guest(PHONE), 3.0), [PHONE], 3.0)
    assert effects.left == [PHONE]
    assert oak.recognise(PHONE, 4.0) is None


def keyless(name: str) -> Roaming:
    return Roaming(name, DayKeys(), Records())


def give_key(giver: Roaming, *takers: Roaming) -> None:
    for taker in takers:
        taker._keys.accept(giver._keys.offer([], 0.0), 0.0)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=8), st.integers(0, 2), st.randoms())
def test_a_leaving_outranks_what_nodes_said_that_had_not_heard_of_each_other(
    claims: list[tuple[int, bool]], leaves_at: int, shuffled: object
) -> None:
    first, second = two_nodes()
    third = keyless("ash")
    give_key(first, third)
    nodes = [first, second, third]
    for node in nodes:
        node.see(PHONE, 0.0)
    said: list[tuple[Roaming, Record]] = []
    for at, heard in claims:
        for owner, one in said if heard else ():
            if owner is not nodes[at]:
                nodes[at].hear([one], [PHONE], 1.0)
        said += [(nodes[at], one) for one in nodes[at].claim([guest(PHONE)], 1.0)]
    said += [(nodes[leaves_at], one) for one in nodes[leaves_at].release(guest(PHONE), 2.0)]
    shuffled.shuffle(said)  # type: ignore[attr-defined]
    for owner, one in said:
        for node in nodes:
            if node is not owner:
                node.hear([one], [PHONE], 3.0)
    assert [node.recognise(PHONE, 4.0) for node in nodes] == [None] * 3
    (back,) = first.claim([guest(PHONE)], 5.0)
    assert second.hear([back], [], 5.0).arrived == [PHONE], "who joins again is in again"


def test_a_leaving_while_there_was_no_key_is_said_as_soon_as_there_is_one() -> None:
    oak, elm = two_nodes()
    ash = keyless("ash")
    assert ash.claim([guest(PHONE)], 1.0) == []
    assert ash.release(guest(PHONE), 2.0) == []
    ash.hear(oak.claim([guest(PHONE)], 1.5), [], 2.5)
    give_key(oak, ash)
    (said,) = ash.catch_up(3.0)
    assert (said.gone, ash.mine(PHONE), ash.recognise(PHONE, 3.0)) == (True, False, None)
    assert oak.hear([said], [PHONE], 3.0).left == [PHONE]
    assert elm.hear([said], [PHONE], 3.0).left == [PHONE]
    assert ash.catch_up(4.0) == []


def test_who_joined_again_while_there_was_no_key_stays_in() -> None:
    oak, _ = two_nodes()
    ash = keyless("ash")
    ash.release(guest(PHONE), 1.0)
    ash.claim([guest(PHONE)], 2.0)
    give_key(oak, ash)
    (said,) = ash.catch_up(3.0)
    assert (said.gone, ash.mine(PHONE)) == (False, True)
    ash.release(guest(OTHER), 4.0)
    ash.forget(PHONE)
    assert ash.catch_up(5.0) == []


def test_a_stay_that_ended_by_itself_while_there_was_no_key_is_not_said() -> None:
    oak, _ = two_nodes()
    ash = keyless("ash")
    ash.claim([guest(PHONE)], 1.0)
    ash.forget(PHONE)
    give_key(oak, ash)
    assert ash.catch_up(2.0) == []


def test_a_leaving_that_came_before_its_key_is_heeded_when_the_key_is_there() -> None:
    oak, elm = two_nodes()
    ash = keyless("ash")
    ash.claim([guest(PHONE)], 0.0)
    oak.hear(elm.claim([guest(PHONE)], 1.0), [], 1.0)
    assert ash.hear(oak.release(guest(PHONE), 2.0), [PHONE], 2.0).left == []
    give_key(oak, ash)
    assert ash.catch_up(3.0) == [], "joined before it left"
    assert ash.gone([PHONE, OTHER]) == [PHONE]


def test_who_joins_after_a_leaving_that_was_heard_of_is_in_also_without_a_key() -> None:
    oak, _ = two_nodes()
    ash = keyless("ash")
    ash.hear(oak.release(guest(PHONE), 1.0), [], 1.0)
    ash.claim([guest(PHONE)], 2.0)
    give_key(oak, ash)
    (said,) = ash.catch_up(3.0)
    assert (said.gone, ash.gone([PHONE])) == (False, [])
    assert oak.hear([said], [], 3.0) is not None
    assert oak.recognise(PHONE, 4.0) == said


def test_devices_of_a_former_agent_are_vouched_for_only_where_nobody_else_does() -> None:
    oak, _ = two_nodes()
    ash = keyless("ash")
    assert ash.adopt([guest(PHONE), guest(OTHER)], 0.0) == []
    ash.hear(oak.claim([guest(PHONE)], 1.0), [PHONE, OTHER], 1.0)
    give_key(oak, ash)
    assert ash.catch_up(2.0) == []
    renewed = ash.renew([guest(PHONE), guest(OTHER)], 2.0)
    assert [ash.whose(one.token) for one in renewed] == [OTHER]


def test_a_device_in_front_of_a_node_is_let_in_when_the_news_come_later() -> None:
    oak, elm = two_nodes()
    elm.see(PHONE, 5.0)
    assert elm.hear(oak.claim([guest(PHONE)], 6.0), [], 6.0).arrived == [PHONE]
    late = 6.0 + SEEN_SECONDS
    assert elm.hear(oak.claim([guest(PHONE)], late), [], late).arrived == []


def test_a_new_day_key_gives_new_tokens_to_whom_this_node_vouches_for() -> None:
    keys = DayKeys()
    old = keys.make(0.0)
    oak = Roaming("oak", keys, Records())
    first = oak.claim([guest(PHONE, 1e6)], 1.0)[0]
    new = keys.make(86_400.0)
    renewed = oak.renew([guest(PHONE, 1e6)], 86_401.0)
    assert [(one.key, one.version) for one in renewed] == [(new.name, first.version + 1)]
    assert oak.best(PHONE) == renewed[0]
    keys.forget(86_400.0 * 2)
    assert old.name not in keys.names()


def test_without_the_key_of_the_day_no_token_links() -> None:
    oak, _ = two_nodes()
    kept = oak.claim([guest(PHONE)], 1.0)
    alone = DayKeys()
    alone.make(50.0)
    assert Roaming("oak", alone, Records(kept)).recognise(PHONE, 60.0) is None


def test_a_node_that_lost_its_disk_goes_on_from_what_others_kept_of_it() -> None:
    oak, elm = two_nodes()
    for second in range(1, 4):
        elm.hear(oak.claim([guest(PHONE)], float(second)), [], float(second))
    keys = DayKeys()
    keys.accept(oak._keys.offer([], 5.0), 5.0)
    fresh = Roaming("oak", keys, Records())
    fresh.hear(elm.records.of("oak"), [], 5.0)
    assert elm.hear(fresh.claim([guest(PHONE)], 6.0), [], 6.0) is not None
    assert elm.records.of("oak")[0].version == 4


def test_purging_forgets_what_is_over_and_what_no_key_can_link() -> None:
    records = Records(
        [Record("aa" * 16, "01" * 8, None, 10.0, 1, "oak"), Record("bb" * 16, "02" * 8, None, 99.0, 1, "oak")]
    )
    records.purge(20.0, ["01" * 8], all_keys_known=False)
    assert [one.token for one in records.all()] == ["bb" * 16]
    records.purge(20.0, ["01" * 8], all_keys_known=True)
    assert records.changed() == {"aa" * 16: None, "bb" * 16: None}
    assert len(records) == 0


def known_as(token: str, until: float, household: str | None = None) -> Record:
    return Record(token * 16, "01" * 8, household, until, 1, "elm")


def test_beyond_the_most_who_ends_soonest_goes_from_the_disk_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_RECORDS", 2)
    book = Records()
    for token, until in (("aa", 20.0), ("bb", 10.0)):
        assert book.merge(known_as(token, until))
    assert len(book) == len(book.changed()) == 2
    assert book.merge(known_as("cc", 30.0))
    assert book.changed() == {"bb" * 16: None, "cc" * 16: known_as("cc", 30.0)}


def test_only_who_was_of_a_removed_home_is_a_guest() -> None:
    book = Records([known_as("aa", 20.0, "K7QM"), known_as("bb", 20.0, "9ABC"), known_as("cc", 20.0)])
    book.drop_homes({"K7QM"})
    assert [one.household for one in book.all()] == [None, "9ABC", None]
    assert set(book.changed()) == {"aa" * 16}
