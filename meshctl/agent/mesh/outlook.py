"""What `meshctl status` says of this node among the others: counts and names of nodes, never a device."""

from __future__ import annotations

from typing import Any

from meshctl.agent.mesh.announcer import Announcer
from meshctl.agent.mesh.held import Lists
from meshctl.agent.mesh.keyring import Keyring
from meshctl.agent.mesh.leases import Leases
from meshctl.agent.mesh.membership import Membership
from meshctl.agent.mesh.sessions import Sessions


def outlook(
    lists: Lists, sessions: Sessions, ring: Keyring, membership: Membership, announcer: Announcer, leases: Leases
) -> dict[str, Any]:
    """Return it as plain values."""
    key = ring.keys.current
    return {
        **lists.versions(),
        "enrolled": lists.own is not None,
        "fault": lists.fault,
        "peers": sessions.standing(),
        "day_key": key.name if key else None,
        "day_keys": len(ring.keys),
        "remembered": len(membership.roaming.records),
        "announced": {name: len(told) for name, told in announcer.told.items()},
        "leases": leases.count(),
        "refused": {**sessions.refused, **({"out-of-prefix": leases.outside} if leases.outside else {})},
    }
