"""The shape of a consent receipt: what somebody agreed to, since when, until when, and under which number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshctl.fields import FieldError, read_table
from meshctl.wire import WireError


@dataclass(frozen=True)
class Receipt:
    """The answer to `remember`. ``number`` is told once; only its hash is kept.

    ``purpose`` is a word for programs and ``text`` the version of what the person read. ``since`` is in seconds
    since 1970, ``None`` where no trusted clock says so; ``ends_in`` in seconds.
    """

    number: str
    purpose: str
    text: int
    since: float | None
    ends_in: float


def receipt(reply: Mapping[str, Any]) -> Receipt:
    """Read the ``receipt`` field of a reply. Raises `WireError`."""
    try:
        return read_table(Receipt, reply.get("receipt"))
    except FieldError as fault:
        raise WireError("wrong-shape", str(fault)) from fault
