"""Households as the socket speaks of them: added and removed where the roll is kept, shown anywhere."""

from __future__ import annotations

import base64
from typing import Any

from meshctl.agent import passes
from meshctl.agent.clock import Clock
from meshctl.agent.members import Members, mark_of
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.mesh.soon import tolerate
from meshctl.agent.passes import MOST_AT_ONCE, Verifier
from meshctl.agent.replies import Reply, Request, no, unknown_household
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.wishes import Wishes
from meshctl.config import Config
from meshctl.model import DIRECTIONS, GUESTS


class Homes:
    """The verbs about households over one node's parts."""

    def __init__(
        self, config: Config, parts: tuple[Store, Members, Reconciler], clock: Clock, mesh: Mesh | None = None
    ) -> None:
        self._config, self._clock, self._mesh = config, clock, mesh
        self._store, self._members, self._turns = parts
        self.wishes: Wishes | None = None

    def all(self, request: Request) -> Reply:  # noqa: ARG002  # every verb takes the request
        """Answer with every household: is a device of it joined here, and its bytes over all lines known here."""
        use = self._use()
        here = {d.household for d in self._members.all() if d.household}
        asks: dict[str, list[str]] = {}
        for wish in self.wishes.all() if self.wishes else ():
            if not wish.over:
                asks.setdefault(wish.household, []).append(wish.kind)
        return {
            "ok": True,
            "households": [
                {
                    "handle": household.handle,
                    "shares": household.shares,
                    "joined": household.handle in here,
                    "bytes": _bytes(use, household.handle),
                    "asks": asks.get(household.handle, []),
                }
                for household in self._store.households()
            ],
            "guests": {"bytes": _bytes(use, GUESTS)},
        }

    def add(self, request: Request) -> Reply:
        """Add households, all or none: rows of handle, salt and verifier (base64). Their passes never come here."""
        elsewhere = self._mesh.lists.households_elsewhere() if self._mesh else ""
        if elsewhere:
            return no("not-here", elsewhere)
        shares = request.get("shares", 1)
        if not isinstance(shares, int) or isinstance(shares, bool) or not 1 <= shares <= 8:
            return no("bad-request", "shares is a whole number from 1 to 8.")
        new = _verifiers(request.get("homes"))
        if not new:
            return no("bad-request", f"homes is a list of 1 to {MOST_AT_ONCE} handles, salts and verifiers.")
        taken = self._store.taken(handle for handle, _ in new)
        if taken:
            return {**no("taken", f"{', '.join(taken)}: drawn before. Draw other passes."), "taken": taken}
        self._store.add_households(new, shares, self._clock.read())
        if self._mesh is not None:
            self._mesh.households_changed()
        return {"ok": True, "handles": [handle for handle, _ in new], "shares": shares}

    def show(self, request: Request) -> Reply:
        """Answer with what is known here of one household; ``days`` and ``present`` are ``None`` without a line."""
        found = self._store.household(passes.handle(str(request.get("handle", ""))))
        if found is None:
            return unknown_household(request)
        household = found[0]
        since, trusted = self._store.since(household.handle)
        line = bool(self._config.line)
        days = [vars(day) for day in self._store.daily.of(household.handle)] if line else None
        return {
            "ok": True,
            "household": {
                "handle": household.handle,
                "shares": household.shares,
                "since": since if trusted else None,
                "devices": sum(1 for device in self._members.all() if device.household == household.handle),
                "present": mark_of(household) in self._turns.plan.present if line else None,
                "bytes": _bytes(self._use(), household.handle),
                "days": days,
                **self._asked_for(household.handle),
            },
            "elsewhere": self._mesh.lists.households_elsewhere() if self._mesh else "",
        }

    def _asked_for(self, handle: str) -> dict[str, Any]:
        if self.wishes is None:
            return {"note": None, "erased_in": None}
        note, erase = self.wishes.of(handle, "note"), self.wishes.of(handle, "erase")
        left = max(0.0, erase.until - self._clock.read().monotonic) if erase else None
        return {"note": note.text if note else None, "erased_in": left}

    def remove(self, request: Request) -> Reply:
        """Forget a household everywhere; its devices go on as guests, and what it used counts as guests' use."""
        elsewhere = self._mesh.lists.households_elsewhere() if self._mesh else ""
        if elsewhere:
            return no("not-here", elsewhere)
        handle = passes.handle(str(request.get("handle", "")))
        if self._store.household(handle) is None:
            return unknown_household(request)
        self.erase(handle)
        return {"ok": True, "handle": handle}

    def erase(self, handle: str) -> None:
        """Forget a household of the roll that is kept here, also on the disk and at all other nodes."""
        self._store.remove_household(handle)
        if self._mesh is not None:
            self._mesh.households_changed([handle])
        else:
            hours, now = self._config.session.guest_hours, self._clock.read().monotonic
            self._members.lose_homes(self._store.households(), hours, now)
            tolerate(self._turns.tick)

    def devices_of(self, handle: str) -> int:
        """Return how many devices of a household are joined: anywhere as far as other nodes told, else here."""
        here = sum(1 for device in self._members.all() if device.household == handle)
        return max(here, self._mesh.membership.devices_of(handle)) if self._mesh else here

    def _use(self) -> dict[tuple[str, str], int]:
        """Return bytes by direction and household, over this node's line and all that this node was told of."""
        use: dict[tuple[str, str], int] = {}
        told = self._mesh.shelf.use() if self._mesh else {}
        for rows in (self._store.ledger(), told):
            for (_, direction, household), carried in rows.items():
                use[direction, household] = use.get((direction, household), 0) + carried
        return use


def _bytes(use: dict[tuple[str, str], int], household: str) -> dict[str, int]:
    return {direction: use.get((direction, household), 0) for direction in DIRECTIONS}


def _verifiers(homes: Any) -> list[tuple[str, Verifier]]:
    """Return what `meshctl household add` sent, or nothing where it is not as it must be."""
    if not isinstance(homes, list) or not 1 <= len(homes) <= MOST_AT_ONCE:
        return []
    new = [one for row in homes if (one := _verifier(row)) is not None]
    return new if len(new) == len(homes) and len({handle for handle, _ in new}) == len(new) else []


def _verifier(row: Any) -> tuple[str, Verifier] | None:
    if not isinstance(row, list) or len(row) != 3 or not all(isinstance(part, str) for part in row):
        return None
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in row[1:])
    except ValueError:
        return None
    sound = row[0] == passes.handle(row[0]) and len(salt) >= 16 and len(digest) == passes.DIGEST
    return (row[0], Verifier(salt, digest)) if sound else None
