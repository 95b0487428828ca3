"""Whether the disk has room and takes writes."""

from __future__ import annotations

import os

import psutil

from meshctl.config import Config
from meshctl.wire import Fact

_MEGABYTE = 1_000_000
_LEAST = 100


def probe(config: Config) -> Fact:
    """Room left where the state is kept, in MB. A worn card turns read-only: then this fails."""
    if os.statvfs(config.paths.state).f_flag & os.ST_RDONLY:
        return Fact(ok=False, error="The disk has turned read-only. Replace the card.")
    left = psutil.disk_usage(config.paths.state).free / _MEGABYTE
    if left < _LEAST:
        return Fact(ok=False, value=round(left), unit="MB", error="The disk is nearly full.")
    return Fact(ok=True, value=round(left), unit="MB")
