"""Files that are whole or not there: written beside, flushed, renamed."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(file: Path, text: str, mode: int = 0o600) -> None:
    """Replace ``file`` so that a power cut leaves the old text or the new one, never a part."""
    beside = file.with_name(f".{file.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        os.fchmod(descriptor, mode)
        handle.write(text)
        handle.flush()
        os.fsync(descriptor)
    beside.rename(file)
