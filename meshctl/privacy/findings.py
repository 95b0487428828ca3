"""What a scan came to: findings by file and form, and all that was not looked into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from meshctl.privacy.needles import Needle

PLACES = 5
"""Places that are kept of one form in one file; the others are counted."""

NAMED = 50
"""Things left out that are named of one kind; the others are counted."""


@dataclass
class Finding:
    """One form of one address in one file, or in something packed in it."""

    file: str
    within: str
    of: str
    form: str
    weak: bool
    count: int = 0
    places: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as a script reads it."""
        return {"file": self.file, "within": self.within, "of": self.of, "form": self.form, "weak": self.weak,
                "count": self.count, "places": self.places}  # fmt: skip


class Findings:
    """All that a scan found, and all that it left out."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, str], Finding] = {}
        self.unread: dict[str, list[str]] = {}
        self.noted: dict[str, list[str]] = {}
        self.files = self.octets = self.holes = 0

    def add(self, file: str, within: str, offset: int | None, needle: Needle) -> None:
        """Take in one hit; ``offset`` is ``None`` where it was in no content, such as in a file's name."""
        key = (file, within, needle.of, needle.form)
        one = self._found.setdefault(key, Finding(*key, needle.weak))
        one.count += 1
        if offset is not None and len(one.places) < PLACES:
            one.places.append({"offset": offset})

    def could_not(self, why: str, file: str) -> None:
        """Note that something was not searched that should have been."""
        self.unread.setdefault(why, [])
        if file not in self.unread[why]:
            self.unread[why].append(file)

    def note(self, what: str, file: str) -> None:
        """Note that something has no content of its own to search."""
        self.noted.setdefault(what, []).append(file)

    def locate(self, file: str, where: Callable[[int], str | None]) -> None:
        """Say of the file's own findings in which part of it they lie."""
        for one in self.of_file(file):
            for place in one.places:
                if not one.within and (text := where(int(place["offset"]))):
                    place["where"] = text

    def of_file(self, file: str) -> list[Finding]:
        """Return what was found in one file."""
        return [one for one in self._found.values() if one.file == file]

    @property
    def strong(self) -> list[Finding]:
        """What proves that an address is there."""
        return [one for one in self._found.values() if not one.weak]

    @property
    def weak(self) -> list[Finding]:
        """What may be there by chance."""
        return [one for one in self._found.values() if one.weak]

    def exit_code(self) -> int:
        """Return 1 if something was found, else 2 if something could not be read, else 0."""
        return 1 if self.strong else 2 if self.unread else 0

    def as_json(self) -> dict[str, Any]:
        """Return all of it as a script reads it."""
        return {
            "found": [one.as_json() for one in self.strong],
            "weak": [one.as_json() for one in self.weak],
            "unread": _counted(self.unread),
            "noted": _counted(self.noted),
            "files": self.files,
            "bytes": self.octets,
            "holes": self.holes,
        }


def _counted(by_kind: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [{"what": what, "count": len(files), "files": files[:NAMED]} for what, files in by_kind.items()]
