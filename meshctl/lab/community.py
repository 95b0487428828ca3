"""What a community's stewards hold and sign: the nodes' keys are known before their agents start."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path

from nacl.signing import SigningKey

from meshctl.lab.tables import NodeTable
from meshctl.lists import Member, Roster, sign_roster

KEY = "community.key"


class Community:
    """The community's key and every node's, with the roster signed. ``public`` is in base64."""

    def __init__(self, nodes: Sequence[NodeTable]) -> None:
        self._key = SigningKey.generate()
        self._nodes = {node.name: SigningKey.generate() for node in nodes}
        self.public = _public(self._key)
        members = tuple(
            Member(
                node.name, number, _public(self._nodes[node.name]), node.ipv4, node.ipv6,
                gateway=node.uplink is not None, hub=node.hub,
            )
            for number, node in enumerate(nodes, 1)
        )  # fmt: skip
        self.roster = sign_roster(Roster(1, members), self._key)

    def keep(self, folder: Path) -> None:
        """Lay the community's key down for whoever signs a newer roster, its seed in base64."""
        _write(folder / KEY, _seed(self._key), 0o600)

    def keep_node(self, name: str, state: Path, owner: int) -> None:
        """Lay a node's keys where its agent would have made them."""
        _write(state / "node.key", _seed(self._nodes[name]), 0o600, owner)
        _write(state / "node.pub", _public(self._nodes[name]) + "\n", 0o644, owner)


def _seed(key: SigningKey) -> str:
    return base64.b64encode(bytes(key)).decode() + "\n"


def _public(key: SigningKey) -> str:
    return base64.b64encode(bytes(key.verify_key)).decode()


def _write(file: Path, text: str, mode: int, owner: int | None = None) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        if owner is not None:
            os.fchown(descriptor, owner, owner)
        os.fchmod(descriptor, mode)
        handle.write(text)
