"""Every figure on docs/fair-share.md is what the command beside it prints, and what is told by hand is true."""

from __future__ import annotations

import re
import tomllib

import pytest

from meshctl.fields import read_table
from meshctl.model import Policy
from meshctl.quota.days import Home, Scenario, Want, live, stretches
from meshctl.quota.outcome import Outcome
from meshctl.quota.simulate import simulate
from meshctl.scenariofile import shipped
from tests.figures import PAGE, PICTURES, changes, made


def test_figures_and_pictures_are_what_the_commands_on_the_page_make() -> None:
    now = made()
    was = {file: file.read_text("utf-8") for file in now if file.exists()}
    assert list(changes(was, now)) == [], "run `make docs-figures`"
    assert {file.stem for file in PICTURES.glob("*.svg")} == set(shipped())
    page = PAGE.read_text("utf-8")
    assert [name for name in shipped() if f"pictures/{name}.svg" not in page or f"{name}: " not in page] == []


def _by_hand(days: int) -> Outcome:
    """Live the example that the page works out by hand."""
    evening = (Want(50, (20, 24)),)
    homes = (Home("A", want=evening), Home("B", want=evening), Home("C", want=(Want(10, (20, 22)),)))
    street = Scenario("by hand", 20, 5, (*homes, Home("D"), Home("E")))
    return simulate(stretches(live(street, lambda _, count: [0.0] * count, days)), Policy())


def test_the_example_worked_out_by_hand_is_what_the_code_does() -> None:
    page = " ".join(PAGE.read_text("utf-8").split())
    first = _by_hand(1).homes
    assert first["A"].ratio == pytest.approx(0.273, abs=5e-4)
    assert first["C"].ratio == pytest.approx(0.109, abs=5e-4)
    assert "r_A = 74.45/272.67 = 0.273 r_C = 29.63/272.67 = 0.109" in page
    assert _by_hand(7).homes["A"].ratio == pytest.approx(1.448, abs=5e-4)
    later = _by_hand(100).homes
    assert [(f"{at // 86_400:.0f}", f"{at % 86_400 / 3600:.1f}") for at, _ in later["A"].changes] == [("7", "22.9")]
    assert "In the eighth evening, at 22:54, A and B pass 1.5: level 1" in page
    assert later["A"].ratio == pytest.approx(5 * 7.5 / 20, abs=0.01)
    assert later["C"].ratio == pytest.approx(5 * 5 / 20, abs=0.01)
    assert (later["A"].level, later["C"].changes) == (1, ())


def test_the_example_of_a_scenario_has_every_key_and_is_read() -> None:
    text = re.search(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert text is not None
    table = tomllib.loads(text[1])
    street = read_table(Scenario, table)
    assert set(table) | {"story"} == set(Scenario.__dataclass_fields__)
    assert set(table["home"][0]) == set(Home.__dataclass_fields__)
    assert {key for want in table["home"][0]["want"] for key in want} == set(Want.__dataclass_fields__)
    assert sum(1 for _ in stretches(live(street, lambda _, count: [0.0] * count, 7))) >= 7 * 24
