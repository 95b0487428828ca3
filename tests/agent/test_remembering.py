"""Remember this phone: known again after weeks and power cuts, by nobody who has one disk only, until forgotten."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from meshctl.agent.consents import number_hash
from meshctl.agent.passes import Verifier
from meshctl.agent.pauses import Pause
from tests.agent.remember_world import ADDRESSES, DAY, HOUR, OTHER, PHONE, World, world_of

Raise = Callable[..., World]


@pytest.fixture
def world() -> Iterator[Raise]:
    with ExitStack() as stack:
        yield lambda *names, walls=True: stack.enter_context(
            world_of(Path(tempfile.mkdtemp(dir="/dev/shm")), *names, walls=walls)
        )


def add_home(world: World, handle: str = "AAAA") -> None:
    for board in world.boards.values():
        board.store.add_household(handle, 1, Verifier(b"s" * 16, b"d" * 32), board.clock.read())


def settle(world: World, name: str, hardware: str, handle: str | None) -> None:
    """Have a device be a guest or of a household at a board, for as long as such a stay lasts."""
    board = world.boards[name]
    board.ask("join", hardware)
    if handle is not None:
        known = board.store.household(handle)
        assert known is not None
        now = board.clock.read().monotonic
        device = board.members.link(hardware, known[0], now + 720 * HOUR, now)
        board.turns.admit([device], [])
        board.circle.membership.joined([device], {}, now)


@pytest.mark.parametrize("names", [("elm",), ("elm", "oak"), ("elm", "oak", "ash")])
@pytest.mark.parametrize("handle", [None, "AAAA"])
def test_a_remembered_device_is_what_it_was_a_week_and_a_power_cut_later(
    world: Raise, names: tuple[str, ...], handle: str | None
) -> None:
    street = world(*names)
    add_home(street)
    at, later = names[-1], names[len(names) // 2]
    settle(street, at, PHONE, handle)
    settle(street, at, OTHER, handle)
    reply = street.boards[at].ask("remember")
    assert reply["receipt"]["ends_in"] == pytest.approx(90 * DAY)
    assert reply["device"]["remembered"] == pytest.approx(90 * DAY)
    street.wait(7 * DAY)
    street.power_cut()
    back = street.boards[later]
    assert back.see(PHONE, OTHER) == {PHONE}
    device = back.members.get(PHONE)
    assert device is not None
    assert device.household == handle
    assert back.ask("device")["device"]["remembered"] == pytest.approx(83 * DAY, abs=HOUR)
    assert OTHER in back.kernel.greeted or back.alone


def test_who_asks_again_under_the_next_key_is_remembered_under_that_one(world: Raise) -> None:
    street = world("elm", "oak", "ash")
    oak, ash = street.boards["oak"], street.boards["ash"]
    for _ in range(2):
        settle(street, "oak", PHONE, None)
        oak.ask("remember")
        street.power_cut()
        assert ash.see(PHONE) == {PHONE}
        street.wait(40 * DAY)
    assert len(oak.keys_on_disk()) > 1
    assert ash.see(PHONE) == {PHONE}
    assert len([one for one in street.boards["elm"].remembering.keeping.book.all() if not one.gone]) == 1


def test_after_ninety_days_nobody_is_remembered_and_nothing_is_left(world: Raise) -> None:
    street = world("elm", "oak")
    settle(street, "oak", PHONE, None)
    number = street.boards["oak"].ask("remember")["receipt"]["number"]
    street.wait(89 * DAY)
    street.power_cut()
    assert street.boards["oak"].see(PHONE) == {PHONE}
    street.wait(2 * DAY)
    street.power_cut()
    assert street.boards["oak"].see(PHONE) == set()
    rows = street.boards["elm"].store.connection.execute("SELECT * FROM remembered").fetchall()
    assert rows == []
    assert number.encode() not in street.boards["elm"].disk()


def test_a_stay_that_ends_goes_on_without_a_gap_while_the_device_is_here(world: Raise) -> None:
    street = world("elm", "oak")
    settle(street, "oak", PHONE, None)
    oak = street.boards["oak"]
    oak.ask("remember")
    street.wait(23.9 * HOUR, step=6 * HOUR)
    for _ in range(10):
        street.wait(120.0, step=60.0)
        assert oak.online() == {PHONE}


@pytest.mark.parametrize("walls", [True, False])
def test_a_key_is_current_for_a_month_and_destroyed_after_four_and_an_old_copy_links_nothing(
    world: Raise, tmp_path: Path, *, walls: bool
) -> None:
    street = world("elm", "oak", walls=walls)
    settle(street, "oak", PHONE, None)
    elm, oak = street.boards["elm"], street.boards["oak"]
    oak.ask("remember")
    first = oak.keys_on_disk()
    assert len(first) == 1
    secret = (oak.state / "remember-keys" / f"{first[0]}.key").read_bytes()
    elm.disk()
    shutil.copy(elm.state / "node.db", tmp_path / "old.db")
    street.wait(119 * DAY)
    assert first[0] in oak.keys_on_disk()
    assert len(oak.keys_on_disk()) == 4
    street.wait(3 * DAY)
    assert first[0] not in oak.keys_on_disk()
    assert secret not in oak.disk()
    # The hub's list comes back as it was months ago: nobody can tell whose its tokens are.
    elm.power_off()
    shutil.copy(tmp_path / "old.db", elm.state / "node.db")
    elm.power_on()
    street.meet()
    assert oak.see(PHONE) == set()
    assert elm.see(PHONE) == set()
    with sqlite3.connect(tmp_path / "old.db") as old:
        kept = {row[0] for row in old.execute("SELECT token FROM remembered")}
    old.close()
    assert kept
    assert kept.isdisjoint(oak.remembering.keeping.tokens(PHONE))


def test_a_node_that_was_off_for_a_year_gives_no_destroyed_key_back(world: Raise) -> None:
    street = world("elm", "oak", "ash", walls=False)
    settle(street, "oak", PHONE, None)
    street.boards["oak"].ask("remember")
    old = street.boards["ash"].keys_on_disk()
    assert old == street.boards["oak"].keys_on_disk()
    street.boards["ash"].power_off()
    street.wait(365 * DAY, step=2 * DAY)
    ash = street.boards["ash"]
    ash.power_on()
    assert ash.keys_on_disk() == old, "it has no clock: it cannot know how long it was off"
    street.meet()
    assert set(old).isdisjoint(ash.keys_on_disk())
    assert set(old).isdisjoint(street.boards["oak"].keys_on_disk())


def test_a_board_that_is_off_every_other_day_keeps_its_key_no_longer_and_hardly_shorter(world: Raise) -> None:
    for walls, days in ((True, 120.0), (False, 240.0)):
        street = world("elm", walls=walls)
        elm = street.boards["elm"]
        first = elm.keys_on_disk()[0]
        while first in elm.keys_on_disk():
            street.wait(DAY, step=DAY)
            elm.power_off()
            street.now += DAY
            elm.power_on()
            elm.turn()
        assert days - 4 <= street.now / DAY <= days + 2, walls


def test_neither_disk_alone_says_whose_a_token_is(world: Raise) -> None:
    street = world("elm", "oak")
    elm, oak = street.boards["elm"], street.boards["oak"]
    settle(street, "elm", PHONE, None)
    elm.ask("remember")
    settle(street, "oak", OTHER, None)
    oak.ask("remember", OTHER)
    street.wait(DAY)
    tokens = {*oak.remembering.keeping.tokens(PHONE), *oak.remembering.keeping.tokens(OTHER)}
    assert len(tokens) == 2
    hub, node = elm.disk(), oak.disk()
    assert elm.keys_on_disk() == []
    assert all(token.encode() in hub for token in tokens)
    assert all(token.encode() not in node for token in tokens)
    for key in oak.remembering.keeping.ring.keys.all():
        assert key.secret not in hub
        assert key.secret.hex().encode() not in hub
        assert key.secret.hex().encode() in node
    for phone in (PHONE, OTHER):
        for form in (phone, phone.replace(":", ""), phone.replace(":", "-"), ADDRESSES[phone]):
            assert form.encode() not in hub + node
        assert bytes.fromhex(phone.replace(":", "")) not in hub + node
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in oak.state.glob("remember-keys/*.key"))


def test_a_board_that_gets_company_gives_its_list_or_its_keys_away(world: Raise) -> None:
    street = world("elm", "oak")
    street.cut = {"elm", "oak"}
    elm, oak = street.boards["elm"], street.boards["oak"]
    # While elm was a network by itself it had both on its disk.
    street.boards.pop("oak")
    elm.turn()
    settle(street, "elm", PHONE, None)
    elm.ask("remember")
    assert elm.keys_on_disk()
    street.boards["oak"], street.cut, street.hub = oak, set(), "oak"
    street.meet()
    street.wait(60.0, 10.0)
    count = "SELECT COUNT(*) FROM remembered"
    assert (elm.store.connection.execute(count).fetchone(), oak.store.connection.execute(count).fetchone()) == (
        (0,),
        (1,),
    )
    assert (bool(elm.keys_on_disk()), oak.keys_on_disk()) == (True, [])
    street.power_cut()
    assert elm.see(PHONE) == {PHONE}


def test_a_hub_whose_other_nodes_are_not_there_yet_keeps_its_key_until_one_is(world: Raise) -> None:
    street = world("elm", "oak")
    elm, oak = street.boards["elm"], street.boards["oak"]
    oak.power_off()
    elm.power_off()
    elm.power_on()
    settle(street, "elm", PHONE, None)
    assert elm.ask("remember")["error"]["code"] == "not-now", "only oak knows the key"
    street.wait(90.0, 10.0)
    assert elm.ask("remember")["ok"]
    assert len(elm.keys_on_disk()) == 1
    oak.power_on()
    street.meet()
    assert elm.keys_on_disk() == []
    assert len(oak.keys_on_disk()) == 2
    street.power_cut()
    assert elm.see(PHONE) == {PHONE}


def test_while_the_hub_is_away_the_button_is_there_and_a_wish_waits_for_it_sealed(world: Raise) -> None:
    street = world("elm", "oak")
    elm, oak = street.boards["elm"], street.boards["oak"]
    add_home(street)
    settle(street, "oak", PHONE, "AAAA")
    elm.power_off()
    assert oak.ask("remember")["ok"]
    token = oak.remembering.keeping.tokens(PHONE)[0]
    assert token.encode() not in oak.disk()
    oak.power_off()
    oak.power_on()
    assert oak.see(PHONE) == set()
    street.wait(5 * DAY)
    assert oak.see(PHONE) == set()
    elm.power_on()
    street.meet()
    assert oak.online() == {PHONE}
    left = oak.ask("device")["device"]["remembered"]
    assert left == pytest.approx(85 * DAY, abs=HOUR), "it counts from when the person agreed"
    assert oak.store.connection.execute("SELECT COUNT(*) FROM errand").fetchone() == (0,)


def test_forget_makes_a_visitor_everywhere_also_where_the_hub_hears_of_it_late(world: Raise) -> None:
    street = world("elm", "oak", "ash")
    elm, oak, ash = (street.boards[name] for name in ("elm", "oak", "ash"))
    settle(street, "oak", PHONE, None)
    oak.ask("remember")
    street.wait(40 * DAY)
    oak.see(PHONE)
    oak.ask("remember")
    elm.power_off()
    assert oak.ask("forget")["device"]["state"] == "visitor"
    assert oak.see(PHONE) == set()
    assert ash.see(PHONE) == set()
    oak.power_off()
    elm.power_on()
    oak.power_on()
    street.meet()
    street.wait(2 * DAY)
    assert (oak.see(PHONE), ash.see(PHONE), elm.see(PHONE)) == (set(), set(), set())
    rows = elm.store.connection.execute("SELECT gone, household, receipt FROM remembered").fetchall()
    assert {tuple(row) for row in rows} <= {(1, "", "")}


def test_leave_leaves_a_remembered_device_alone_for_a_day_and_its_button_ends_that(world: Raise) -> None:
    street = world("elm", "oak")
    oak = street.boards["oak"]
    settle(street, "oak", PHONE, None)
    oak.ask("remember")
    oak.ask("leave")
    street.wait(HOUR, 60.0)
    assert oak.see(PHONE) == set()
    assert street.boards["elm"].see(PHONE) == set()
    oak.ask("join")
    assert oak.see(PHONE) == {PHONE}
    oak.ask("leave")
    street.wait(2 * DAY)
    assert oak.see(PHONE) == {PHONE}


def test_a_receipts_number_ends_it_from_any_device_and_says_nothing(world: Raise) -> None:
    street = world("elm", "oak")
    oak = street.boards["oak"]
    settle(street, "oak", PHONE, None)
    settle(street, "oak", OTHER, None)
    number = oak.ask("remember")["receipt"]["number"]
    assert oak.ask("withdraw", OTHER, number="0000-0000-0000") == {"ok": True}
    street.power_cut()
    assert oak.see(PHONE) == {PHONE}
    assert street.boards["elm"].ask("withdraw", OTHER, number=number.lower().replace("-", " ")) == {"ok": True}
    street.power_cut()
    assert oak.see(PHONE) == set()
    assert oak.ask("withdraw", OTHER, number="no")["error"]["code"] == "unreadable"
    for _ in range(6):
        last = oak.ask("withdraw", OTHER, number="0000-0000-0000")
    assert last["error"]["code"] == "too-many-tries"
    for own in ("withdraw", "forget"):
        assert "error" not in oak.ask(own, OTHER), "a right waits for nothing"


def test_with_a_household_goes_what_its_devices_were_promised(world: Raise) -> None:
    street = world("elm", "oak")
    add_home(street)
    elm, oak = street.boards["elm"], street.boards["oak"]
    settle(street, "oak", PHONE, "AAAA")
    settle(street, "oak", OTHER, None)
    oak.ask("remember")
    oak.ask("remember", OTHER)
    elm.store.remove_household("AAAA")
    rows = elm.store.connection.execute("SELECT household, receipt FROM remembered ORDER BY receipt").fetchall()
    assert rows[0] == ("", "")
    assert rows[1][1]
    street.power_cut()
    assert oak.see(PHONE, OTHER) == {OTHER}


def test_a_node_that_was_cut_off_during_an_erase_does_not_bring_the_household_back(world: Raise) -> None:
    street = world("elm", "oak")
    add_home(street)
    elm, oak = street.boards["elm"], street.boards["oak"]
    settle(street, "oak", PHONE, "AAAA")
    street.cut = {"oak"}
    number = oak.ask("remember")["receipt"]["number"]
    elm.store.remove_household("AAAA")
    street.cut = set()
    street.meet()
    assert oak.store.connection.execute("SELECT COUNT(*) FROM errand").fetchone() == (0,)
    assert elm.store.connection.execute("SELECT household, receipt FROM remembered").fetchall() == [("", "")]
    assert str(number_hash(number)).encode() not in elm.disk() + oak.disk()
    street.power_cut()
    assert oak.see(PHONE) == set()


def test_a_device_that_is_taken_out_of_its_home_comes_back_as_a_guest(world: Raise) -> None:
    street = world("elm", "oak")
    add_home(street)
    oak = street.boards["oak"]
    settle(street, "oak", PHONE, "AAAA")
    oak.ask("remember")
    known = oak.store.household("AAAA")
    assert known is not None
    oak.verbs.unlink(ADDRESSES[PHONE], known[0])
    street.power_cut()
    assert oak.see(PHONE) == {PHONE}
    device = oak.members.get(PHONE)
    assert device is not None
    assert device.household is None


def test_a_paused_device_stays_paused_where_it_is_known_again(world: Raise) -> None:
    street = world("elm", "oak")
    oak = street.boards["oak"]
    settle(street, "oak", PHONE, None)
    oak.ask("remember")
    street.power_cut()
    oak.members.pauses.merge(PHONE, Pause("K7QM", "It floods.", oak.clock.read().monotonic + HOUR, 1, "oak"))
    assert oak.see(PHONE) == set()
    assert oak.members.get(PHONE) is not None
    assert oak.ask("remember")["error"]["code"] == "not-joined"
    street.wait(HOUR + 1)
    oak.members.pauses.lapse(oak.clock.read().monotonic)
    oak.turn()
    assert oak.online() == {PHONE}


def test_who_has_not_joined_or_is_paused_cannot_be_remembered(world: Raise) -> None:
    oak = world("elm", "oak").boards["oak"]
    assert oak.ask("remember")["error"]["code"] == "not-joined"
    assert oak.ask("forget")["ok"]
    oak.kernel.around.clear()
    assert {oak.ask(verb)["error"]["code"] for verb in ("remember", "forget", "withdraw")} == {"unknown-device"}


def test_a_device_that_moved_to_another_home_comes_back_to_that_one(world: Raise) -> None:
    street = world("elm", "oak")
    add_home(street, "AAAA")
    add_home(street, "BBBB")
    oak = street.boards["oak"]
    settle(street, "oak", PHONE, "AAAA")
    oak.ask("remember")
    settle(street, "oak", PHONE, "BBBB")
    street.wait(HOUR, 60.0)
    oak.ask("device")
    street.power_cut()
    assert oak.see(PHONE) == {PHONE}
    device = oak.members.get(PHONE)
    assert device is not None
    assert device.household == "BBBB"
