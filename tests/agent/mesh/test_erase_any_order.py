"""A home asks to be erased, and takes it back, at any node, while nodes lose their power and time passes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from meshctl.agent.wishes import SETTLE, WAITS
from tests.agent.mesh.test_homes_everywhere import FAR, HUB, LAST, Street

DAY = WAITS["erase"]


def press(street: Street, chance: random.Random, said: list[str]) -> None:
    name = chance.choice([HUB, FAR, LAST])
    node = street.nodes[name]
    kind = chance.choice(["power", "power", "erase", "erase-cancel", "note", "wait"])
    if kind == "power":
        node.power_off() if node.up else node.power_on()
    elif kind == "wait":
        street.wait(chance.choice([60.0, 3600.0]), 600.0)
    elif node.up and node.store.households():
        erased_in = node.seen().erased_in
        if kind == "note":
            node.ask("correct", note="The 3rd looks wrong.")
        elif kind == "erase":
            node.ask("erase")
            said.append("erase")
        elif erased_in is not None:
            node.ask("erase-cancel")
            said.append("kept")
    else:
        return
    said.append(f"{kind} {name}")


@pytest.mark.parametrize("seed", range(6))
def test_what_was_taken_back_erases_nothing_and_what_stands_erases_all(seed: int, tmp_path: Path) -> None:
    chance, street = random.Random(seed), Street(tmp_path)
    said: list[str] = []
    for _ in range(14):
        press(street, chance, said)
    for node in street.nodes.values():
        if not node.up:
            node.power_on()
    asked = [word for word in said if word in ("erase", "kept")]
    (standing,) = {node.seen().erased_in is not None for node in street.nodes.values()}
    if asked.count("erase") == 1:
        assert standing == (asked[-1] == "erase"), said
    street.wait(DAY + SETTLE + 60, 600.0)
    street.wait(20, 10.0)
    for node in street.nodes.values():
        assert bool(node.store.households()) != standing, said
        assert node.knows() != standing, said
        node.power_off()
