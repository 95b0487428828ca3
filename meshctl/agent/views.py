"""What one device, and everybody, may know of shares and the line; on every node the gateway's truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from meshctl.agent.clock import Clock
from meshctl.agent.links import has_carrier
from meshctl.agent.members import Members
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.config import Config
from meshctl.model import Device, Direction
from meshctl.quota.explain import Explanation, explain
from meshctl.quota.share import guest_pool
from meshctl.wire import DeviceView, LineView, PauseView, Slice, State


class Views:
    """Answers from this node's own line, or from what the gateway in use told through ``mesh``."""

    def __init__(self, config: Config, parts: tuple[Store, Members, Reconciler], clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._store, self._members, self._turns = parts
        self.mesh: Mesh | None = None
        self.remembered: Callable[[str], float | None] = lambda hardware: None  # noqa: ARG005  # nobody is, until told how
        self.line_works: Callable[[], bool] = lambda: has_carrier(config.line[0].device)

    def device(self, hardware: str) -> DeviceView:
        """Return what a device may know of itself."""
        pause, now = self._members.pauses.get(hardware), self._clock.read().monotonic
        stopped = PauseView(pause.reason, pause.until - now) if pause is not None and pause.in_force(now) else None
        return replace(self._share(hardware), pause=stopped, remembered=self.remembered(hardware))

    def _share(self, hardware: str) -> DeviceView:
        device = self._members.get(hardware)
        plan = self._turns.plan
        news = self.mesh.way.line() if self.mesh and not self._config.line else None
        homes, guests = (news.homes, news.guests) if news else (plan.homes, plan.guests)
        if device is None:
            return DeviceView("visitor", homes=homes, guests=guests)
        state: State = "household" if device.household else "guest"
        left = None if device.until is None else max(0.0, device.until - self._clock.read().monotonic)
        if news is not None and self.mesh is not None:
            told = news.slices.get(self.mesh.announcer.mark_of(device) or "", {})
            why = self.standing(device.household)
            return DeviceView(state, device.household, left, homes, guests, told.get("down"), told.get("up"), why)
        down, up = self._slice(device, "down"), self._slice(device, "up")
        return DeviceView(state, device.household, left, homes, guests, down, up, self.standing(device.household))

    def standing(self, household: str | None) -> Explanation | None:
        """Return why a household stands where it does on the line in use; ``None`` for guests and the unknown."""
        if household is None:
            return None
        news = self.mesh.way.line() if self.mesh and not self._config.line else None
        if news is not None and news.memory is not None and self.mesh is not None:
            memory, policy = news.memory
            marks = self.mesh.announcer.marks_of(household)
            past = next((memory.homes[mark] for mark in marks if mark in memory.homes), None)
        else:
            found, policy = self._turns.accounts.memory, self._config.policy
            if found is None:
                return None
            memory, past = found, found.homes.get(household)
        return explain(memory, past, policy) if past is not None else None

    def far_slices(self, household: str | None) -> Mapping[Direction, Slice]:
        """Return a household's slices as the gateway in use told them; none where this node has the line."""
        news = self.mesh.way.line() if self.mesh and household and not self._config.line else None
        if news is None or self.mesh is None or household is None:
            return {}
        return next((news.slices[m] for m in self.mesh.announcer.marks_of(household) if m in news.slices), {})

    def line(self) -> LineView | None:
        """Return the line that people here use, as everybody may see it; another node's while the own one is down."""
        own = self.own_line()
        if own is not None and (own.uplink or self.mesh is None):
            return own
        news = self.mesh.way.line() if self.mesh else None
        return own if news is None or (own is not None and not news.view.uplink) else news.view

    def own_line(self) -> LineView | None:
        """Return this node's own line, if it has one."""
        if not self._config.line:
            return None
        line, plan, policy = self._config.line[0], self._turns.plan, self._config.policy
        use = max((use.busy for use in self._turns.accounts.use.values()), default=0.0)
        down = plan.trees["down"]
        floor, guests = int(policy.floor_kbit), plan.guests + 1
        pool = guest_pool(down.capacity, guests, float(plan.homes), floor, policy.guest_share, floor * plan.homes)
        return LineView(
            name=line.name,
            down_mbit=line.down_mbit,
            up_mbit=line.up_mbit,
            homes=plan.homes,
            guests=plan.guests,
            slice_mbit=round(pool / guests / 1000, 1),
            busy=round(use * 20) / 20,
            uplink=self.line_works(),
        )

    def _slice(self, device: Device, direction: Direction) -> Slice | None:
        tree = self._turns.plan.trees.get(direction)
        leaf = tree.leaves.get(device.mark) if tree else None
        if tree is None or leaf is None:
            return None
        used = self._turns.accounts.used.get((direction, device.mark), 0)
        if device.household:
            ledger = self._store.ledger()
            used = ledger.get((self._config.line[0].name, direction, device.household), 0)
        return Slice(leaf.rate * 1000.0, leaf.ceil * 1000.0, used)
