"""The lab's steward: holds the community's key and signs the roster, as a person does for a real network."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

from nacl.signing import SigningKey

from meshctl.files import write_whole
from meshctl.lists import Member, Roster, sign_roster


class Steward:
    """``community.key`` lies in the lab's folder as `meshctl community new` writes it, so that a test can sign too."""

    def __init__(self, folder: Path) -> None:
        """Make the key."""
        self._key = SigningKey.generate()
        self._version = 0
        write_whole(folder / "community.key", base64.b64encode(bytes(self._key)).decode() + "\n", 0o600)

    @property
    def public(self) -> str:
        """The community's public key, base64."""
        return base64.b64encode(bytes(self._key.verify_key)).decode()

    def sign(self, members: Iterable[Member]) -> str:
        """Return the next version of the roster, signed."""
        self._version += 1
        return sign_roster(Roster(self._version, tuple(members)), self._key).decode()
