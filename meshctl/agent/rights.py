"""What a person may ask for a home, at any node: to see, take along, correct and erase what is kept of it.

Each request needs the home's pass over https, or a steward's code: see `meshctl.agent.credential`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshctl.agent import passes
from meshctl.agent.belongings import belongings, carried, days_of, download
from meshctl.agent.clock import Clock
from meshctl.agent.mesh.asking import Asking, Tables
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.mesh.wishing import Wishing
from meshctl.agent.replies import Reply, Request, client_address, no, unknown_household, yes
from meshctl.agent.store import Store
from meshctl.agent.verbs import SlowVerb, Verb, Verbs
from meshctl.agent.views import Views
from meshctl.agent.wishes import Wish, WishError, Wishes, checked_note
from meshctl.config import Config
from meshctl.household_data import Mine
from meshctl.model import Household


class Rights:
    """The verbs `mine`, `export`, `correct`, `erase`, `erase-cancel` and `household-code` over one node's parts."""

    def __init__(
        self, config: Config, store: Store, clock: Clock, verbs: Verbs, views: Views, mesh: Mesh | None
    ) -> None:
        self._name, self._store, self._clock, self._views, self._mesh = config.node.name, store, clock, views, mesh
        self._verbs, self._credential = verbs, verbs.credential
        self.wishes = Wishes(store.connection, store.current_boot(), store.household, clock.read().monotonic)
        verbs.homes.wishes = self.wishes
        self._wishing = Wishing(mesh, self.wishes, self._credential.codes, clock) if mesh else None
        self._asking = Asking(mesh, self._for_node) if mesh else None
        asks, operator = frozenset({"portal", "operator"}), frozenset({"operator"})
        verbs.slow |= {"mine": SlowVerb(asks, self._mine), "export": SlowVerb(asks, self._export)}
        verbs.table |= {
            "correct": Verb(asks, self._correct),
            "erase": Verb(asks, self._erase),
            "erase-cancel": Verb(asks, self._keep),
            "household-code": Verb(operator, self._code),
        }

    def turn(self) -> None:
        """Erase homes whose time has come, where the roll is kept, and forget notes whose time is over."""
        now = self._clock.read().monotonic
        self.wishes.turn(now)
        for handle in self.wishes.due(now) if self._keeper()[1] else ():
            self._verbs.homes.erase(handle)
        self._store.scrub()
        self._credential.codes.forget({one.handle for one in self._store.households()})

    async def _mine(self, request: Request) -> Reply:
        home = self._credential.check(request)
        if not isinstance(home, Household):
            return home
        return yes("mine", self._view(home, await self._parts(home, request), client_address(request)))

    async def _export(self, request: Request) -> Reply:
        home = self._credential.check(request)
        if not isinstance(home, Household):
            return home
        parts = await self._parts(home, request)
        return {"ok": True, "export": download(home.handle, self._name, parts, self._clock.read())}

    def _correct(self, request: Request) -> Reply:
        """Leave a note to the stewards, or take the asking device out of the home."""
        home = self._credential.check(request)
        if not isinstance(home, Household):
            return home
        if request.get("unlink") is True:
            self._verbs.unlink(client_address(request), home)
            return {"ok": True}
        try:
            note = checked_note(request.get("note"))
        except WishError as fault:
            return no("bad-note", str(fault))
        now = self._clock.read().monotonic
        if note:
            self._spread(self.wishes.ask(home.handle, "note", note, self._name, now))
        else:
            self._spread(self.wishes.end(home.handle, "note", self._name, now))
        return {"ok": True}

    def _erase(self, request: Request) -> Reply:
        """Ask that a home be erased; it waits a day. Asked twice, the first time counts."""
        home = self._credential.check(request)
        if not isinstance(home, Household):
            return home
        if self.wishes.of(home.handle, "erase") is None:
            self._spread(self.wishes.ask(home.handle, "erase", "", self._name, self._clock.read().monotonic))
        return {"ok": True}

    def _keep(self, request: Request) -> Reply:
        """Take back that a home be erased."""
        home = self._credential.check(request)
        if not isinstance(home, Household):
            return home
        self._spread(self.wishes.end(home.handle, "erase", self._name, self._clock.read().monotonic))
        return {"ok": True}

    def _code(self, request: Request) -> Reply:
        handle = passes.handle(str(request.get("handle", "")))
        if self._store.household(handle) is None:
            return unknown_household(request)
        code = self._credential.codes.make(handle, self._clock.read().monotonic)
        if self._wishing is not None:
            self._wishing.spread_codes()
        return {"ok": True, "handle": handle, "code": code}

    def _spread(self, wish: Wish | None) -> None:
        if wish is not None and self._wishing is not None:
            self._wishing.spread(wish)

    def _for_node(self, node: str, message: Mapping[str, Any]) -> Tables | None:
        home = self._credential.of_node(node, message)
        return belongings(self._store.connection, home.handle) if home else None

    async def _parts(self, home: Household, request: Request) -> dict[str, Tables | None]:
        """Return what this node and all with a line, and the hub's, keep of a home."""
        own: dict[str, Tables | None] = {self._name: belongings(self._store.connection, home.handle)}
        if self._asking is None:
            return own
        others = [one.name for one in self._credential.others() if one.gateway or one.hub]
        key = "code" if "code" in request else "pass"
        return own | await self._asking.ask(others, {key: str(request[key])})

    def _keeper(self) -> tuple[str, bool, bool]:
        """Return the name of the node that erases, whether it is this one, and whether it is reached."""
        if self._mesh is None or self._mesh.lists.is_hub:
            return self._name, True, True
        hub = self._mesh.lists.roster.hub if self._mesh.lists.roster else None
        return (hub.name, False, self._mesh.sessions.up().get(hub.name, False)) if hub else ("", False, False)

    def _view(self, home: Household, parts: Mapping[str, Tables | None], address: str) -> Mine:
        now, handle = self._clock.read().monotonic, home.handle
        since, trusted = self._store.since(handle)
        note, erase = self.wishes.of(handle, "note"), self.wishes.of(handle, "erase")
        keeper, _, up = self._keeper()
        own = self._verbs.device_at(address)
        return Mine(
            household=handle,
            shares=home.shares,
            since=since if trusted else None,
            devices=self._verbs.homes.devices_of(handle),
            linked=own is not None and own.household == handle,
            down=carried(parts, "down"),
            up=carried(parts, "up"),
            days=days_of(parts),
            standing=self._views.standing(handle),
            note=note.text if note else "",
            erased_in=max(0.0, erase.until - now) if erase else None,
            keeper=keeper,
            keeper_up=up,
            away=tuple(sorted(name for name, tables in parts.items() if tables is None)),
        )
