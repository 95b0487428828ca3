"""Whether babeld answers, and what it says of the links and of the way out. Asked only where there is a mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meshctl.agent.babel import BabelError, Dump, dump, gateway_in_use, links, next_hop
from meshctl.agent.health import roster as roster_probe
from meshctl.config import Config
from meshctl.lists import Roster
from meshctl.wire import Fact, LinkState

_FAMILIES: tuple[Literal[4], Literal[6]] = (4, 6)


@dataclass(frozen=True)
class Surroundings:
    """This node's links, the gateway that it uses and the neighbour over which the way there begins.

    ``leads_out`` says whether any route to everywhere is in force, be it to a node that nobody can name.
    """

    links: tuple[LinkState, ...] = ()
    gateway: str | None = None
    via: str | None = None
    leads_out: bool = False


async def examine_mesh(config: Config, roster: Roster | None, fault: str) -> tuple[dict[str, Fact], Surroundings]:
    """Return the facts ``roster`` and ``babel``, and what is around; nothing for a node without a mesh.

    ``roster`` is the one in force, ``fault`` why another was refused.
    """
    if not config.mesh.devices:
        return {}, Surroundings()
    answers, around = await survey(config.mesh.babel_port, roster or Roster(0), config.node.name)
    return {"roster": roster_probe.believed(config, roster, fault), "babel": answers}, around


async def survey(port: int, roster: Roster, own_name: str) -> tuple[Fact, Surroundings]:
    """Ask babeld; the fact counts the nodes of the roster that it hears."""
    try:
        seen = await dump(port)
    except BabelError as fault:
        return Fact(ok=False, error=str(fault)[:500]), Surroundings()
    found = links(seen, roster, own_name)
    around = Surroundings(found, gateway_in_use(seen, roster), next_hop(seen, roster), _leads_out(seen))
    heard = {link.to for link in found if link.reach > 0}
    return Fact(ok=True, value=len(heard), unit="nodes heard"), around


def _leads_out(seen: Dump) -> bool:
    return any(seen.announces_default(version) or seen.default_route(version) is not None for version in _FAMILIES)
