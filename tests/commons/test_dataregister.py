"""Nothing is stored that the register does not know, and the register knows nothing that is not stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.agent.store import Store
from meshctl.commons.dataregister import ENFORCED, REGISTER, columns, exported, sections, withheld
from meshctl.hub.schema import metadata
from tests.commons.register_table import PAGE, written


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def stored(store: Store) -> set[str]:
    """Return every column of a freshly made node.db."""
    tables = [row[0] for row in store.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {f"{t}.{row[1]}" for t in tables for row in store.connection.execute(f"PRAGMA table_info({t})")}


def test_every_column_of_node_db_has_an_entry_and_every_entry_a_column(store: Store) -> None:
    assert set(columns("node.db")) == stored(store)


def test_every_column_of_hub_db_has_an_entry_and_every_entry_a_column() -> None:
    there = {f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.columns}
    assert set(columns("hub.db")) == there | {"alembic_version.version_num"}


def test_no_column_has_two_entries_and_no_entry_lacks_a_word() -> None:
    places = [place for entry in REGISTER for place in entry.where]
    assert len(places) == len(set(places))
    assert len({entry.name for entry in REGISTER}) == len(REGISTER)
    for entry in REGISTER:
        assert all((entry.where, entry.what, entry.purpose, entry.kept, entry.seen_by)), entry.name
        assert entry.limit in {"", *ENFORCED}, entry.name


def test_a_column_that_names_a_home_is_a_homes_or_is_unnamed_by_an_erase() -> None:
    for column, entry in columns("node.db").items():
        if column.endswith((".household", ".handle")):
            assert entry.at_erase in {"gone", "guests", "unnamed"}, column


def test_what_is_a_homes_is_in_its_download_or_says_why_not(store: Store) -> None:
    hidden = {place for entry in withheld() for place in entry.where}
    shown = {f"{table}.{column}" for table, names in exported().items() for column in names}
    for column, entry in columns("node.db").items():
        if entry.whose == "household":
            assert (column in shown) != (f"node.db/{column}" in hidden), column


def test_neighbours_read_few_short_sentences_without_jargon() -> None:
    shown = sections()
    assert [section.name for section in shown] == ["device", "household", "network"]
    assert sum(len(section.entries) for section in shown) <= 20
    for section in shown:
        for entry in section.entries:
            for text in (section.heading, entry.what, entry.purpose, entry.kept, entry.seen_by):
                for sentence in re.split(r"(?<=[.:])\s", text):
                    assert len(sentence.split()) <= 15, sentence
                assert not re.search(r"\b(MAC|IP|node|hash|SQL|token|portal|firewall|captive)\b|!", text), text


def test_the_page_on_privacy_has_the_register_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "write it anew: python -m tests.commons.register_table"
