"""Run inside a namespace by test_repair: damage the kernel, take one turn, compare."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from meshctl.agent.clock import SystemClock
from meshctl.agent.elements import difference as table_difference
from meshctl.agent.kernel import LinuxKernel, shaped_devices
from meshctl.agent.members import Members
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.trees import difference as tree_difference
from meshctl.config import Access, Config, Line, Mesh, Node, Shaping
from meshctl.quota.meter import Count, Place, meter

CONFIG = Config(
    Node("a"),
    (Access("lan0", "10.44.0.1/22", "fd44::1/64"),),
    line=(Line("isp", "wan0", 20.0, 5.0),),
    shaping=Shaping("pfifo"),
)


MESHED = replace(CONFIG, mesh=Mesh(("mesh0",)))


def prove(folder: Path, damage: str, config: Config) -> None:
    """Assert that one turn brings everything back and that a second turn finds nothing to do."""
    clock, kernel, members = SystemClock(), LinuxKernel(config), Members()
    with closing(Store(folder)) as store:
        past: dict[Place, Count] = {("isp", "down", 0x8000): Count("past", 4321)}
        store.record(meter({}, past), {}, past, clock.read())
        before = store.ledger()
        turns = Reconciler(config, kernel, store, members, clock)
        turns.start()
        now = clock.read().monotonic
        turns.admit([members.join("02:00:00:00:00:01", now + 3600, now)], [])
        turns.tick()
        rules = kernel.read().table.rules
        assert turns.tally.repairs == 0, turns.tally.last
        subprocess.run(damage.split(), check=True)
        turns.tick()
        state = kernel.read()
        assert state.table.rules == rules
        assert table_difference(state.table, turns.plan, clock.read().monotonic) == []
        for direction, device in shaped_devices(config).items():
            tree = turns.plan.trees[direction]
            assert tree_difference(device, state.trees[direction], tree, "pfifo") == []
        assert turns.tally.repairs >= 1
        repairs = turns.tally.repairs
        turns.tick()
        assert turns.tally.repairs == repairs, turns.tally.last
        assert store.ledger() == before


if __name__ == "__main__":
    prove(Path(sys.argv[1]), sys.argv[2], MESHED if sys.argv[3:] else CONFIG)
