"""A real PostgreSQL for tests: Debian's programs, a temporary folder, a unix socket, no network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READY_SECONDS = 30.0
_MAKE = ("-U", "mesh", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")


def find_programs() -> Path:
    """The folder of the newest installed PostgreSQL; a missing one fails the tests with the remedy."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL's programs are missing: apt install postgresql")
    return found[-1].parent


def as_ordinary_user(folder: Path) -> list[str]:
    """The words that run a program as somebody that PostgreSQL accepts: it refuses to run as root.

    Root becomes an ordinary user in a user namespace, which also works where no other user is
    mapped; where those are switched off, root becomes Debian's postgres user.
    """
    if os.geteuid() != 0:
        return []
    nested = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*nested, "true"], capture_output=True, check=False).returncode == 0:
        return nested
    other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    if subprocess.run([*other, "true"], capture_output=True, check=False).returncode == 0:
        shutil.chown(folder, "postgres", "postgres")
        return other
    raise RuntimeError(
        "PostgreSQL does not run as root, and no other user can be had: run the tests as an ordinary user, "
        "or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)"
    )


@contextmanager
def postgresql() -> Iterator[str]:
    """A running server; its URL."""
    programs = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="meshctl-pg-"))
    try:
        user = as_ordinary_user(folder)
        tree = folder / "tree"
        make: list[str | Path] = [
            programs / "initdb",
            "-D",
            tree,
            "-U",
            "mesh",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run([*user, *make], check=True, capture_output=True)
        serve: list[str | Path] = [programs / "postgres", "-D", tree, "-k", folder, "-h", "", "-F"]
        with (folder.parent / f"{folder.name}.log").open("wb") as log:
            server = subprocess.Popen([*user, *serve], stdout=log, stderr=log)
        try:
            _wait_until_ready(programs, folder, server)
            yield f"postgresql+psycopg://mesh@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing here is kept
            server.wait(30)
    finally:
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


def _wait_until_ready(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    asked: list[str | Path] = [programs / "pg_isready", "-q", "-h", folder, "-U", "mesh"]
    deadline = time.monotonic() + _READY_SECONDS
    while subprocess.run(asked, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {(folder.parent / f'{folder.name}.log').read_text()}")
        time.sleep(0.02)
