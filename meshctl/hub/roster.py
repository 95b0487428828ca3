"""The nodes that the hub believes: names and Ed25519 public keys from the file ``fleet.nodes``.

The file is a TOML table ``[nodes]`` of name = "base64 of 32 bytes". It is read again when it
changes; while a changed file is faulty, the last good list stays in force and `fault` says why.
"""

from __future__ import annotations

import base64
import re
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from meshctl.config import ConfigError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class NodeKey:
    """A public key: ``text`` is its base64."""

    text: str

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over ``message``."""
        try:
            VerifyKey(base64.b64decode(self.text)).verify(message, signature)
        except (BadSignatureError, ValueError):
            return False
        return True


class Roster:
    """The list in force. Safe to share between threads."""

    def __init__(self, file: Path) -> None:
        """Read the file if it is there. Raises `ConfigError` when it is faulty."""
        self._file = file
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] | None = None
        self._keys: Mapping[str, NodeKey] = MappingProxyType({})
        self._fault = ""
        self._read(self._look())

    def keys(self) -> Mapping[str, NodeKey]:
        """Names and keys as the file has them now."""
        with self._lock:
            self._refresh()
            return self._keys

    def fault(self) -> str:
        """Why the file is not in force, with the remedy; empty when it is."""
        with self._lock:
            self._refresh()
            return self._fault

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp:
            return
        try:
            self._read(stamp)
        except ConfigError as fault:
            self._stamp, self._fault = stamp, str(fault)

    def _look(self) -> tuple[int, ...] | None:
        try:
            stat = self._file.stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def _read(self, stamp: tuple[int, ...] | None) -> None:
        if stamp is None:
            missing = f"{self._file}: it cannot be read. Create it with a [nodes] table of each node's public key."
            self._stamp, self._fault = None, missing
            return
        self._keys = MappingProxyType(read_roster(self._file))
        self._stamp, self._fault = stamp, ""


def read_roster(file: Path) -> dict[str, NodeKey]:
    """Names and keys in a file. Raises `ConfigError`."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise ConfigError(file, "file", f"it cannot be read: {fault}", "Mend it; until then it has no effect.") from (
            fault
        )
    for key in table:
        if key != "nodes":
            raise ConfigError(file, key, "unknown key", "Keep only the table [nodes].")
    nodes = table.get("nodes", {})
    if not isinstance(nodes, dict):
        raise ConfigError(file, "nodes", "it is not a table", "Write [nodes].")
    return {name: _node_key(file, name, text) for name, text in nodes.items()}


def _node_key(file: Path, name: str, text: object) -> NodeKey:
    if not _NAME.fullmatch(name):
        remedy = "Use 1 to 32 lower-case letters, digits and inner hyphens."
        raise ConfigError(file, f"nodes.{name}", "it is not a node name", remedy)
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        raw = b""
    if len(raw) != 32:
        remedy = "Copy the one line of the node's node.pub."
        raise ConfigError(file, f"nodes.{name}", "it is not the base64 of a 32-byte key", remedy)
    return NodeKey(base64.b64encode(raw).decode())
