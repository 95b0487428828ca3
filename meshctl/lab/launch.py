"""The words that start a program in a member's namespaces, with a service's rights or with all of the lab's."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from meshctl.lab.ground import ROOM
from meshctl.lab.kernel import SYSTEM_PATH
from meshctl.lab.privilege import Privileges
from meshctl.lab.shelter import PACKAGE

PROGRAMS = ROOM / "bin"


@dataclass(frozen=True)
class Launcher:
    """How services start in this lab. ``shelter`` is the process that holds their mount namespace."""

    privileges: Privileges
    shelter: int | None = None

    def service(self, member: str, role: str, *argv: str) -> tuple[str, ...]:
        """A service of a node, with the rights of its role."""
        sheltered = ("nsenter", f"--mount=/proc/{self.shelter}/ns/mnt", "--") if self.shelter else ()
        return (*sheltered, *in_member(member, *self.privileges.command(role), *argv))

    def dnsmasq(self) -> tuple[str, ...]:
        """Dnsmasq in the foreground; where there is one user only, it must not try to become another."""
        mode = "--keep-in-foreground" if self.privileges.separated else "--no-daemon"
        return ("dnsmasq", mode, "--pid-file=", "--log-facility=-")

    def environment(self, cache: str = "/nonexistent") -> dict[str, str]:
        """What a service finds in its environment; ``cache`` is the only folder it may litter."""
        return {
            "PATH": f"{PROGRAMS}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "HOME": cache,
            "XDG_CACHE_HOME": cache,
            "XDG_CONFIG_HOME": cache,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(PACKAGE.parent),
        }


def in_member(member: str, *argv: str) -> tuple[str, ...]:
    """A command in a member's network namespace, with its /etc and /sys."""
    return ("ip", "netns", "exec", member, *argv)


def meshctl(*verbs: str) -> tuple[str, ...]:
    """A verb of meshctl, by the interpreter that runs the lab."""
    return (sys.executable, "-m", "meshctl", *verbs)


def python(module: str, *words: str) -> tuple[str, ...]:
    """A module of the lab, by the same interpreter."""
    return (sys.executable, "-m", module, *words)
