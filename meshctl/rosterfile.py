"""The newest roster that was ever seen, and the file that newer ones arrive in."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from meshctl.lists import LIST_LIMIT, ListError, Roster, read_roster

_REMEDY = {
    "no-community": "Write the public key that `meshctl community new` printed into the configuration.",
    "bad-signature": "Put the roster of this network there, or mend the community's key in the configuration.",
    "older": "Put the newest one there; if the stewards lost it, a newly signed one must carry a higher version.",
    "same-version": "Only one of them can be right: enrol the missing node in the newest one and sign that.",
}
_OTHERWISE = "Put a whole one there, as `meshctl node enrol` writes it."


class RosterFile:
    """A roster that only goes forward. Safe to share between threads.

    A file that is missing, damaged, foreign or older leaves what is in force in force.
    """

    def __init__(self, file: Path, community: str, least_version: int = 0) -> None:
        """Read nothing yet. ``least_version`` is the newest version that this machine ever saw."""
        self._file, self._community = file, community
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] | None = None
        self._looked = False
        self._roster: Roster | None = None
        self._signed = b""
        self._version = least_version
        self._fault = ""
        self._refused: Counter[str] = Counter()

    def look(self) -> Roster | None:
        """Read the file again if it changed; return the roster in force, or ``None`` while there is none."""
        with self._lock:
            stamp = self._stat()
            if stamp != self._stamp or not self._looked:
                self._stamp, self._looked = stamp, True
                self._read()
            return self._roster

    def offer(self, data: bytes) -> bool:
        """Take a signed roster that came another way; return whether it is a newer one and now in force.

        Raises `ListError` for every other, except the very one that is in force.
        """
        with self._lock:
            before = self._roster
            try:
                self._take(data)
            except ListError as fault:
                self._refused[fault.code] += 1
                raise
            return self._roster is not before

    @property
    def version(self) -> int:
        """The newest version ever seen: keep it, and pass it as ``least_version`` at the next start."""
        with self._lock:
            return self._version

    @property
    def signed(self) -> bytes:
        """The roster in force as it was signed, to be passed on; empty while there is none."""
        with self._lock:
            return self._signed

    @property
    def fault(self) -> str:
        """Why the file as it was last read is not in force, with the remedy; empty when it is."""
        with self._lock:
            return self._fault

    @property
    def refused(self) -> dict[str, int]:
        """How many rosters were refused, by `ListError` code."""
        with self._lock:
            return dict(self._refused)

    def _stat(self) -> tuple[int, ...] | None:
        try:
            stat = self._file.stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def _read(self) -> None:
        try:
            with self._file.open("rb") as source:
                data = source.read(LIST_LIMIT + 1)
        except OSError as fault:
            self._fault = f"{self._file}: {fault.strerror}. {_OTHERWISE}"
            return
        try:
            self._take(data)
        except ListError as fault:
            self._refused[fault.code] += 1
            self._fault = f"{self._file}: {fault}. {_REMEDY.get(fault.code, _OTHERWISE)}"
        else:
            self._fault = ""

    def _take(self, data: bytes) -> None:
        roster = read_roster(data, self._community)
        if roster.version < self._version:
            raise ListError("older", f"it has version {roster.version}, and version {self._version} was seen before")
        if self._roster and roster.version == self._version:
            if roster != self._roster:
                raise ListError(
                    "same-version", f"it differs from the one in force, and both have version {roster.version}"
                )
            return
        self._roster, self._signed, self._version = roster, data, roster.version
