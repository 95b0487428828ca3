"""Which user and which capabilities a service gets, as the systemd units on a board say it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROLES = ("agent", "portal", "watch", "hub", "dnsmasq", "babeld")
CAPABILITIES: dict[str, tuple[str, ...]] = {
    "agent": ("net_admin",),
    "watch": ("net_raw",),
    "portal": (),
    "hub": (),
    "dnsmasq": ("net_bind_service", "net_admin", "net_raw"),
    "babeld": ("net_admin",),
}
_FIRST_USERS = (61101, 1101, 101)
CAP_SYS_ADMIN = 21


@dataclass(frozen=True)
class Privileges:
    """Numeric users by role. ``separated`` is false where this namespace has only one user."""

    users: dict[str, int]
    separated: bool

    def command(self, role: str) -> tuple[str, ...]:
        """The words before a service's own that leave it what its role may do, and nothing else."""
        kept = ",".join(["-all", *(f"+{name}" for name in CAPABILITIES[role])])
        words = ["setpriv"]
        if self.separated:
            user = str(self.users[role])
            words += ["--reuid", user, "--regid", user, "--clear-groups"]
        words += ["--inh-caps", kept, "--ambient-caps", kept, "--bounding-set", kept, "--no-new-privs", "--"]
        return tuple(words)


def privileges(uid_map: str) -> Privileges:
    """What the map of users of this namespace allows (user_namespaces(7), /proc/self/uid_map)."""
    spans = [tuple(int(word) for word in line.split()) for line in uid_map.splitlines()]
    for first in _FIRST_USERS:
        wanted = range(first, first + len(ROLES))
        if all(any(start <= uid < start + length for start, _, length in spans) for uid in wanted):
            return Privileges(dict(zip(ROLES, wanted, strict=True)), separated=True)
    return Privileges(dict.fromkeys(ROLES, 0), separated=False)


def may_make_namespaces() -> bool:
    """Whether this process may make network namespaces without a user namespace of its own."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return os.geteuid() == 0 and bool(int(line.split()[1], 16) >> CAP_SYS_ADMIN & 1)
    return False


def owns_machine(uid_map: str | None = None) -> bool:
    """Whether this process's users are the machine's own, outside of any user namespace (user_namespaces(7))."""
    text = Path("/proc/self/uid_map").read_text(encoding="ascii") if uid_map is None else uid_map
    return text.split() == ["0", "0", "4294967295"]
