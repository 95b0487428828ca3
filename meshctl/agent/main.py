"""The agent's wiring, read from top to bottom."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

from meshctl.agent.clock import Clock, SystemClock
from meshctl.agent.files import on_tmpfs, write_whole
from meshctl.agent.health.babel import examine_mesh
from meshctl.agent.housekeeping import Housekeeping, Job
from meshctl.agent.journal import Journal, node_key
from meshctl.agent.kernel import KernelError, LinuxKernel, frame_devices
from meshctl.agent.links import check_devices, offloads, switch_offloads_off
from meshctl.agent.members import Members
from meshctl.agent.mesh.circle import OverMesh
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.mesh.offers import keep
from meshctl.agent.needs import Needs
from meshctl.agent.outages import Outages
from meshctl.agent.outlook import Outlook
from meshctl.agent.pace import Paces
from meshctl.agent.pausing import Pausing
from meshctl.agent.provisioning import Provisioning
from meshctl.agent.purge import Purge
from meshctl.agent.remember_verbs import RememberVerbs
from meshctl.agent.remembering import Remembering
from meshctl.agent.rights import Rights
from meshctl.agent.sender import Sender
from meshctl.agent.server import Server, roles, unix_listener
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.turning import next_turn
from meshctl.agent.verbs import Verbs
from meshctl.agent.views import Views
from meshctl.config import Config, ConfigError
from meshctl.service import notify, on_stop, passed_sockets
from meshctl.wire import Fact

log = logging.getLogger(__name__)

_SINGLY_MBIT = 100.0
"""Up to here any board forwards frame by frame: 8,000 packets a second, a tenth of what small ones were seen to do."""


def run(config: Config) -> int:
    """Run until told to stop; return the exit code. Raises `ConfigError` before anything is touched."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    os.umask(0o077)
    callers = roles(config)
    check_devices(config)
    _check_folders(config)
    store = Store(Path(config.paths.state))
    try:
        asyncio.run(_Agent(config, store, SystemClock()).run(callers))
    finally:
        store.close()
    return 0


def _check_folders(config: Config) -> None:
    for key, folder in (("paths.state", config.paths.state), ("paths.run", config.paths.run)):
        if not Path(folder).is_dir():
            raise ConfigError(config.file, key, f"there is no folder {folder}", "Create it, owned by the agent's user.")


class _Agent:
    """One node's parts, and the loop that turns them."""

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        self._config, self._store, self._clock = config, store, clock
        self._folder = Path(config.paths.run)
        self._copy, self._pause_copy = self._folder / "devices.json", self._folder / "pauses.json"
        self._members = Members()
        self._kernel = LinuxKernel(config)
        self._turns = Reconciler(config, self._kernel, store, self._members, clock)
        key, boot = node_key(Path(config.paths.state)), store.boot(self._life())
        parts = (store, self._members, self._turns)
        views = Views(config, parts, clock)
        self._mesh = Mesh(config, parts, clock, key, boot, views.own_line) if config.mesh.community else None
        views.mesh = self._mesh
        self._verbs = Verbs(config, self._kernel, parts, clock, views, self._mesh)
        self._pausing = Pausing(config, self._kernel, parts, clock, self._mesh)
        self._verbs.table |= self._pausing.table()
        self._outlook = Outlook(config, views, self._mesh, Outages(store.connection, boot), clock)
        self._rights = Rights(config, store, clock, self._verbs, views, self._mesh)
        self._verbs.table |= self._outlook.table()
        self._provisioning = Provisioning(config, clock)
        self._verbs.table |= self._provisioning.table()
        self._needs = Needs(config, self._kernel, lambda: self._turns.others)
        circle = OverMesh(config.node.name, self._mesh) if self._mesh else None
        self._remembering = Remembering(config, self._kernel, parts, clock, key, circle)
        RememberVerbs(config, self._kernel, parts, clock, views, self._remembering, circle).attach(self._verbs)
        if self._mesh is not None:
            self._mesh.membership.settle = self._pausing.settle
        self._journal = Journal(config, store, self._turns, key, boot)
        self._verbs.ills = lambda: {**self._outlook.ills(), **self._journal.ills()}
        self._stop = asyncio.Event()

    def _life(self) -> str:
        """Return a name for this boot: it lasts as long as the run folder's tmpfs does."""
        file = self._folder / "life"
        if not file.exists():
            write_whole(file, uuid.uuid4().hex)
        return file.read_text(encoding="ascii")

    async def run(self, callers: dict[int, str]) -> None:
        loop = asyncio.get_running_loop()
        on_stop(lambda: loop.call_soon_threadsafe(self._stop.set))
        now = self._clock.read().monotonic
        self._members.load(self._copy, now)
        self._members.lose_homes(self._store.households(), self._config.session.guest_hours, now)
        self._members.pauses.load(self._pause_copy, now)
        self._look_at_offloads()
        if self._mesh is not None and self._mesh.lists.own is not None:
            # Before the first rules: without the other nodes in them, what passes through here would be refused.
            self._turns.enter_roster(self._mesh.lists.roster)
        self._turns.start()
        self._pausing.settle()
        self._keep_copy()
        listener = (passed_sockets().get("agent") or [unix_listener(self._folder / "agent.sock")])[0]
        listener.setblocking(False)  # noqa: FBT003  # the call takes no keyword
        paces = Paces(self._kernel.neighbours, self._clock)
        server = await Server(self._verbs, callers, self._after_verb, paces).serve(listener)
        if self._mesh is not None:
            await self._mesh.start()
        self._remembering.turn()
        purge = Purge(self._store, self._outlook.outages, self._clock, self._config.report.seconds)
        purge.rules["remembered"] = self._remembering.purge
        keeping = Housekeeping([Job("purge", 3600, self._on_loop(loop, purge.run))])
        sender = Sender(
            self._config.report.hub, self._config.node.name, self._config.report.seconds, self._store, self._report
        )
        beside = tuple(map(asyncio.create_task, (sender.run(), self._needs.run(), keep(self._config))))
        notify("READY=1")
        try:
            await self._turn_for_ever(keeping, beside)
        finally:
            for task in beside:
                task.cancel()
            keeping.stop()
            self._outlook.close()
            if self._mesh is not None:
                self._mesh.close()
            server.close()

    def _look_at_offloads(self) -> None:
        devices = frame_devices(self._config)
        slow = all(max(line.down_mbit, line.up_mbit) <= _SINGLY_MBIT for line in self._config.line)
        if self._config.shaping.offloads == "auto" and slow:
            switch_offloads_off(devices)
        self._turns.merged = offloads(devices)

    async def _turn_for_ever(self, keeping: Housekeeping, beside: tuple[asyncio.Task[None], ...]) -> None:
        loop = asyncio.get_running_loop()
        period = self._config.policy.tick_seconds
        due = loop.time() + period
        while not self._stop.is_set():
            try:
                left = min(due - loop.time(), self._pausing.due_in())
                await asyncio.wait_for(self._stop.wait(), max(0.0, left))
            except TimeoutError:
                self._settle()
                if loop.time() < due:
                    continue
                began = loop.time()
                self._turn()
                due = next_turn(due, period, began, loop.time())
                keeping.heed(self._clock.read())
                notify("WATCHDOG=1")
            for task in beside:
                if task.done():
                    task.result()

    def _after_verb(self) -> None:
        self._settle()
        self._keep_copy()

    def _settle(self) -> None:
        """Begin and end pauses; where the kernel refuses, the next turn tries again."""
        try:
            self._pausing.settle()
        except KernelError as fault:
            log.error("the kernel refused: %s", fault)  # noqa: TRY400  # the text says it all

    def _turn(self) -> None:
        try:
            self._look_at_offloads()
            self._turns.tick()
            if self._mesh is not None:
                self._mesh.tick()
            self._remembering.turn()
        except KernelError as fault:
            # The kernel is as it was; the next turn looks again and repairs.
            self._turns.tally.faults += 1
            log.error("this turn failed: %s", fault)  # noqa: TRY400  # the text says it all
        self._outlook.turn()
        self._rights.turn()
        self._keep_copy()

    def _keep_copy(self) -> None:
        self._provisioning.keep()
        self._members.pauses.save(self._pause_copy)
        if not self._members.save(self._copy) and not on_tmpfs(self._folder):
            log.warning("%s is not tmpfs: no copy of the joined devices is kept there", self._folder)
            self._members.changed = False

    async def _report(self) -> None:
        lists = self._mesh.lists if self._mesh else None
        facts, around = await examine_mesh(self._config, lists.roster if lists else None, lists.fault if lists else "")
        if self._store.set_aside is not None:
            where = f"set aside as {self._store.set_aside}" if self._store.set_aside.exists() else "begun anew"
            facts["database"] = Fact(ok=False, error=f"node.db was damaged and is {where}.")
        facts |= {**self._outlook.facts(), "certificate": self._provisioning.fact()}
        self._journal.append(self._clock.read(), self._verbs.hazards, facts, around, self._pausing.in_force_here())

    @staticmethod
    def _on_loop(loop: asyncio.AbstractEventLoop, job: Callable[[], object]) -> Callable[[], object]:
        """The scheduler has threads of its own; node.db has one writer, the loop's."""
        return lambda: loop.call_soon_threadsafe(job)
