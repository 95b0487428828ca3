"""What others do on our devices: queues that are not ours, and flowtables that pass by every rule of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain

_QDISC = re.compile(
    r"^qdisc (?P<kind>\w+) (?P<handle>[0-9a-f]*:?) dev (?P<device>\S+) (?P<place>root|parent \S+|ingress)"
)

_PLAIN = {"noqueue", "mq", "pfifo_fast", "fq_codel", "pfifo", "fq"}
"""What the kernel itself puts on a device where nobody asked for anything (net.core.default_qdisc)."""


@dataclass(frozen=True)
class Queue:
    """One root queue or hook of a device, as tc names it."""

    device: str
    kind: str
    handle: str


@dataclass(frozen=True)
class Surroundings:
    """``queues`` are all devices' root queues and hooks; ``flowtables`` those that name a device of ours.

    ``devices`` are ours, and ``hooked`` those of them that have a hook of ours.
    """

    queues: tuple[Queue, ...] = ()
    flowtables: tuple[tuple[str, tuple[str, ...]], ...] = ()
    devices: frozenset[str] = frozenset()
    hooked: frozenset[str] = frozenset()

    def foreign(self, device: str) -> list[str]:
        """Return what is on a device of ours and not from us, in tc's words."""
        return [f"{queue.kind} {queue.handle}".strip() for queue in self.queues if self._is_foreign(queue, device)]

    def _is_foreign(self, queue: Queue, device: str) -> bool:
        if queue.device != device:
            return False
        ours = queue.kind == "htb" and queue.handle == "1:"
        hook = queue.kind == "clsact" and device in self.hooked
        return not ours and not hook and not (queue.kind in _PLAIN and queue.handle in ("0:", ""))


def read_queues(shown: str) -> tuple[Queue, ...]:
    """Read ``tc qdisc show``: root queues and hooks, never the leaves below them."""
    found = []
    for line in shown.splitlines():
        match = _QDISC.match(line)
        if match and (match["place"] == "root" or match["kind"] in ("ingress", "clsact")):
            found.append(Queue(match["device"], match["kind"], match["handle"]))
    return tuple(found)


def read_flowtables(listing: str, ours: Collection[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Read ``nft -j list flowtables`` (libnftables-json(5)): those that name one of these devices."""
    entries = json.loads(listing)["nftables"] if listing else []
    tables = [entry["flowtable"] for entry in entries if "flowtable" in entry]
    found = []
    for table in tables:
        devices = table.get("dev", [])
        named = [devices] if isinstance(devices, str) else list(chain(devices))
        if any(device in ours for device in named):
            found.append((f"{table['family']} {table['table']} {table['name']}", tuple(named)))
    return tuple(found)
