"""Pure text for nft(8): how much of the node itself one device may take, whatever addresses it has.

Counted by hardware address, in the kernel, before a program of the node is asked. A device over its
limit is not answered, and TCP and resolvers try again by themselves; nobody else's limit is touched.
What is forwarded meets none of this. The numbers and their reasons are in docs/door.md.

A set that is full counts no further devices and lets them pass: a crowd of made-up addresses must
not shut the door to a phone that comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

QUESTION_BYTES = 320
"""UDP payload of a visitor's longest question: a name has at most 255 bytes (RFC 1035, 3.1), the rest is frame."""

HELD = 48
"""Open connections of one device to the node's own pages, and as many on their way elsewhere."""

TOLD_LONG = 4
"""Open connections of one member to the resolver, which serves twenty in all."""

_UDP_HEADER = 8
_DEVICES = 16384


@dataclass(frozen=True)
class Limit:
    """So many packets at once, and so many ``per`` second or minute after that."""

    name: str
    rate: int
    per: str
    burst: int
    keep: str = "1m"

    @property
    def declaration(self) -> str:
        """What stands in the table's block. An element goes when its device would have its burst again."""
        return (
            f"\tset {self.name} {{\n\t\ttype ether_addr\n\t\tflags dynamic,timeout\n"
            f"\t\ttimeout {self.keep}\n\t\tsize {_DEVICES}\n\t}}\n"
        )

    @property
    def over(self) -> str:
        """The beginning of a rule for what is too much."""
        return (
            f"update @{self.name} {{ ether saddr limit rate over {self.rate}/{self.per} burst {self.burst} packets }}"
        )


ASKS = Limit("asks", 5, "second", 200)
"""Questions of a visitor to the resolver: a phone that comes asks 50 names in three types, then few."""

MEMBER_ASKS = Limit("member_asks", 50, "second", 500)
"""The same of a device that has joined."""

KNOCKS = Limit("knocks", 20, "second", 200)
"""New connections to the node's own pages."""

PROBES = Limit("probes", 20, "second", 200)
"""New connections that were on their way elsewhere: they never take from a device's own way to the pages."""

LEASES = Limit("leases", 10, "minute", 40, "4m")
"""Questions for an address. Each lease is two; an hour's worth is less than the smallest network of a door."""

PINGS = Limit("pings", 20, "second", 100)
"""Echo requests to the node."""

LIMITS = (ASKS, MEMBER_ASKS, KNOCKS, PROBES, LEASES, PINGS)

_COUNTS = ("held", "probing", "told_long")
"""Sets whose elements count connections, and go when none is left."""


def limit_sets() -> str:
    """What the rules of `limit_chains` count in."""
    plain = f"{{\n\t\ttype ether_addr\n\t\tflags dynamic\n\t\tsize {_DEVICES}\n\t}}\n"
    return "".join([*(limit.declaration for limit in LIMITS), *(f"\tset {name} {plain}" for name in _COUNTS)])


def limit_chains() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return name and rules of each chain. All end with a verdict."""
    # Over TCP one connection carries many questions and answers of 64 kB. No page before joining needs that.
    yield "asked_by_member", (f"{MEMBER_ASKS.over} drop", "accept")
    yield (
        "asked",
        (
            "ether saddr @member goto asked_by_member",
            f"udp length > {_UDP_HEADER + QUESTION_BYTES} drop",
            f"{ASKS.over} drop",
            "accept",
        ),
    )
    yield "asked_long", ("ether saddr != @member goto refuse", _no_more("told_long", TOLD_LONG), "accept")
    yield "knocked", (f"{KNOCKS.over} drop", _no_more("held", HELD), "accept")
    yield "probed", (f"{PROBES.over} drop", _no_more("probing", HELD), "accept")
    yield "leased", (f"{LEASES.over} drop", "accept")
    yield "pinged", (f"{PINGS.over} drop", "accept")


def _no_more(name: str, most: int) -> str:
    return f"add @{name} {{ ether saddr ct count over {most} }} reject with tcp reset"
