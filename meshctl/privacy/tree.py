"""Walks trees: every file's content, name, link target and extended attributes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from meshctl.privacy.database import across_pages, place_in
from meshctl.privacy.findings import Findings
from meshctl.privacy.matcher import Matcher
from meshctl.privacy.streams import BLOCK, Bounds, Listener, search

_EDGE = 4096
"""Octets of a hole that are searched at its beginning, as a needle may end in zeros."""

_KINDS = (
    (stat.S_ISSOCK, "sockets, which hold nothing"),
    (stat.S_ISFIFO, "pipes, which hold nothing"),
    (stat.S_ISCHR, "devices, not opened"),
    (stat.S_ISBLK, "devices, not opened"),
)

_NO_ATTRIBUTES = (errno.ENOTSUP, errno.ENODATA, errno.ENOENT, errno.ENOSYS)
"""The file system has none, or they or the file are gone, which its content will tell."""

PSEUDO = ("/proc", "/sys")
"""Where the kernel shows itself: no files of a disk."""


@dataclass
class Scan:
    """A scan under way. ``advance`` is called with the octets read so far, now and then."""

    matcher: Matcher
    findings: Findings
    unpacked_limit: int
    advance: Callable[[Findings], None]

    def tree(self, top: str) -> None:
        """Search everything at and below ``top``; links are followed nowhere, except ``top`` itself."""
        here = os.stat(top)  # noqa: PTH116  # names may be in no encoding
        pseudo = {os.stat(one).st_dev for one in PSEUDO if Path(one).exists()}  # noqa: PTH116
        if here.st_dev in pseudo:
            self.findings.could_not("the kernel's own, not searched", top)
            return
        self._short(top, "its name", os.fsencode(Path(top).name))
        self._attributes(top)
        if stat.S_ISREG(here.st_mode) or stat.S_ISBLK(here.st_mode):
            self.content(top)
            return
        if not stat.S_ISDIR(here.st_mode):
            self.findings.could_not("neither a file nor a folder nor a disk", top)
            return
        seen: set[tuple[int, int]] = set()
        folders = [top]
        while folders:
            for entry in self._entries(folders.pop()):
                self._entry(entry, folders, seen, pseudo)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except FileNotFoundError:
            self.findings.note("gone before they were reached", folder)
            return []
        except OSError as fault:
            self.findings.could_not(f"folder not readable: {fault.strerror}", folder)
            return []
        if self.matcher.hits("\n".join(entry.name for entry in entries).encode(errors="surrogateescape")):
            for entry in entries:
                self._short(entry.path, "its name", os.fsencode(entry.name))
        return entries

    def _entry(self, entry: os.DirEntry[str], folders: list[str], seen: set[tuple[int, int]], pseudo: set[int]) -> None:
        try:
            about = entry.stat(follow_symlinks=False)
            target = os.readlink(entry.path) if stat.S_ISLNK(about.st_mode) else ""  # noqa: PTH115
        except FileNotFoundError:
            self.findings.note("gone before they were reached", entry.path)
            return
        except OSError as fault:
            self.findings.could_not(f"not readable: {fault.strerror}", entry.path)
            return
        if stat.S_ISDIR(about.st_mode):
            if about.st_dev in pseudo:
                self.findings.note("the kernel's own folders, not searched", entry.path)
            else:
                self._attributes(entry.path)
                folders.append(entry.path)
        elif stat.S_ISLNK(about.st_mode):
            self._short(entry.path, "what it links to", os.fsencode(target))
            self.findings.note("links, not followed", entry.path)
        elif stat.S_ISREG(about.st_mode):
            if (about.st_dev, about.st_ino) not in seen:
                self._attributes(entry.path)
                self.content(entry.path)
            if about.st_nlink > 1:
                seen.add((about.st_dev, about.st_ino))
        else:
            kind = next((name for is_kind, name in _KINDS if is_kind(about.st_mode)), "things of an unknown kind")
            self.findings.note(kind, entry.path)

    def _attributes(self, path: str) -> None:
        try:
            names = os.listxattr(path, follow_symlinks=False)
            values = [os.getxattr(path, name, follow_symlinks=False) for name in names]
        except OSError as fault:
            if fault.errno not in _NO_ATTRIBUTES:
                self.findings.could_not(f"attributes not readable: {fault.strerror}", path)
            return
        for name, value in zip(names, values, strict=True):
            self._short(path, f"its attribute {name}", value)

    def _short(self, path: str, within: str, octets: bytes) -> None:
        for hit in self.matcher.hits(octets):
            self.findings.add(path, within, None, hit.needle)

    def content(self, path: str) -> None:
        """Search one file, block device or swap area."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            self.findings.note("gone before they were reached", path)
            return
        except OSError as fault:
            self.findings.could_not(f"not readable: {fault.strerror}", path)
            return
        try:
            self.blocks(path, self._blocks(descriptor))
        except OSError as fault:
            self.findings.could_not(f"not read to its end: {fault.strerror}", path)
        finally:
            os.close(descriptor)
        if where := place_in(path):
            if self.findings.of_file(path):
                self.findings.locate(path, where)
            self._across(path)

    def blocks(self, path: str, blocks: Iterator[bytes | int]) -> None:
        """Search what comes in blocks; a number is a hole of so many octets."""
        listener = Listener(
            lambda within, offset, needle: self.findings.add(path, within, offset, needle),
            lambda why: self.findings.could_not(why, path),
        )
        self.findings.files += 1
        search(self._counted(blocks), self.matcher, listener, Bounds(self.unpacked_limit))

    def _across(self, path: str) -> None:
        known = {(one.of, one.form) for one in self.findings.of_file(path)}
        for hit in across_pages(path, self.matcher, lambda why: self.findings.could_not(why, path)):
            if (hit.needle.of, hit.needle.form) not in known:
                self.findings.add(path, "a value that lies across pages", None, hit.needle)

    def _counted(self, blocks: Iterator[bytes | int]) -> Iterator[bytes | int]:
        for block in blocks:
            if isinstance(block, int):
                self.findings.holes += block
            else:
                self.findings.octets += len(block)
            yield block
            self.advance(self.findings)

    def _blocks(self, descriptor: int) -> Iterator[bytes | int]:
        """Yield a file's octets, and in place of the middle of a large hole its size."""
        at, until = 0, 0
        while True:
            if at >= until:
                data, until = _next_data(descriptor, at)
                if data - at > 2 * BLOCK:
                    yield bytes(_EDGE)
                    yield data - at - 2 * _EDGE
                    at = data - _EDGE
            octets = os.pread(descriptor, min(BLOCK, until - at), at)
            if not octets:
                return
            yield octets
            at += len(octets)


def _next_data(descriptor: int, at: int) -> tuple[int, int]:
    """Return where data go on and where the next hole begins, where the file system can tell."""
    far = at + (1 << 40)
    try:
        data = os.lseek(descriptor, at, os.SEEK_DATA)
        return data, os.lseek(descriptor, data, os.SEEK_HOLE)
    except OSError as fault:
        if fault.errno == errno.ENXIO:  # a hole to the end, or the end itself
            return max(os.lseek(descriptor, 0, os.SEEK_END), at), far
        return at, far
