"""A home's days are read with its pass, and a pass is not guessed faster here than anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meshctl.agent import passes
from meshctl.agent.credential import Credential
from meshctl.agent.reading import Reading
from meshctl.agent.store import Store
from meshctl.agent.tries import Tries
from meshctl.history import history, lines
from meshctl.lists import Roster
from meshctl.quota.meter import Count, Place, meter
from meshctl.quota.plan import FIRST_HOME
from meshctl.wire import WireError, decode_line, encode_line
from tests.agent.fake_kernel import FakeKernel
from tests.agent.small_agent import NOW, HandClock
from tests.kernel.agents import ACCESS, GATEWAY, THIRD, config_of

HERE, FAR, NOWHERE = "10.44.4.9", "10.44.8.9", "192.0.2.9"
PHONE = "02:00:00:00:00:01"
WRONG = "0000-0000-0000-0000"
OTHER_GATEWAY = replace(THIRD, gateway=True)


def sent(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply as it comes out of the socket."""
    return decode_line(encode_line(reply))


class Node:
    """What answers, with one home that used the line."""

    def __init__(self, folder: Path, own: Any = GATEWAY) -> None:
        self.clock, self.store = HandClock(), Store(folder)
        config = config_of(own, "mesh0")
        kernel = FakeKernel(config, ["lan0", "wan0", "mesh0"], lambda: self.clock.now.monotonic)
        kernel.around[HERE] = PHONE
        mesh: Any = SimpleNamespace(
            way=SimpleNamespace(gateway="third"),
            lists=SimpleNamespace(roster=Roster(1, (GATEWAY, ACCESS, OTHER_GATEWAY))),
        )
        self.tries = Tries(each=6, together=120, seconds=60.0)
        self.kernel = kernel
        self.credential = Credential(config, kernel, self.store, self.tries, self.clock, mesh)
        self.reading = Reading(config, self.store, self.credential, mesh)
        self.drawn = passes.draw_verified()
        self.store.add_household(self.drawn.handle, 1, self.drawn.kept, NOW)
        place: Place = ("isp", "down", FIRST_HOME)
        self.store.record(meter({}, {place: Count("1", 42)}), {}, {place: Count("1", 42)}, NOW)

    def ask(self, address: str, text: str | None = None, **words: Any) -> dict[str, Any]:
        opens = words or {"pass": text or self.drawn.text, "secure": True}
        return sent(self.reading.history({"address": address, **opens}))

    def code(self, address: str, text: str | None = None, **words: Any) -> str:
        reply = self.ask(address, text, **words)
        return "" if reply["ok"] else str(reply["error"]["code"])


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.store.close()


@pytest.mark.parametrize("address", [HERE, FAR, "2001:db8:2::9"])
def test_its_pass_shows_a_home_its_days_here_and_behind_another_node(node: Node, address: str) -> None:
    found = history(node.ask(address))
    assert found.household == node.drawn.handle
    assert [(day.down, day.up) for day in found.days] == [(42, 0)]
    assert history(node.ask(address, node.drawn.text.lower().replace("-", " "))) == found


def test_who_is_in_no_nodes_prefix_is_not_answered(node: Node) -> None:
    assert node.code(NOWHERE) == "unknown-device"


def test_wrong_passes_count_together_with_those_of_linking(node: Node) -> None:
    for _ in range(5):
        assert node.code(HERE, WRONG) == "wrong-pass"
    node.tries.failed(PHONE, NOW.monotonic)
    assert node.code(HERE) == "too-many-tries"
    assert node.code(FAR) == ""
    node.clock.now = replace(NOW, monotonic=NOW.monotonic + 61)
    assert node.code(HERE) == ""


def test_whoever_changes_addresses_behind_another_node_keeps_nobody_here_from_his_pass(node: Node) -> None:
    for number in range(10, 20):
        for _ in range(6):
            assert node.code(f"10.44.8.{number}", WRONG) == "wrong-pass"
    assert node.code("10.44.8.77") == "too-many-tries"
    assert node.code(HERE) == ""


@pytest.mark.parametrize("secure", [False, None, 1, "true"])
def test_a_pass_is_refused_unless_it_came_by_https_and_counts_as_no_try(node: Node, secure: Any) -> None:
    for _ in range(9):
        assert node.code(HERE, None, **{"pass": node.drawn.text, "secure": secure}) == "needs-https"
    assert node.code(HERE) == ""


def test_a_stewards_code_opens_one_home_for_one_device_for_a_quarter_of_an_hour(node: Node) -> None:
    code = node.credential.codes.make(node.drawn.handle, NOW.monotonic)
    node.kernel.around["10.44.4.10"] = "02:00:00:00:00:02"
    assert node.code(HERE, code="0000-0000") == "wrong-code"
    assert node.ask(HERE, code=code.lower().replace("-", ""))["history"]["household"] == node.drawn.handle
    assert node.code("10.44.4.10", code=code) == "wrong-code"
    node.clock.now = replace(NOW, monotonic=NOW.monotonic + 899)
    assert node.code(HERE, code=code) == ""
    node.clock.now = replace(NOW, monotonic=NOW.monotonic + 901)
    assert node.code(HERE, code=code) == "wrong-code"


def test_a_newer_code_ends_the_one_before_and_codes_are_guessed_no_faster_than_passes(node: Node) -> None:
    first, second = (node.credential.codes.make(node.drawn.handle, NOW.monotonic) for _ in range(2))
    assert (node.code(HERE, code=first), node.code(HERE, code=second)) == ("wrong-code", "")
    for _ in range(5):
        node.code(HERE, WRONG)
    assert node.code(HERE, code=second) == "too-many-tries"


def test_a_code_opens_nothing_once_its_home_is_gone(node: Node) -> None:
    code = node.credential.codes.make(node.drawn.handle, NOW.monotonic)
    node.store.remove_household(node.drawn.handle)
    assert node.code(HERE, code=code) == "wrong-code"


def test_a_node_says_whether_it_has_a_line_and_who_else_has_the_one_in_use_first(node: Node, tmp_path: Path) -> None:
    told = lines(sent(node.reading.lines({})))
    assert (told.here, told.others) == (True, ("10.44.12.1",))
    (tmp_path / "far").mkdir()
    access = Node(tmp_path / "far", ACCESS)
    told = lines(sent(access.reading.lines({})))
    assert (told.here, told.others) == (False, ("10.44.12.1", "10.44.4.1"))
    access.kernel.around["10.44.8.9"] = PHONE
    assert access.code("10.44.8.9") == "no-line"
    access.store.close()


@pytest.mark.parametrize("reply", [{}, {"history": 5}, {"history": {"household": "7KQ2", "days": [{"day": 5}]}}])
def test_an_answer_of_another_shape_is_none(reply: dict[str, Any]) -> None:
    for read in (history, lines):
        with pytest.raises(WireError):
            read(reply)
