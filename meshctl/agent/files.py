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


def on_tmpfs(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Say whether ``folder`` is in RAM (proc_pid_mountinfo(5)): only there may a hardware address be written."""
    wanted = folder.resolve()
    best, kind = Path("/"), ""
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].encode("latin-1", "surrogateescape").decode("unicode_escape"))
        if wanted.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, after.split()[0]
    return kind in ("tmpfs", "ramfs")
