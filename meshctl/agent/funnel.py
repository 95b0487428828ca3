"""Pure text for ip(8) and tc(8): the one device that joins several which face neighbours, so that they share one tree.

Where one device faces neighbours, the tree of what comes down sits on it, and nothing of this exists.
Where several do, the tree sits on an IFB, and a filter at each of them sends there what carries a mark
other than 0: what came from the line, in somebody's share. The IFB hands a packet back to the device it
came from, behind the filter. What nodes send themselves and what only passes on has mark 0.

Everything ours is known by its name: the IFB, and the preference of the filter. Other filters at the
same hook stay as they are, and so does the hook itself, which somebody else may have made or need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from meshctl.config import Config

FUNNEL = "meshctl-down"

PREFERENCE = 28019
"""A place among the filters of a hook that nothing chooses by itself: "ms" as a number."""

_EVERY_PROTOCOL = 0x0003
"""ETH_P_ALL."""

_MARKED = "4,32 0 0 4294963220,21 1 0 0,6 0 0 4294967295,6 0 0 0"
"""Classic BPF: load the mark (linux/filter.h, SKF_AD_OFF + SKF_AD_MARK); 0 matches nothing, another matches."""


@dataclass(frozen=True)
class FunnelState:
    """What the kernel says of the funnel.

    ``up`` is ``None`` without an IFB of our name. ``devices`` are all there are, ``hooked`` those that
    have the hook for filters, ``filters`` what stands at our preference there, ``strays`` devices with
    a tree of ours that no longer belongs there.
    """

    up: bool | None = None
    devices: frozenset[str] = frozenset()
    hooked: frozenset[str] = frozenset()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strays: tuple[str, ...] = ()


def facing_devices(config: Config) -> tuple[str, ...]:
    """Return the devices behind which neighbours are: at our doors, and at other nodes'."""
    return (*(access.device for access in config.access), *config.mesh.devices)


def shown_filter(protocol: int, kind: str, handle: int, program: list[str], targets: list[str]) -> str:
    """Return one filter in words that are the same for equal ones; instructions as ``code:true:false:operand``."""
    return f"{protocol:#x} {kind} {handle:#x} {program} {targets}"


def marked_filter(program: str, target: str) -> str:
    """Return in the same words what a filter of ours shows that has this program in tc's words."""
    instructions = [":".join(one.split()) for one in program.split(",")[1:]]
    return shown_filter(_EVERY_PROTOCOL, "bpf", 1, instructions, [f"redirect {target}"])


_OURS = (marked_filter(_MARKED, FUNNEL),)


def expected(faces: Iterable[str]) -> FunnelState:
    """Return what the kernel will say once these devices lead into the funnel; of none, that there is none."""
    devices = frozenset(faces)
    return FunnelState(bool(devices) or None, devices, devices, dict.fromkeys(devices, _OURS))


@dataclass(frozen=True)
class Steps:
    """Commands for before and after the trees are brought in shape; ``link …`` is for ip, the rest for tc."""

    before: list[str]
    after: list[str]


def difference(now: FunnelState, faces: tuple[str, ...]) -> Steps:
    """Return the commands that make ``faces`` lead into the funnel; none when nothing differs.

    With no ``faces`` there is no funnel. A device that is not there is left for the turn that finds it.
    """
    before = [f"qdisc del dev {device} root" for device in now.strays]
    before += [_no_filter(device) for device in sorted(now.filters) if now.filters[device] and device not in faces]
    if not faces:
        return Steps(before, [f"link del dev {FUNNEL}"] if now.up is not None else [])
    if now.up is None:
        before.append(f"link add name {FUNNEL} type ifb")
    if not now.up:
        # Without an address of its own, so that nothing but what the filters send enters its tree.
        before += [f"link set dev {FUNNEL} addrgenmode none", f"link set dev {FUNNEL} up"]
    after = [command for device in faces if device in now.devices for command in _lead(device, now)]
    return Steps(before, after)


def _lead(device: str, now: FunnelState) -> Iterator[str]:
    if device not in now.hooked:
        yield f"qdisc add dev {device} clsact"
    there = now.filters.get(device, ())
    # A filter whose target was deleted names it no more, so it differs although a new one has that name.
    if there == _OURS:
        return
    if there:
        yield _no_filter(device)
    yield (
        f"filter add dev {device} egress pref {PREFERENCE} protocol all handle 1 "
        f"bpf bytecode '{_MARKED}' action mirred egress redirect dev {FUNNEL}"
    )


def _no_filter(device: str) -> str:
    return f"filter del dev {device} egress pref {PREFERENCE}"
