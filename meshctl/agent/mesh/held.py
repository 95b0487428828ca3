"""The lists in force on this node: none is ever replaced by an older one, also not after a restart."""

from __future__ import annotations

import logging
from pathlib import Path

from nacl.signing import SigningKey

from meshctl.agent.files import write_whole
from meshctl.agent.mesh.channel import Message
from meshctl.agent.mesh.roll import read_roll, sign_roll
from meshctl.agent.mesh.shapes import integer
from meshctl.agent.mesh.shelf import Shelf
from meshctl.config import Config
from meshctl.lists import ListError, Member, Roster, read_roster

log = logging.getLogger(__name__)


class Lists:
    """The roster and the roll; ``own`` is this node's entry, ``None`` while it has none."""

    def __init__(self, config: Config, shelf: Shelf, key: SigningKey) -> None:
        self._config, self._shelf, self._key = config, shelf, key
        self._stamp: tuple[int, ...] | None = None
        self._bodies: dict[str, bytes] = {}
        self.roster: Roster | None = None
        self.fault = ""
        kept = shelf.kept_list("roster")
        if kept is not None:
            self._enter_kept(kept)
        body = shelf.kept_list("roll")
        if body is not None:
            self._bodies["roll"] = body
        self.look()

    @property
    def own(self) -> Member | None:
        """This node's entry in the roster, if it has one with this node's key."""
        member = self.roster.member(self._config.node.name) if self.roster else None
        return member if member and bytes(member.verify_key) == bytes(self._key.verify_key) else None

    @property
    def is_hub(self) -> bool:
        """Whether this node keeps the roll."""
        return self.own is not None and self.own.hub

    def households_elsewhere(self) -> str:
        """Return why households are not added or removed on this node, with the remedy; empty where they are."""
        if self.is_hub:
            return ""
        hub = self.roster.hub if self.roster else None
        where = f"on {hub.name}, the hub's node" if hub else "on the node that the roster calls hub, and none is yet"
        return f"Households are kept {where}. Do it there."

    def version(self, kind: str) -> int:
        """Return the version in force of "roster" or "roll", 0 for none."""
        return self._shelf.version(kind)

    def versions(self) -> dict[str, int]:
        """Return the version in force of each list, by kind."""
        return {kind: self.version(kind) for kind in ("roster", "roll")}

    def message(self, kind: str) -> list[Message]:
        """Return the message that passes a list on, as it came; none where there is no such list."""
        body = self._bodies.get(kind)
        return [] if body is None else [{"kind": kind, "list": body.decode()}]

    def missed(self, hello: Message) -> list[Message]:
        """Return what a node whose greeting this is lacks. Raises `ChannelError`."""
        older = [kind for kind, version in self.versions().items() if integer(hello, kind) < version]
        return [message for kind in older for message in self.message(kind)]

    def look(self) -> bool:
        """Read the roster's file if it changed; say whether a newer roster is in force now."""
        file = Path(self._config.mesh.roster)
        try:
            stat = file.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            return self.take_roster(file.read_bytes())
        except FileNotFoundError:
            return False
        except (OSError, ListError) as fault:
            self.fault = f"{file}: {fault}. Copy the newest signed roster there."
            log.warning("%s", self.fault)
            return False

    def take_roster(self, body: bytes) -> bool:
        """Put a roster in force if it is newer; say whether it is. Raises `ListError` for one that is not signed."""
        roster = read_roster(body, self._config.mesh.community)
        held = self.version("roster")
        if roster.version <= held:
            if roster.version < held:
                self.fault = f"a roster of version {roster.version} was offered; version {held} stays in force"
            elif roster != self.roster and self.roster is not None:
                self.fault = f"two rosters have version {held}: sign the right one again, with a higher version"
            return False
        self._shelf.keep_list("roster", roster.version, body)
        self._put(roster, body)
        log.info("roster version %d is in force: %d nodes", roster.version, len(roster.members))
        return True

    def take_roll(self, body: bytes) -> frozenset[str] | None:
        """Put a roll in force; return whom it removed, or ``None`` for one that is no newer. Raises `ListError`."""
        hub = self.roster.hub if self.roster else None
        if hub is None:
            return None
        roll = read_roll(body, hub.verify_key)
        if roll.version <= self.version("roll"):
            return None
        removed = self._shelf.enter_roll(roll, body)
        self._bodies["roll"] = body
        return removed

    def is_roll_behind(self) -> bool:
        """Say whether the roll that this node signed last is not what it knows now; only the hub's node signs one."""
        body = self._bodies.get("roll")
        if not self.is_hub or body is None:
            return self.is_hub
        try:
            return list(read_roll(body, self._key.verify_key).households) != self._shelf.roll_rows()
        except ListError:
            # Another node kept the roll before: what it signed is known here, and is signed anew.
            return True

    def publish_roll(self) -> bytes:
        """Sign the households as they are now, as the next version; only the hub's node may."""
        version = self.version("roll") + 1
        body = sign_roll(version, self._shelf.roll_rows(), self._key)
        self._shelf.keep_list("roll", version, body)
        self._bodies["roll"] = body
        return body

    def _enter_kept(self, body: bytes) -> None:
        try:
            self._put(read_roster(body, self._config.mesh.community), body)
        except ListError as fault:
            # The community's key in the configuration is another one now: its roster starts anew.
            log.warning("the roster kept so far is not believed any more: %s", fault)
            self._shelf.keep_list("roster", 0, body)

    def _put(self, roster: Roster, body: bytes) -> None:
        self.roster, self.fault = roster, ""
        self._bodies["roster"] = body
        write_whole(Path(self._config.paths.run) / "roster.json", body.decode(), 0o644)
