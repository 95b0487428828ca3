"""Choices out of bytes: hypothesis shrinks bytes towards zero, and zero is always the simplest choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Option = TypeVar("Option")
Key = TypeVar("Key")


class Draw:
    """Takes one byte for each choice; after the last byte every choice is the simplest."""

    def __init__(self, raw: bytes) -> None:
        self._bytes = iter(raw)

    def byte(self) -> int:
        """Return 0 to 255."""
        return next(self._bytes, 0)

    def below(self, limit: int) -> int:
        """Return 0 to ``limit`` - 1, for a limit of at most 256."""
        return self.byte() * limit >> 8

    def pick(self, options: Sequence[Option]) -> Option:
        """Return one of the options; the first is the simplest."""
        return options[self.below(len(options))]

    def part(self) -> float:
        """Return 0 to 1, in steps that are no binary fractions."""
        return self.byte() / 255

    def between(self, low: float, high: float) -> float:
        """Return a number on a scale of factors, ``low`` the simplest."""
        if not (choice := self.byte()):
            return low
        return float(low * (high / low) ** ((choice + self.part()) / 256))

    def rarely(self, one_in: int) -> bool:
        """Return true once in so many."""
        return self.below(one_in) == one_in - 1


def backwards(rows: Mapping[Key, Option]) -> dict[Key, Option]:
    """Return the same rows, the last first."""
    return dict(list(rows.items())[::-1])
