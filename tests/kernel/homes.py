"""The devices of the terrace, whose they are, and what the line remembers of their homes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from meshctl.config import Config
from meshctl.lists import Member
from meshctl.model import Device, Household
from meshctl.quota.usage import Filled, Memory, Past, begin
from tests.kernel.agents import GATEWAY, Agent


def hardware(number: int) -> str:
    """Return the hardware address of a device; they are numbered from 1."""
    return f"02:00:00:00:{number >> 8:02x}:{number & 0xFF:02x}"


def address(number: int, family: int, node: Member = GATEWAY) -> str:
    """Return the address of a device in that family, 4 or 6, in the prefixes of its node."""
    network = node.interface4.network if family == 4 else node.interface6.network
    return str(network.network_address + 0x10 + number)


def handle(number: int) -> str:
    """Return the handle of a home; they are numbered from 1, as their marks are from 0x10."""
    return f"{number:04d}"


def past_of(config: Config, levels: Mapping[int, int]) -> Memory:
    """Return the memory of a line that was always contended, by use that lies well within each level."""
    policy, idle = config.policy, begin(config.line[0].capacity, config.policy.half_life)
    amount = {level: 1.2 * above for level, above in enumerate(policy.level_above, 1)}
    homes = {
        handle(home): Past(-1e9, 0.0, 0.0, 1, amount[level] * idle.down.capacity, amount[level] * idle.up.capacity)
        for home, level in levels.items()
    }
    full = [Filled(one.capacity, one.capacity) for one in (idle.down, idle.up)]
    return Memory(0.0, full[0], full[1], homes)


def move_in(agent: Agent, homes: Mapping[int, int], guests: Iterable[int] = ()) -> None:
    """Join devices at once: ``homes`` says which home each belongs to, ``guests`` are the others."""
    now = agent.clock.read().monotonic
    fresh: list[Device] = []
    for number, home in homes.items():
        fresh.append(agent.members.link(hardware(number), Household(handle(home), home), now + 36_000, now))
    fresh += [agent.members.join(hardware(number), now + 36_000, now) for number in guests]
    agent.do(lambda: agent.turns.admit(fresh, []))
