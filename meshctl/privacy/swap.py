"""Swap: memory that was put on a disk, and stays there when the power goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meshctl.privacy.tree import Scan

AREAS = Path("/proc/swaps")


@dataclass(frozen=True)
class Area:
    """A swap area; ``kbytes`` long."""

    file: str
    kbytes: int

    @property
    def in_ram(self) -> bool:
        """Say whether it is compressed RAM, which a power cut empties."""
        return Path(self.file).name.startswith("zram")


def areas(text: str) -> Iterator[Area]:
    """Read what proc(5) says of /proc/swaps: a heading, then file, type, size in KiB, use and priority."""
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) >= 5:
            yield Area(words[0].replace("\\040(deleted)", "").encode().decode("unicode_escape"), int(words[2]))


def look(scan: Scan, *, wanted: bool, listing: Path = AREAS) -> str:
    """Search the swap areas if that is ``wanted``; return the sentence that says what was done."""
    try:
        found = list(areas(listing.read_text(encoding="utf-8")))
    except OSError as fault:
        scan.findings.could_not(f"swap areas not readable: {fault.strerror}", str(listing))
        return "swap was not looked at: this machine does not tell its swap areas"
    if not found:
        return "this machine has no swap in use"
    named = ", ".join(f"{area.file} ({'in RAM, ' if area.in_ram else ''}{area.kbytes >> 10} MB)" for area in found)
    if not wanted:
        return f"swap was not looked at: {named}; --swap does"
    before = scan.findings.files
    for area in found:
        scan.content(area.file)
    looked = scan.findings.files - before
    return f"swap was looked at: {named}" if looked == len(found) else f"swap could not be read whole: {named}"
