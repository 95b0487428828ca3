"""Whatever happens in whatever order, after a turn the kernel is as the plan says, and each byte is counted once."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from meshctl.agent import elements, funnel, trees
from meshctl.agent.kernel import shaped_devices
from meshctl.agent.members import Members
from meshctl.agent.passes import Verifier
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.lists import Roster
from meshctl.model import DIRECTIONS, ClockReading, Direction
from meshctl.quota.plan import FIRST_GUEST, FIRST_HOME, UNKNOWN, stranger_mark
from tests.agent.fake_kernel import FakeKernel
from tests.kernel.agents import ACCESS, GATEWAY, THIRD, config_of

CONFIG = config_of(GATEWAY, "mesh0", "radio0")
FACES = funnel.facing_devices(CONFIG)
PHONES = [f"02:00:00:00:00:{number:02x}" for number in range(1, 7)]
ROSTERS = [None, Roster(1, (GATEWAY,)), Roster(2, (GATEWAY, ACCESS)), Roster(3, (GATEWAY, ACCESS, THIRD))]
FAR = [*(f"10.44.8.{number}" for number in range(10, 14)), *(f"2001:db8:2::{number}" for number in range(10, 14))]
MARKS = [FIRST_HOME, FIRST_HOME + 1, FIRST_HOME + 9, 0xC000, 0xC001]
DAMAGE = ["link del dev meshctl-down", "qdisc del dev wan0 root", "filter del dev lan0 egress pref 28019", "table"]


class HandClock:
    """Time as the test tells it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def read(self) -> ClockReading:
        return ClockReading(self.now, 0.0, trusted=False)


class Gateway(RuleBasedStateMachine):
    """One gateway, its phones, what other nodes announce, and somebody who meddles."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
        self.clock = HandClock()
        self.kernel = FakeKernel(CONFIG, ["lan0", "mesh0", "wan0"], lambda: self.clock.now)
        self.store = Store(self.folder)
        for handle in ("AAAA", "BBBB"):
            self.store.add_household(handle, 1, Verifier(b"s" * 16, b"d" * 32), self.clock.read())
        self.sent = dict.fromkeys(DIRECTIONS, 0)
        self.announced: dict[str, int] = {}
        self.meddled = False
        self.begin()

    def begin(self) -> None:
        self.members = Members()
        self.turns = Reconciler(CONFIG, self.kernel, self.store, self.members, self.clock)
        self.turns.start()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(hardware=st.sampled_from(PHONES), household=st.sampled_from([None, 0, 1]))
    def join(self, hardware: str, household: int | None) -> None:
        before = self.members.get(hardware)
        if household is None:
            device = self.members.join(hardware, self.clock.now + 5000, self.clock.now)
        else:
            home = self.store.households()[household]
            device = self.members.link(hardware, home, self.clock.now + 5000, self.clock.now)
        if before is not None and before.mark != device.mark:
            self.turns.release(before, [])
        else:
            self.turns.admit([device], [])

    @rule(hardware=st.sampled_from(PHONES))
    def leave(self, hardware: str) -> None:
        device = self.members.leave(hardware)
        if device is not None:
            self.turns.release(device, ["10.44.4.7"])
            assert "10.44.4.7" in self.kernel.forgotten

    @rule(told=st.dictionaries(st.sampled_from(FAR), st.sampled_from(MARKS)))
    def announce(self, told: dict[str, int]) -> None:
        self.announced = told
        self.turns.announce(told)
        if not self.meddled:
            assert self.kernel.read().table.announced == told

    @rule(told=st.dictionaries(st.sampled_from(FAR), st.sampled_from(MARKS)))
    def announce_twice(self, told: dict[str, int]) -> None:
        self.announce(told)
        changes = self.kernel.changes
        self.turns.announce(dict(told))
        assert self.kernel.changes == changes

    @rule(roster=st.sampled_from(ROSTERS))
    def roster(self, roster: Roster | None) -> None:
        repairs = self.turns.tally.repairs
        self.turns.enter_roster(roster)
        if not self.meddled:
            assert self.turns.tally.repairs == repairs
        others = [one for one in roster.members if one.name != "gate"] if roster else []
        assert {stranger_mark(one.number) for one in others} <= self.turns.plan.trees["down"].leaves.keys()

    @rule(direction=st.sampled_from(DIRECTIONS), size=st.integers(1, 10**6), draw=st.data())
    def traffic(self, direction: Direction, size: int, draw: st.DataObject) -> None:
        tree = self.kernel.read().trees[direction]
        leaves = sorted(number for number, shown in tree.classes.items() if shown.count.life)
        if not leaves:
            return
        self.kernel.send(direction, draw.draw(st.sampled_from(leaves)), size)
        # What a leaf sent after the last reading goes with it when it goes: at most one tick, so read at once.
        self.turns.tick()
        self.sent[direction] += size

    @rule(seconds=st.sampled_from([10.0, 31.0, 600.0, 6000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(damage=st.sampled_from(DAMAGE), mended=st.booleans())
    @precondition(lambda self: not self.meddled)
    def meddle(self, damage: str, mended: bool) -> None:
        self.tick()
        repairs = self.turns.tally.repairs
        if damage == "table":
            self.kernel.lose_table()
        else:
            self.kernel.shape([damage])
        self.meddled = True
        if mended:
            self.tick()
            assert self.turns.tally.repairs > repairs

    @rule()
    def plug(self) -> None:
        if "radio0" not in self.kernel.read().funnel.devices:
            self.kernel.plug("radio0")
            repairs, intact = self.turns.tally.repairs, not self.meddled
            self.tick()
            if intact:
                assert self.turns.tally.repairs == repairs

    @rule()
    def restart(self) -> None:
        self.tick()
        roster, said = self.turns._roster, self.turns._said
        known = {device.hardware: device.mark for device in self.members.all()}
        self.begin()
        assert {device.hardware: device.mark for device in self.members.all()} == known
        self.turns.enter_roster(roster)
        self.turns.announce(said or {})

    @rule()
    def tick(self) -> None:
        self.turns.tick()
        self.meddled = False
        once = self.turns.tally.repairs
        changes = self.kernel.changes
        self.turns.tick()
        assert (self.turns.tally.repairs, self.kernel.changes) == (once, changes)
        self.agrees()

    def agrees(self) -> None:
        """Nothing differs between the kernel and the plan."""
        state, plan = self.kernel.read(), self.turns.plan
        assert elements.difference(state.table, plan, self.clock.now) == []
        steps = funnel.difference(state.funnel, FACES)
        assert [*steps.before, *steps.after] == []
        for direction, device in shaped_devices(CONFIG).items():
            assert trees.difference(device, state.trees[direction], plan.trees[direction], "pfifo") == []

    @invariant()
    def each_byte_is_counted_once(self) -> None:
        ledger = self.store.ledger()
        for direction in DIRECTIONS:
            assert sum(n for (_, d, _), n in ledger.items() if d == direction) == self.sent[direction]

    @invariant()
    def who_is_announced_has_a_leaf(self) -> None:
        leaves = self.turns.plan.trees["down"].leaves.keys()
        assert {*self.announced.values(), UNKNOWN} <= leaves
        assert all(mark in leaves for mark in self.turns.plan.present)
        assert FIRST_GUEST not in self.announced.values()


Gateway.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestGateway = Gateway.TestCase
