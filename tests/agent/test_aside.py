"""A damaged database is kept for a maintainer to look at, and never past the erase of a home that it may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshctl.agent import aside
from meshctl.agent.passes import verifier
from meshctl.agent.store import Store
from meshctl.model import ClockReading

NOW = ClockReading(10.0, 1_790_000_000.0, trusted=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy that can be read, with two homes in it."""
    store = Store(tmp_path)
    for handle in ("AAAA", "BBBB"):
        store.add_household(handle, 1, verifier("x"), NOW)
    store.close()
    return (tmp_path / "node.db").rename(tmp_path / "node.db.damaged-1")


@pytest.mark.parametrize(("known", "stays"), [({"AAAA", "BBBB", "CCCC"}, True), ({"AAAA"}, False), (set(), False)])
def test_it_stays_while_all_homes_in_it_are_known(copy: Path, known: set[str], stays: bool) -> None:
    aside.forget(copy.with_name("node.db"), known)
    assert copy.exists() is stays


@pytest.mark.parametrize("unreadable", ["the file", "its log"])
def test_one_that_cannot_be_read_may_name_anybody(copy: Path, unreadable: str) -> None:
    spoilt = copy if unreadable == "the file" else copy.with_name(copy.name + "-wal")
    spoilt.write_bytes(b"garbage" * 100)
    aside.forget(copy.with_name("node.db"), {"AAAA", "BBBB"})
    assert [*copy.parent.glob("node.db*")] == []
