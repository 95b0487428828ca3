"""Reads a table of plain values into frozen dataclasses, refusing what it does not know."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class FieldError(ValueError):
    """One field is wrong: ``key`` is its dotted path, ``fault`` what is wrong, ``remedy`` what to do."""

    def __init__(self, key: str, fault: str, remedy: str) -> None:
        self.key, self.fault, self.remedy = key, fault, remedy
        super().__init__(f"{key}: {fault}. {remedy}")


def read_table(shape: type[T], table: object, at: str = "") -> T:
    """Build ``shape``, a dataclass of text, numbers, booleans, dataclasses and tuples of these.

    Raises `FieldError` at the first unknown key, missing key or wrong type.
    """
    if not isinstance(table, Mapping):
        raise FieldError(at or "file", "it is not a table", f"Write it as [{at}].")
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, shape))}
    hints = typing.get_type_hints(shape)
    for key in table:
        if key not in fields:
            raise FieldError(_path(at, key), "unknown key", _suggest(key, fields))
    values: dict[str, object] = {}
    for name, field in fields.items():
        if name in table:
            values[name] = _value(hints[name], table[name], _path(at, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise FieldError(_path(at, name), "it is missing", f"Add {name} = … .")
    return shape(**values)


def _value(hint: Any, value: object, at: str) -> object:
    if dataclasses.is_dataclass(hint):
        return read_table(typing.cast(type, hint), value, at)
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise FieldError(at, "it is not a list", f"Write it as a list, or as [[{at}]] tables.")
        item = typing.get_args(hint)[0]
        return tuple(_value(item, one, f"{at}[{i}]") for i, one in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise FieldError(at, f"{value!r} is not a table", f"Write it as [{at}].")
        item = typing.get_args(hint)[1]
        return {str(key): _value(item, one, _path(at, str(key))) for key, one in value.items()}
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in typing.get_args(hint):
            return None
        return _value(next(a for a in typing.get_args(hint) if a is not type(None)), value, at)
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            raise FieldError(at, f"{value!r} is unknown", f"Use one of: {', '.join(typing.get_args(hint))}.")
        return value
    return _plain(hint, value, at)


def _plain(hint: Any, value: object, at: str) -> object:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise FieldError(at, "it is beyond all measure", "Write a smaller number.") from None
    if not isinstance(value, hint) or (isinstance(value, bool) and hint not in (bool, object)):
        wanted = _WORDS.get(hint, getattr(hint, "__name__", str(hint)))
        raise FieldError(at, f"{value!r} is not {wanted}", f"Write {wanted}.")
    if isinstance(value, float) and value != value:  # noqa: PLR0124  # the one value unequal to itself
        raise FieldError(at, "it is not a number", "Write a number.")
    return value


def _path(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _suggest(key: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Remove it; known here: {', '.join(k for k in known if k != 'file')}."
