"""Who left is out at every node, whichever key of the day it was said under, for a day or until a new press."""

from __future__ import annotations

from meshctl.agent.mesh.daykeys import DayKeys
from meshctl.agent.mesh.records import Records
from meshctl.agent.mesh.roaming import LEFT_SECONDS, MOST_KNOWN, Roaming
from meshctl.model import Device

PHONE = "02:00:5e:10:00:01"


def guest(hardware: str, until: float) -> Device:
    return Device(hardware, 0x8000, None, until)


def two_nodes() -> tuple[Roaming, Roaming]:
    oak, elm = Roaming("oak", DayKeys(), Records()), Roaming("elm", DayKeys(), Records())
    oak._keys.make(0.0)
    give_keys(oak, elm, 0.0)
    return oak, elm


def give_keys(giver: Roaming, taker: Roaming, now: float) -> None:
    taker._keys.accept(giver._keys.offer([], now), now)


def test_who_left_is_not_let_in_by_what_was_said_under_a_key_that_lives_longer() -> None:
    oak, elm = two_nodes()
    oak_said = oak.claim([guest(PHONE, 1e6)], 1.0)
    elm.hear(oak_said, [PHONE], 1.0)
    elm.claim([guest(PHONE, 1e6)], 2.0)
    elm._keys.make(86_400.0)
    under_the_next = elm.renew([guest(PHONE, 1e6)], 86_400.0)
    left = oak.release(guest(PHONE, 1e6), 86_400.0)  # it has not heard of the next key yet
    give_keys(elm, oak, 86_400.0)
    ash = Roaming("ash", DayKeys(), Records())
    give_keys(elm, ash, 86_400.0)
    ash.hear([*under_the_next, *left], [], 86_400.0)
    said = [*oak.ended(oak.hear(under_the_next, [], 86_401.0).gone), *elm.ended(elm.hear(left, [PHONE], 86_401.0).gone)]
    ash.hear(said, [], 86_402.0)
    for node in (oak, elm, ash):
        node._keys.forget(95_000.0)
        assert len(node._keys) == 1
        assert node.recognise(PHONE, 95_001.0) is None


def test_a_leaving_holds_for_a_day_also_when_the_key_of_the_day_changes() -> None:
    oak, elm = two_nodes()
    left = oak.release(guest(PHONE, 86_500.0), 86_390.0)
    elm.hear(left, [], 86_390.0)
    elm._keys.make(86_400.0)
    give_keys(elm, oak, 86_400.0)
    elm.hear(oak.ended(), [], 86_401.0)
    for node in (oak, elm):
        node._keys.forget(95_000.0)
        found = node.best(PHONE)
        assert found is not None
        assert (found.gone, found.until) == (True, 86_390.0 + LEFT_SECONDS)


def test_who_comes_in_when_a_leaving_is_over_comes_after_it_at_every_node() -> None:
    oak, elm = two_nodes()
    elm.hear(oak.release(guest(PHONE, 1000.0), 0.0), [], 0.5)
    living = oak._keys.names()
    oak.records.purge(LEFT_SECONDS, living, all_keys_known=True)
    back = oak.claim([guest(PHONE, 1e6)], LEFT_SECONDS)
    elm.hear(back, [], LEFT_SECONDS + 0.1)
    assert elm.recognise(PHONE, LEFT_SECONDS + 1.0) is not None


def test_a_stream_of_made_up_addresses_fills_no_memory_and_hides_nobody_who_is_joined_here() -> None:
    oak, elm = two_nodes()
    elm.claim([guest(PHONE, 1e6)], 0.0)
    for number in range(MOST_KNOWN + 1000):
        elm.see(f"02:00:5e:20:{number >> 8:02x}:{number & 0xFF:02x}", number / 1000)
    assert len(elm._known) <= MOST_KNOWN
    assert len(elm._hardware) <= MOST_KNOWN * len(elm._keys)
    oak.hear(elm.records.all(), [], 30.0)
    assert elm.hear(oak.release(guest(PHONE, 1e6), 30.0), [PHONE], 30.0).left == [PHONE]
