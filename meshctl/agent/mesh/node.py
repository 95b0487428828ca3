"""This node among the others: hears, lets the parts decide what it means here, and says what others must know.

Everything runs on the agent's loop. What is heard from the mesh ends in the same doors as what a
neighbour does: `Reconciler.admit`, `release` and `announce`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from functools import partial
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from meshctl.agent.clock import Clock
from meshctl.agent.members import Members
from meshctl.agent.mesh import records
from meshctl.agent.mesh.addresses import Addresses
from meshctl.agent.mesh.announcer import Announcer
from meshctl.agent.mesh.channel import ChannelError, Identity, Message
from meshctl.agent.mesh.daykeys import LIFETIME
from meshctl.agent.mesh.gateway import Gateway
from meshctl.agent.mesh.held import Lists
from meshctl.agent.mesh.keyring import Keyring
from meshctl.agent.mesh.membership import Membership
from meshctl.agent.mesh.outlook import outlook
from meshctl.agent.mesh.sessions import Post, Sessions
from meshctl.agent.mesh.shapes import flag, rows, text
from meshctl.agent.mesh.shelf import Shelf
from meshctl.agent.mesh.soon import Soon, tolerate
from meshctl.agent.mesh.use import UseReport, take_use
from meshctl.agent.mesh.way import WayOut
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.config import Config
from meshctl.lists import ListError, Roster
from meshctl.wire import LineView

_SPOKEN_WITHIN = 10.0
"""Seconds after a start in which other nodes announce anew."""


class Mesh:
    """What the agent has where a community is configured. ``view`` says what this node's line looks like."""

    def __init__(
        self,
        config: Config,
        parts: tuple[Store, Members, Reconciler],
        clock: Clock,
        key: SigningKey,
        boot: int,
        view: Callable[[], LineView | None],
    ) -> None:
        self._config, self._clock = config, clock
        self._store, self._members, self._turns = parts
        self._name = config.node.name
        self._started = self._now()
        run = Path(config.paths.run)
        self._life = (run / "life").read_text(encoding="ascii")
        self.shelf = Shelf(self._store)
        self.lists = Lists(config, self.shelf, key)
        self._ring = Keyring(run, self._started)
        self._soon = Soon()
        addresses = str(config.access[0].interface4.ip), str(config.access[0].interface6.ip)
        self.sessions = Sessions(Identity(self._name, key), *addresses, config.mesh.port, self)
        networks = [n for access in config.access for n in (access.interface4.network, access.interface6.network)]
        known = self.shelf.records(self._started), self.shelf.pauses(self._started)
        self.membership = Membership(
            self._name, self._ring.keys, known, parts, Addresses(networks), self._to_all, self._ask_announce
        )
        self.announcer = Announcer(self._ring.keys, self.membership, self.sessions.post)
        self._gateway = Gateway(config, self._store, self._turns, self._ring.keys, view)
        self._use = UseReport(self._store, boot)
        self.way = WayOut(config, self._roster, self._now)
        self._server: asyncio.Server | None = None
        # What parts with a file of their own add: kinds of messages, and what to do with a node reached or at a turn.
        self.hears: dict[str, Callable[[str, Message, Post], None]] = {}
        self.on_opened: list[Callable[[str, Post], None]] = []
        self.on_turn: list[Callable[[float], None]] = []
        self._heard: dict[str, Callable[[str, Message], None]] = {
            "keys": self._hear_keys,
            "devices": self._hear_devices,
            "pauses": lambda _, message: self.membership.hear_pauses(message, self._now()),
            "addresses": self._hear_addresses,
            "line": self._hear_line,
            "use": self._hear_use,
        }

    # What the agent calls.

    async def start(self) -> None:
        """Let other nodes in, and reach out to them."""
        self._soon.begin()
        self._server = await self.sessions.listen()
        self._roster_changed()
        self.membership.adopt(self._now())
        self.way.begin()

    def close(self) -> None:
        """End every channel."""
        self.way.close()
        self._soon.close()
        self.sessions.close()
        if self._server is not None:
            self._server.close()

    def tick(self) -> None:
        """Do what is due after each turn of the agent's loop."""
        now = self._now()
        if self.lists.look():
            self._roster_changed()
            self._spread("roster")
        roster = self.lists.roster
        if self._ring.turn(self._name, [one.name for one in roster.members] if roster else [], now):
            self._keys_changed()
        self.membership.turn(self._turns.addresses, now)
        if (roster is not None and self._gateway.lapse(roster, now)) or now - self._started < 3 * _SPOKEN_WITHIN:
            self._soon.ask("resolve", self._resolve)
        self._announce()
        self._tell_line()
        self._tell_use()
        for turn in self.on_turn:
            turn(now)
        self.membership.keep(self.shelf, now, all_keys_known=now - self._started > LIFETIME)

    def households_changed(self, removed: Container[str] = ()) -> None:
        """Sign and spread the roll: households were added or removed here."""
        self.lists.publish_roll()
        self._spread("roll")
        self._roll_changed(removed)

    def status(self) -> dict[str, Any]:
        """Return what `meshctl status` says of the mesh."""
        parts = outlook(self.lists, self.sessions, self._ring, self.membership, self.announcer, self._gateway.leases)
        return {**parts, "gateway": self.way.gateway}

    # What the channels call.

    def greeting(self) -> Message:
        """Return what this node says of itself first and at every beat."""
        return {"kind": "hello", "life": self._life, **self.lists.versions(), "keys": self._ring.keys.names()}

    def opened(self, peer: str, post: Post) -> None:
        """Say everything to a node that is reached anew."""
        post({"kind": "devices", "records": self.membership.told(self._now())})
        for message in self.membership.pauses.messages(self._now()):
            post(message)
        for say in self.on_opened:
            say(peer, post)
        self.announcer.forget(peer)
        self._announce()
        hub = self.lists.roster.hub if self.lists.roster else None
        if hub is not None and hub.name == peer:
            self._use.forget()
            self._tell_use()

    def closed(self, peer: str) -> None:
        """Say everything anew when a node is reached again."""
        self.announcer.forget(peer)

    def hear(self, peer: str, message: Message, post: Post) -> None:
        """Take one message in. Raises `ChannelError`."""
        kind = text(message, "kind", 16)
        if kind == "hello":
            self._hear_hello(peer, message, post)
        elif kind in ("roster", "roll"):
            self._hear_list(peer, kind, message.get("list"))
        elif kind in self._heard:
            self._heard[kind](peer, message)
        elif kind in self.hears:
            self.hears[kind](peer, message, post)
        else:
            raise ChannelError("garbage", f"{peer} says something that this version does not know")

    def _hear_keys(self, peer: str, message: Message) -> None:  # noqa: ARG002  # one shape for all
        if self._ring.accept(message.get("keys"), self._now()):
            self._keys_changed()

    def _hear_line(self, peer: str, message: Message) -> None:
        if any(one.name == peer for one in self._roster().gateways):
            self.way.heard.take(peer, message, self._now())

    def _hear_use(self, peer: str, message: Message) -> None:
        if self.lists.is_hub:
            take_use(self.shelf, peer, message, self.lists.version("roll"))

    def _hear_hello(self, peer: str, message: Message, post: Post) -> None:
        now = self._now()
        self.sessions.met(peer, text(message, "life", 64))
        self._gateway.leases.heard(peer, now)
        for missed in [*self.lists.missed(message), *self._ring.missed(message, now)]:
            post(missed)
        if flag(message, "answer"):
            return
        post({**self.greeting(), "answer": True})
        if flag(message, "first"):
            post({"kind": "devices", "yours": True, "records": self.membership.told_of(peer, now)})
        self._tell_line_to(peer)

    def _hear_list(self, peer: str, kind: str, body: object) -> None:
        if not isinstance(body, str) or not body.isascii():
            raise ChannelError("garbage", f"{peer} sent a list that is none")
        try:
            if kind == "roster" and self.lists.take_roster(body.encode()):
                self._roster_changed()
                self._spread("roster")
            elif kind == "roll" and (removed := self.lists.take_roll(body.encode())) is not None:
                self._roll_changed(removed)
        except ListError as fault:
            raise ChannelError(fault.code, f"{peer}: {fault}") from None

    def _hear_devices(self, peer: str, message: Message) -> None:
        session = self._config.session
        longest = 3600 * max(session.guest_hours, session.household_hours)
        owner = self._name if flag(message, "yours") else peer
        self.membership.heard(owner, rows(message, "records", records.MOST_RECORDS), longest, self._now())

    def _hear_addresses(self, peer: str, message: Message) -> None:
        member = self._roster().member(peer)
        if member is not None and self._gateway.take(member, message, self._now()):
            self._soon.ask("resolve", self._resolve)

    # What follows from it.

    def _now(self) -> float:
        return self._clock.read().monotonic

    def _roster(self) -> Roster:
        return self.lists.roster or Roster(0)

    def _roster_changed(self) -> None:
        if self.lists.is_roll_behind():  # also where this node keeps it from now on: others cannot believe the former
            self.lists.publish_roll()
            self._spread("roll")
        roster, own = self._roster(), self.lists.own
        others = [one for one in roster.members if one.name != self._name] if own else []
        self.sessions.meet(others)
        self.way.heard.keep({one.name for one in others})
        tolerate(lambda: self._turns.enter_roster(roster if own else None))
        self._gateway.lapse(roster, self._now())
        self._soon.ask("resolve", self._resolve)

    def _roll_changed(self, removed: Container[str]) -> None:
        now, households = self._now(), self._store.households()
        lost = self._members.lose_homes(households, self._config.session.guest_hours, now)
        if lost:
            tolerate(self._turns.tick)
        self._gateway.forget_marks()
        self.membership.roll_changed(removed, lost, now)
        self._soon.ask("resolve", self._resolve)

    def _keys_changed(self) -> None:
        self._to_all({"kind": "keys", "keys": self._ring.keys.offer([], self._now())})
        self.membership.keys_changed(self._now())
        self._soon.ask("resolve", self._resolve)

    def _to_all(self, message: Message) -> None:
        for name in self.sessions.up():
            self.sessions.post(name, message)

    def _spread(self, kind: str) -> None:
        for message in self.lists.message(kind):
            self._to_all(message)

    def _ask_announce(self) -> None:
        self._soon.ask("announce", self._announce)

    def _announce(self) -> None:
        if self.lists.own is not None:
            self.announcer.announce(self._roster(), self._name, self._now())

    def _resolve(self) -> None:
        early = self._now() - self._started < _SPOKEN_WITHIN
        self._gateway.resolve(self._roster().members if early else ())
        self._soon.ask("line", self._tell_line)

    def _tell_line(self) -> None:
        for name in self.sessions.up():
            self._tell_line_to(name)

    def _tell_line_to(self, peer: str) -> None:
        if (message := self._gateway.line_for(peer)) is not None:
            self.sessions.reply(peer, message)

    def _tell_use(self) -> None:
        hub = self._roster().hub
        if hub is not None and hub.name != self._name and self._config.line:
            self._use.tell(self.lists.version("roll"), partial(self.sessions.post, hub.name))
