"""Runs a command in fresh namespaces that end with it: `python -m meshctl.lab.jail -- COMMAND …`.

Whatever namespaces, links, tables and processes the command makes, nothing of it is left, for root
and for an ordinary user alike. Files outside /run and /etc are the host's own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from meshctl.lab import kernel
from meshctl.lab.entry import separation_note, system_environment, unshare_words
from meshctl.lab.ground import lay_ground
from meshctl.lab.needs import missing
from meshctl.lab.privilege import may_make_namespaces, privileges
from meshctl.lab.shelter import PACKAGE, needed
from meshctl.model import MeshctlError

_INSIDE = "--inside"


def outside(argv: Sequence[str]) -> int:
    """Make the namespaces and return the command's exit code. Raises `LabError` where they cannot be made."""
    missing(["unshare", "nsenter", "setpriv", "ip", *([] if may_make_namespaces() else ["newuidmap"])])
    words = [*unshare_words(), sys.executable, "-m", "meshctl.lab.jail", _INSIDE, str(Path.cwd()), *argv]
    environment = system_environment()
    path = [str(PACKAGE.parent), *filter(None, [environment.get("PYTHONPATH")])]
    child = subprocess.Popen(words, env={**environment, "PYTHONPATH": os.pathsep.join(path)})
    # The command in the same terminal hears Ctrl-C itself and decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    return _shell_code(child.wait())


def inside(folder: str, argv: Sequence[str]) -> int:
    """As the first process of the namespaces: lay the ground, run the command, reap whatever loses its parent."""
    lay_ground([path for path in (*needed(Path(folder)), Path(folder)) if path.exists()])
    if not privileges(Path("/proc/self/uid_map").read_text(encoding="ascii")).separated:
        sys.stderr.write(separation_note() + "\n")
    os.chdir(folder)
    child = os.posix_spawnp(argv[0], list(argv), dict(os.environ), setsigdef=(signal.SIGPIPE, signal.SIGINT))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        pid, status = os.wait()
        if pid == child:
            return _shell_code(os.waitstatus_to_exitcode(status))


def _shell_code(code: int) -> int:
    return code if code >= 0 else 128 - code


def main(argv: Sequence[str]) -> int:
    """Run what the command line says; 125 where the jail itself fails."""
    try:
        if argv[:1] == [_INSIDE]:
            kernel.die_with_parent(signal.SIGKILL)
            return inside(argv[1], argv[2:])
        command = argv[1:] if argv[:1] == ["--"] else argv
        if not command:
            sys.stderr.write("usage: python -m meshctl.lab.jail -- COMMAND …\n")
            return 2
        return outside(command)
    except (MeshctlError, OSError) as fault:
        sys.stderr.write(f"jail: {fault}\n")
        return 125


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
