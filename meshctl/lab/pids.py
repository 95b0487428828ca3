"""The numbers that a lab's processes have outside of it."""

from __future__ import annotations

from pathlib import Path


def outer_pids(init: int) -> dict[int, int]:
    """Process ids as seen from here, by process id inside (proc(5) NSpid)."""
    space = Path("/proc", str(init), "ns/pid").readlink()
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if (folder / "ns/pid").readlink() != space:
                    continue
                for line in (folder / "status").read_text(encoding="ascii", errors="replace").splitlines():
                    if line.startswith("NSpid:"):
                        found[int(line.split()[-1])] = int(folder.name)
            except OSError:
                continue
    return found
