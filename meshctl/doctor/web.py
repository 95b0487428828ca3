"""Web addresses and headers as anybody may send them: whatever they hold, reading them never raises. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit


@dataclass(frozen=True)
class Where:
    """The parts of a web address that are judged; empty for what is none."""

    scheme: str = ""
    host: str = ""

    @property
    def is_web(self) -> bool:
        """Whether a browser could go there."""
        return self.scheme in ("http", "https") and bool(self.host)


def where(address: str) -> Where:
    """Read an address."""
    try:
        parts = urlsplit(address)
        return Where(parts.scheme.lower(), parts.hostname or "")
    except ValueError:
        return Where()


def joined(base: str, target: str) -> str:
    """The whole address of a target on a page; empty where it is none."""
    try:
        return urljoin(base, target)
    except ValueError:
        return ""


def length_of(header: str) -> int | None:
    """A Content-Length in bytes; ``None`` where it is missing or no number."""
    return int(header) if header.isascii() and header.isdigit() and len(header) < 16 else None
