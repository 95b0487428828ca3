"""Deliberately broken variants of the plan: each keeps the shape of the product's function, and has one fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from meshctl.model import Capacity, Direction, Policy
from meshctl.quota.plan import FIRST_GUEST, GUEST_POOL, Crowd, Leaf, Plan, Tree, decide
from meshctl.quota.usage import Memory, Past

_FIRST_DISGUISED = 0x7000


def floor_forgotten(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """A home's rate follows its weight down to nothing, and the tree still promises the floor."""
    return _told(decide(crowd, memory, capacity, replace(policy, floor_kbit=0)), policy.floor)


def floor_told_too_high(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """Where floors do not fit, nobody says so."""
    return _told(decide(crowd, memory, capacity, policy), policy.floor)


def floors_before_guests(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """Where homes' floors fill the line, guests have nothing."""
    plan = decide(crowd, memory, capacity, policy)
    without = decide(crowd, memory, capacity, replace(policy, guest_share=0))
    full = {d: tree.capacity < policy.floor * (plan.homes + 1) for d, tree in plan.trees.items()}
    return replace(plan, trees={d: without.trees[d] if full[d] else plan.trees[d] for d in plan.trees})


def rounding_lost(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """Rates are rounded down to whole eights, and what that leaves goes to nobody."""
    plan = decide(crowd, memory, capacity, policy)
    return _changed(plan, lambda tree: {m: max(1, leaf.rate // 8 * 8) for m, leaf in tree.leaves.items()})


def weights_upside_down(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """A higher level weighs more."""
    return decide(crowd, memory, capacity, replace(policy, level_weight=policy.level_weight[::-1]))


def levels_ignored(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """Levels are decided, and change no rate."""
    plan, plain = (decide(crowd, one, capacity, policy) for one in (memory, None))
    return replace(plain, levels=plan.levels)


def newcomers_last(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """Whoever is not known yet starts at the last level."""
    if memory is None:
        return decide(crowd, memory, capacity, policy)
    new = [home.handle for home in crowd.households.values() if home.handle not in memory.homes]
    guilty = Past(memory.clock, memory.clock, memory.clock, down=1e18)
    return decide(crowd, replace(memory, homes={**memory.homes, **dict.fromkeys(new, guilty)}), capacity, policy)


def the_first_favoured(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """Whoever is listed first weighs a share more."""
    return decide(_with_shares(crowd, dict.fromkeys(list(crowd.households)[:1], 1)), memory, capacity, policy)


def odd_numbers_favoured(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """A home's number counts."""
    return decide(_with_shares(crowd, {mark: mark % 2 for mark in crowd.households}), memory, capacity, policy)


def devices_counted(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """Every device has a share, here or behind another node."""
    more = Counter([*(device.mark for device in crowd.members), *crowd.announced.values()])
    return decide(_with_shares(crowd, more), memory, capacity, policy)


class Restless:
    """Decides a little differently every time."""

    def __init__(self) -> None:
        self._turn = 0

    def decide(self, crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
        """Count every second kbit/s of the line to the other parent."""
        self._turn += 1
        plan = decide(crowd, memory, capacity, policy)
        return _changed(plan, lambda tree: {m: leaf.rate + self._turn % 2 for m, leaf in tree.leaves.items()})


def levels_flip(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """The level before is read upside down: what was decided is decided otherwise the next time."""
    if memory is None:
        return decide(crowd, memory, capacity, policy)
    flipped = {
        handle: replace(past, level=len(policy.level_above) - past.level) for handle, past in memory.homes.items()
    }
    return decide(crowd, replace(memory, homes=flipped), capacity, policy)


def guest_share_forgotten(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """Guests have what their number weighs, to the whole line."""
    return decide(crowd, memory, capacity, replace(policy, guest_share=1.0))


def guests_unpooled(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """Every guest is a home."""
    other = {mark: _FIRST_DISGUISED + n for n, mark in enumerate(crowd.present) if mark >= FIRST_GUEST}
    back = {disguised: mark for mark, disguised in other.items()}
    members = [replace(device, mark=other.get(device.mark, device.mark)) for device in crowd.members]
    present = [other.get(mark, mark) for mark in crowd.present]
    plan = decide(replace(crowd, members=members, present=present), memory, capacity, policy)
    trees = {}
    for d, tree in plan.trees.items():
        rates = sum(tree.leaves[mark].rate for mark in back)
        leaves = {back.get(mark, mark): _as_guest(leaf, back) for mark, leaf in tree.leaves.items()}
        trees[d] = replace(tree, homes=tree.homes - rates, guests=tree.guests + rates, leaves=leaves)
    return replace(plan, trees=trees)


def a_pool_that_shrinks(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """The more guests there are, the less they have together."""
    guests = sum(1 for mark in crowd.present if mark >= FIRST_GUEST)
    return decide(crowd, memory, capacity, replace(policy, guest_share=policy.guest_share / max(1, guests)))


def the_first_guest_favoured(crowd: Crowd, memory: Memory | None, capacity: Capacity | None, policy: Policy) -> Plan:
    """The first guest has half of what the last should have."""

    def favoured(tree: Tree) -> dict[int, int]:
        found = sorted(mark for mark in tree.leaves if mark in crowd.present and mark >= FIRST_GUEST)
        rates = {mark: leaf.rate for mark, leaf in tree.leaves.items()}
        if len(found) > 1:
            part = rates[found[-1]] // 2
            rates[found[0]], rates[found[-1]] = rates[found[0]] + part, rates[found[-1]] - part
        return rates

    return _changed(decide(crowd, memory, capacity, policy), favoured)


def _told(plan: Plan, floor: int) -> Plan:
    return replace(plan, trees={d: replace(tree, floor=floor) for d, tree in plan.trees.items()})


def _changed(plan: Plan, rates: Callable[[Tree], Mapping[int, int]]) -> Plan:
    trees: dict[Direction, Tree] = {}
    for d, tree in plan.trees.items():
        leaves = {mark: replace(tree.leaves[mark], rate=rate) for mark, rate in rates(tree).items()}
        trees[d] = replace(tree, leaves=leaves)
    return replace(plan, trees=trees)


def _as_guest(leaf: Leaf, back: Mapping[int, int]) -> Leaf:
    return replace(leaf, number=back[leaf.number], parent=GUEST_POOL) if leaf.number in back else leaf


def _with_shares(crowd: Crowd, more: Mapping[int, int]) -> Crowd:
    homes = {m: replace(home, shares=home.shares + more.get(m, 0)) for m, home in crowd.households.items()}
    return replace(crowd, households=homes)
