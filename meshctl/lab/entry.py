"""The words that make a lab's namespaces, and those that enter them again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

from meshctl.lab.fault import LabError
from meshctl.lab.kernel import SYSTEM_PATH
from meshctl.lab.launch import PROGRAMS
from meshctl.lab.needs import check_user_namespaces
from meshctl.lab.privilege import may_make_namespaces

_BASE = ("--fork", "--kill-child", "--mount", "--net", "--pid", "--mount-proc")
_STAY = 'cd "$1" 2>/dev/null; shift; exec "$@"'


@cache
def unshare_words() -> tuple[str, ...]:
    """`unshare` with what this user needs. Raises `LabError` where it cannot work, with the remedy."""
    if may_make_namespaces():
        return ("unshare", *_BASE)
    check_user_namespaces()
    for users in (("--map-root-user", "--map-auto"), ("--map-root-user",)):
        words = ("unshare", "--user", *users, *_BASE)
        code, told = _try(words)
        if code == 0:
            return words
    raise LabError(f"namespaces cannot be made here: {told}. Run this as root, or in a virtual machine.")


def separation_note() -> str:
    """Why an ordinary user's lab has one user only, and what would help."""
    user = os.environ.get("USER") or str(os.getuid())
    return (
        f"privilege separation is not exercised here: {user} has no subordinate users. With the package uidmap, "
        f"`sudo usermod --add-subuids 200000-265535 --add-subgids 200000-265535 {user}` gives them."
    )


def enter_words(init: int, member: str | None, argv: Sequence[str]) -> list[str]:
    """A command in the namespaces of the lab whose first process is ``init``, and of a member.

    An ordinary user is the lab's root by its map of users; where it has only him, changing groups is refused.
    """
    user = () if may_make_namespaces() else ("--user", "--preserve-credentials")
    words = ["nsenter", "--target", str(init), *user, "--mount", "--net", "--pid", "--"]
    words += ["env", f"PATH={PROGRAMS}:{SYSTEM_PATH}"]
    if member is not None:
        words += ["ip", "netns", "exec", member]
    return [*words, "sh", "-c", _STAY, "sh", os.getcwd(), *argv]  # noqa: PTH109  # as text


def system_environment() -> dict[str, str]:
    """This process's environment with the system's programs on PATH."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"}


def _try(words: Sequence[str]) -> tuple[int, str]:
    import subprocess  # noqa: PLC0415  # only an ordinary user gets here

    done = subprocess.run(
        [*words, "true"], capture_output=True, text=True, check=False, env=system_environment(), timeout=20
    )
    return done.returncode, done.stderr.strip()
