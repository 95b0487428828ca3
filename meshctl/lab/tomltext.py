"""Writes tables as TOML: text, numbers, booleans and lists of these, one level of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def toml_text(tables: Mapping[str, Mapping[str, object] | Sequence[Mapping[str, object]]]) -> str:
    """A whole file; a list of tables becomes [[name]] tables, empty tables are left out."""
    parts = []
    for name, table in tables.items():
        if isinstance(table, Mapping):
            parts += [_table(f"[{name}]", table)] if table else []
        else:
            parts += [_table(f"[[{name}]]", one) for one in table]
    return "\n".join(parts)


def _table(heading: str, table: Mapping[str, object]) -> str:
    return "\n".join([heading, *(f"{key} = {_value(value)}" for key, value in table.items())]) + "\n"


def _value(value: object) -> str:
    if isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    raise TypeError(f"{value!r} has no place in a configuration file")
