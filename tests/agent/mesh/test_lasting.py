"""Keys that last for months: how old they are, where they lie, and that a destroyed one never comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from meshctl.agent.longclock import START, LongClock
from meshctl.agent.mesh.channel import ChannelError
from meshctl.agent.mesh.lasting import DAY, LASTING_LIFETIME, LASTING_ROTATE
from meshctl.agent.mesh.lastring import LastingRing
from meshctl.agent.store import Store
from meshctl.model import ClockReading

NAMES = ("elm", "oak", "ash")


class Clock:
    def __init__(self) -> None:
        self.monotonic, self.wall, self.trusted = 50.0, 0.0, False

    def read(self) -> ClockReading:
        return ClockReading(self.monotonic, self.wall, self.trusted)


@contextmanager
def ring_of(folder: Path, clock: Clock, life: str = "one") -> Iterator[LastingRing]:
    folder.mkdir(exist_ok=True)
    with closing(Store(folder)) as store:
        store.boot(life)
        yield LastingRing(store, folder, LongClock(store, clock))


def files(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("remember-keys/*.key"))


def test_the_clock_goes_on_over_boots_by_what_is_known_to_have_passed(tmp_path: Path) -> None:
    clock = Clock()
    store = Store(tmp_path)

    def boot(life: str, off_for: float, *, trusted: bool) -> float:
        store.boot(life)
        clock.monotonic, clock.wall, clock.trusted = 5.0, clock.wall + off_for, trusted
        return LongClock(store, clock).now()

    with closing(store):
        store.boot("one")
        first = LongClock(store, clock)
        clock.monotonic += 1000.0
        first.keep()
        assert first.now() == 1000.0
        assert boot("two", DAY, trusted=False) == 1000.0 + START, "nobody knows how long it was off"
        assert boot("three", DAY, trusted=True) == 1000.0 + 2 * START, "nor now: the clock was wrong before"
        assert boot("four", DAY, trusted=True) == 1000.0 + 2 * START + DAY
        assert boot("five", -9 * DAY, trusted=True) == 1000.0 + 3 * START + DAY, "it never goes back"
        assert boot("five", 0.0, trusted=True) == 1000.0 + 3 * START + DAY, "an agent that starts again is no boot"
        late = boot("six", 2 * DAY, trusted=False)
        again = LongClock(store, clock)
        clock.trusted = True
        assert (late, again.now()) == (1000.0 + 4 * START + DAY, 1000.0 + 3 * START + 3 * DAY)


def test_the_first_node_that_is_not_the_hubs_makes_the_key_and_the_others_wait(tmp_path: Path) -> None:
    clock = Clock()
    with ring_of(tmp_path / "elm", clock) as elm, ring_of(tmp_path / "oak", clock) as oak:
        for _ in range(6):
            clock.monotonic += 1.0
            elm.turn("elm", NAMES, on_disk=False)
            oak.turn("oak", NAMES, on_disk=True)
        assert (len(elm.keys), len(oak.keys)) == (0, 1)
        assert elm.accept({"keys": oak.keys.offer([], oak.keys.all()[0].born)})
        elm.turn("elm", NAMES, on_disk=False)
        assert (files(tmp_path / "elm"), files(tmp_path / "oak")) == ([], oak.keys.names())


def test_the_older_age_holds_and_a_destroyed_key_is_never_taken_again(tmp_path: Path) -> None:
    clock = Clock()
    with ring_of(tmp_path / "elm", clock) as elm, ring_of(tmp_path / "oak", clock) as oak:
        elm.turn("elm", ("elm",), on_disk=True)
        name = elm.keys.names()[0]
        offer = elm.keys.offer([], 0.0)
        oak.accept({"keys": [{**offer[0], "age": 100 * DAY}]})
        elm.hear(oak.told())
        clock.monotonic += LASTING_LIFETIME - 100 * DAY - 1
        elm.turn("elm", ("elm",), on_disk=True)
        assert name in files(tmp_path / "elm")
        clock.monotonic += 2.0
        elm.turn("elm", ("elm",), on_disk=True)
        assert name not in files(tmp_path / "elm")
        assert not elm.accept({"keys": offer})
        oak.hear(elm.told())
        assert oak.keys.names() == []
        assert files(tmp_path / "oak") == []
    with ring_of(tmp_path / "elm", clock) as elm:
        assert not elm.accept({"keys": offer}), "also after a start"


def test_a_key_whose_age_was_lost_with_the_database_makes_no_new_tokens_and_dies_in_time(tmp_path: Path) -> None:
    clock = Clock()
    with ring_of(tmp_path, clock) as ring:
        ring.turn("elm", ("elm",), on_disk=True)
        old = ring.keys.names()
    for file in tmp_path.glob("node.db*"):
        file.unlink()
    (tmp_path / "remember-keys" / f"{'0' * 16}.key").write_text("{", encoding="ascii")
    with ring_of(tmp_path, clock) as ring:
        assert ring.keys.names() == old
        clock.monotonic += 60.0
        ring.turn("elm", ("elm",), on_disk=True)
        assert ring.keys.names()[1:] == old
        clock.monotonic += LASTING_LIFETIME - LASTING_ROTATE
        ring.turn("elm", ("elm",), on_disk=True)
        assert old[0] not in files(tmp_path)


@pytest.mark.parametrize(
    "message",
    [
        {"keys": 7},
        {"keys": [{"name": "x", "age": 1}], "version": 1},
        {"keys": [{"name": "0" * 16, "age": -1}], "version": 1},
        {"keys": [], "gone": ["zz"], "version": 1},
        {"keys": [], "gone": []},
        {"keys": [], "gone": [None] * 65, "version": 1},
    ],
)
def test_nonsense_about_keys_is_garbage(tmp_path: Path, message: dict[str, object]) -> None:
    with ring_of(tmp_path, Clock()) as ring, pytest.raises(ChannelError):
        ring.hear(message)


WRONG: list[object] = [None, [{}], [{"secret": "00", "epoch": 1}], [{"secret": "0" * 64, "epoch": 0, "age": 0}]]


def test_no_key_is_taken_of_a_wrong_shape(tmp_path: Path) -> None:
    with ring_of(tmp_path, Clock()) as ring:
        for keys in WRONG:
            with pytest.raises(ChannelError):
                ring.accept({"keys": keys})
        assert not ring.accept({"keys": [{"secret": "0" * 64, "epoch": 1, "age": LASTING_LIFETIME + 1}]})
