"""How much memory is left."""

from __future__ import annotations

import psutil

from meshctl.config import Config
from meshctl.wire import Fact

_MEGABYTE = 1_000_000
_LEAST = 50


def probe(config: Config) -> Fact:  # noqa: ARG001  # every probe is called alike
    """Memory available without swapping, in MB."""
    left = psutil.virtual_memory().available / _MEGABYTE
    if left < _LEAST:
        return Fact(ok=False, value=round(left), unit="MB", error="Memory is nearly used up. Restart the node.")
    return Fact(ok=True, value=round(left), unit="MB")
