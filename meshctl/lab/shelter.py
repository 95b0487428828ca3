"""Lets users without rights start our programs although these lie below a private folder.

A checkout in a home of mode 0700 cannot be reached by a service's own user. For the services only,
a mount namespace covers each such folder with an empty one that is open to all, and binds back
nothing but the interpreter, its packages, the meshctl package and the lab's folder.
"""

from __future__ import annotations

import json
import signal
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import meshctl
from meshctl import service
from meshctl.lab.fault import LabError
from meshctl.lab.ground import cover

PACKAGE = Path(meshctl.__file__).resolve().parent


def needed(folder: Path) -> list[Path]:
    """The folders that a service must reach, besides the system's."""
    paths = [PACKAGE, Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_exec_prefix), folder]
    resolved = {path for one in paths for path in (one, one.resolve())}
    system = Path("/usr")
    return sorted(path for path in resolved if path != system)


def closed_ancestors(paths: Iterable[Path]) -> list[Path]:
    """The outermost folders above ``paths`` that others may not traverse."""
    closed = set()
    for path in paths:
        for ancestor in reversed(path.parents):
            if not ancestor.stat().st_mode & 0o001:
                closed.add(ancestor)
                break
    return sorted(closed)


def check_readable() -> None:
    """Raise `LabError` where the files themselves are private, which no mount can help."""
    packages = Path(sysconfig.get_path("purelib"))
    for top, entries in ((PACKAGE, PACKAGE.rglob("*.py")), (packages, packages.iterdir())):
        for path in (top, *entries):
            wanted = 0o005 if path.is_dir() else 0o004
            if path.stat().st_mode & wanted != wanted:
                raise LabError(
                    f"{path} cannot be read by the services' own users: `chmod -R go+rX '{top}'` opens it "
                    f"(a umask of 077 at clone or install time made it private)."
                )


def hold(closed: list[Path], keep: list[Path]) -> None:
    """Make the shelter in this mount namespace, say so, and keep it until told to end."""
    for folder in closed:
        cover(folder, keep)
    service.notify("READY=1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    _closed, _keep = (list(map(Path, paths)) for paths in json.loads(sys.argv[1]))
    hold(_closed, _keep)
