"""What the agent counts on at the kernel's door, kept by the real kernel and by the one in memory alike."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from meshctl.agent import elements, funnel, trees
from meshctl.agent.kernel import Kernel, KernelError, LinuxKernel, shaped_devices
from meshctl.lab.kernel import inside_net, ip
from meshctl.lists import Roster
from meshctl.model import DIRECTIONS, Capacity, Device, Policy
from meshctl.quota.plan import FIRST_GUEST, Crowd, Plan, decide, stranger_mark
from tests.agent.fake_kernel import FakeKernel
from tests.kernel.agents import GATEWAY, ROSTER, config_of

pytestmark = pytest.mark.kernel

CONFIG = config_of(GATEWAY, "mesh0", "mesh1")
FACES = funnel.facing_devices(CONFIG)
DEVICES = (*FACES, "wan0")
PHONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
ANNOUNCED = {"10.44.8.11": 0x21, "2001:db8:2::b": 0x21, "10.44.8.12": FIRST_GUEST + 7}
STRANGERS = [stranger_mark(2), stranger_mark(3)]


@pytest.fixture(params=["memory", "linux"])
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    if request.param == "memory":
        yield FakeKernel(CONFIG, DEVICES, time.monotonic)
        return
    name = f"kt-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        ip([f"netns add {name}"])
        stack.callback(ip, [f"netns del {name}"])
        ip([f"link add {device} type veth peer name far-{device}" for device in DEVICES], name)
        stack.enter_context(inside_net(name))
        yield LinuxKernel(CONFIG)


def plan_of(*devices: Device, announced: dict[str, int] | None = None, capacity: float = 2.5e6) -> Plan:
    far = announced or {}
    marks = {device.mark for device in devices} | set(far.values())
    crowd = Crowd(devices, marks, {}, far, STRANGERS)
    return decide(crowd, None, Capacity(capacity, capacity), Policy())


def bring(kernel: Kernel, plan: Plan, now: float) -> None:
    """Apply what differs, as a turn does."""
    state = kernel.read()
    steps = funnel.difference(state.funnel, FACES)
    kernel.shape(steps.before)
    for direction, device in shaped_devices(CONFIG).items():
        kernel.shape(trees.difference(device, state.trees[direction], plan.trees[direction], "pfifo"))
    kernel.shape(steps.after)
    kernel.commit(elements.difference(state.table, plan, now))


def differs(kernel: Kernel, plan: Plan, now: float) -> list[str]:
    state = kernel.read()
    steps = funnel.difference(state.funnel, FACES)
    shapes = [
        command
        for direction, device in shaped_devices(CONFIG).items()
        for command in trees.difference(device, state.trees[direction], plan.trees[direction], "pfifo")
    ]
    return [*steps.before, *shapes, *steps.after, *elements.difference(state.table, plan, now)]


def test_nothing_is_there_before_anything_was_put_there(kernel: Kernel) -> None:
    state = kernel.read()

    assert (state.table, state.funnel.up, state.funnel.strays) == (elements.TableState(), None, ())
    assert state.funnel.devices >= set(DEVICES)
    assert {tree.root for tree in state.trees.values()} == {""}


def test_rules_put_anew_are_the_same_for_the_same_roster_and_others_for_another(kernel: Kernel) -> None:
    found = []
    for roster in (ROSTER, ROSTER, Roster(8, ROSTER.members[:2]), None):
        kernel.install(roster)
        found.append(kernel.read().table.rules)

    assert found[0] == found[1] != ""
    assert len({*found}) == 3


def test_what_was_applied_is_there_and_nothing_differs_any_more(kernel: Kernel) -> None:
    now = time.monotonic()
    kernel.install(ROSTER)
    device, home = Device(PHONE, FIRST_GUEST, None, now + 3600), Device(OTHER, 0x20, "HOME", None)
    plans = [
        plan_of(),
        plan_of(device, home, announced=ANNOUNCED),
        plan_of(home, replace(device, mark=0x20), announced={"10.44.8.11": 0x22}, capacity=1e6),
        plan_of(home),
    ]
    for plan in plans:
        bring(kernel, plan, now)
        assert differs(kernel, plan, now) == []
        table = kernel.read().table
        assert table.announced == plan.announced
        assert {hardware: element.mark for hardware, element in table.members.items()} == {
            hardware: one.mark for hardware, one in plan.members.items()
        }
        assert all(table.classes.keys() == plan.trees[d].leaves.keys() - {4} for d in DIRECTIONS)
        assert set(table.senders) == {(hardware, one.mark) for hardware, one in plan.members.items()}


def test_what_is_said_to_be_expected_is_what_is_read(kernel: Kernel) -> None:
    now = time.monotonic()
    kernel.install(ROSTER)
    plan = plan_of(Device(PHONE, 0x20, "HOME", None), announced=ANNOUNCED)
    bring(kernel, plan, now)
    state = kernel.read()
    wanted = elements.expected(state.table.rules, plan, now)

    assert (wanted.members, wanted.senders, wanted.announced, wanted.classes) == (
        state.table.members, state.table.senders, state.table.announced, state.table.classes,
    )  # fmt: skip
    assert (state.funnel.up, state.funnel.filters) == (True, funnel.expected(FACES).filters)
    for direction, tree in plan.trees.items():
        bare = {
            n: replace(s, count=trees.expected(tree).classes[n].count)
            for n, s in state.trees[direction].classes.items()
        }
        assert bare == {**trees.expected(tree).classes, **{n: bare[n] for n in (1, 2, 3)}}


def test_elements_stay_when_rules_are_put_anew(kernel: Kernel) -> None:
    now = time.monotonic()
    kernel.install(ROSTER)
    plan = plan_of(Device(PHONE, 0x20, "HOME", None), announced=ANNOUNCED)
    bring(kernel, plan, now)
    kernel.install(None)

    assert differs(kernel, plan, now) == []


def test_a_transaction_of_which_a_part_is_refused_changes_nothing(kernel: Kernel) -> None:
    kernel.install(ROSTER)
    kernel.commit(["add element inet meshctl announced4 { 10.44.8.1 : 33 }\n"])
    for bad in (
        "delete element inet meshctl announced4 { 10.44.8.2 }",
        "add element inet meshctl announced4 { 10.44.8.1 : 34 }",
        "add element inet meshctl nowhere { 10.44.8.1 : 34 }",
    ):
        with pytest.raises(KernelError) as refused:
            kernel.commit([f"add element inet meshctl announced4 {{ 10.44.8.9 : 33 }}\n{bad}\n"])
        assert "10.44.8" not in str(refused.value), "what is refused is logged, and names nobody"
        assert kernel.read().table.announced == {"10.44.8.1": 33}
    kernel.commit(["add element inet meshctl announced4 { 10.44.8.1 : 33 }\n"])


def test_elements_of_a_table_that_is_not_there_are_refused(kernel: Kernel) -> None:
    with pytest.raises(KernelError):
        kernel.commit(["add element inet meshctl announced4 { 10.44.8.1 : 33 }\n"])


def test_a_command_that_cannot_be_done_is_refused(kernel: Kernel) -> None:
    for bad in (
        "class del dev wan0 classid 1:20",
        "qdisc add dev nowhere clsact",
        "link del dev meshctl-down",
        "filter del dev mesh0 egress pref 28019",
    ):
        with pytest.raises(KernelError):
            kernel.shape([bad])


def test_a_funnel_that_was_deleted_and_made_anew_is_not_taken_for_the_old_one(kernel: Kernel) -> None:
    now = time.monotonic()
    kernel.install(ROSTER)
    plan = plan_of()
    bring(kernel, plan, now)
    kernel.shape(["link del dev meshctl-down", "link add name meshctl-down type ifb"])
    assert differs(kernel, plan, now)
    bring(kernel, plan, now)
    assert differs(kernel, plan, now) == []


def test_counters_begin_at_nothing_and_have_a_life_of_their_own(kernel: Kernel) -> None:
    now = time.monotonic()
    kernel.install(ROSTER)
    with_home, without = plan_of(Device(PHONE, 0x20, "HOME", None)), plan_of()
    lives = []
    for plan in (with_home, without, with_home):
        bring(kernel, plan, now)
        shown = kernel.read().trees["down"].classes.get(0x20)
        lives.append(shown.count.life if shown else "")
        assert shown is None or shown.count.sent == 0

    assert all((lives[0], lives[2]))
    assert lives[0] != lives[2]


def test_a_stay_runs_out_by_itself(kernel: Kernel) -> None:
    kernel.install(ROSTER)
    now = time.monotonic()
    bring(kernel, plan_of(Device(PHONE, 0x20, "HOME", now + 1), Device(OTHER, 0x21, "B", now + 3600)), now)
    deadline = now + 5
    while PHONE in kernel.read().table.members and time.monotonic() < deadline:
        time.sleep(0.05)

    left = kernel.read().table.members
    assert left.keys() == {OTHER}
    assert 3500 < (left[OTHER].expires or 0) <= 3600
