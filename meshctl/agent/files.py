"""Where the agent may write what: whole files, and hardware addresses only in RAM."""

from __future__ import annotations

from pathlib import Path

from meshctl.files import write_whole

__all__ = ["on_tmpfs", "write_whole"]


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
