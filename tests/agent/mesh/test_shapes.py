"""A field that is not as it must be is refused, whatever JSON can hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshctl.agent.mesh.channel import ChannelError
from meshctl.agent.mesh.shapes import hexadecimal, integer, number, text
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.mesh.use import take_use
from meshctl.agent.store import Store

HUGE = 10**400
NOT_A_NUMBER = float("nan")


@pytest.mark.parametrize("value", [HUGE, -1, -HUGE, NOT_A_NUMBER, float("inf"), True, "5", None, [5]])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    for read in (number, integer):
        with pytest.raises(ChannelError):
            read({"left": value}, "left")


@pytest.mark.parametrize("value", ["\ud800", "né", "a\nb", "x" * 9, 5, None])
def test_what_is_no_plain_short_text_is_refused(value: object) -> None:
    with pytest.raises(ChannelError):
        text({"household": value}, "household", 8)


@pytest.mark.parametrize("value", ["", "0", "000", "0G", "0A", "٣٣", "0\n"])
def test_what_is_not_so_many_octets_is_refused(value: str) -> None:
    with pytest.raises(ChannelError):
        hexadecimal({"token": value}, "token", 1)


@pytest.mark.parametrize(
    "row", [["line", "down", "\ud800", 5], ["\ud800", "down", "K7QM", 5], ["line", "down", "K7QM", HUGE], ["line"], 5]
)
def test_use_that_cannot_be_is_refused_whole(tmp_path: Path, row: object) -> None:
    store = Store(tmp_path)
    shelf = Shelf(store)
    with pytest.raises(ChannelError):
        take_use(shelf, "oak", {"boot": 1, "sequence": 1, "roll": 0, "rows": [["line", "down", "K7QM", 5], row]}, 0)
    assert shelf.use() == {}
    store.close()
