"""The nodes that the hub believes: those on the newest roster that the community signed.

The file ``fleet.roster`` is read again when it changes. The newest version ever seen is kept in the
database, so that no older roster is believed again, not even after a restart.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from meshctl import lists
from meshctl.hub.store import Store
from meshctl.rosterfile import RosterFile


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


@dataclass(frozen=True)
class Believed:
    """Whom the hub believes at one moment, and whom it believed once and never will again, by name.

    ``prefixes`` are those that the nodes give to phones.
    """

    keys: Mapping[str, NodeKey] = field(default_factory=dict)
    withdrawn: Mapping[str, tuple[NodeKey, ...]] = field(default_factory=dict)
    prefixes: tuple[lists.Prefix, ...] = ()


class Roster:
    """The roster in force. Safe to share between threads. Every question raises when the database does not answer."""

    def __init__(self, file: Path, community: str, store: Store) -> None:
        """Read nothing but the newest version that the database knows. ``community`` is base64, empty for none."""
        self._community, self._store = community, store
        self._file = RosterFile(file, community, store.list_version("roster", community))
        self._lock = threading.Lock()
        self._known: lists.Roster | None = None
        self._believed = Believed()

    def believed(self) -> Believed:
        """Whom the file as it is now lets us believe."""
        with self._lock:
            newest = self._file.look()
            if newest is not None and newest is not self._known:
                # On disk before anybody is believed by it.
                self._store.note_list_version("roster", self._community, newest.version)
                self._believed, self._known = _believed(newest), newest
            return self._believed

    def keys(self) -> Mapping[str, NodeKey]:
        """Names and keys of the nodes in force."""
        return self.believed().keys

    def fault(self) -> str:
        """Why the file is not in force, with the remedy; empty when it is."""
        self.believed()
        return self._file.fault


def _believed(roster: lists.Roster) -> Believed:
    keys = {one.name: NodeKey(one.key) for one in roster.members}
    withdrawn: dict[str, tuple[NodeKey, ...]] = {}
    for gone in roster.withdrawn:
        withdrawn[gone.name] = (*withdrawn.get(gone.name, ()), NodeKey(gone.key))
    prefixes = tuple(prefix for one in roster.members for prefix in (one.interface4.network, one.interface6.network))
    return Believed(MappingProxyType(keys), MappingProxyType(withdrawn), prefixes)
