"""Where a lab lives on the host: one folder by user and name, and a lock that dies with the lab."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meshctl.lab.fault import LabError
from meshctl.lab.topology import is_member_name


@dataclass(frozen=True)
class Place:
    """The folder of one lab. While the lab lives, its supervisor holds `lock`."""

    folder: Path

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.folder.name

    @property
    def lock(self) -> Path:
        """The file that is locked while the lab lives."""
        return self.folder.parent / f"{self.name}.lock"

    @property
    def control(self) -> Path:
        """The supervisor's socket."""
        return self.folder / "control.sock"

    @property
    def status(self) -> Path:
        """What is known of the lab without asking it; no hardware address."""
        return self.folder / "lab.json"

    @property
    def topology(self) -> Path:
        """The lab's own copy of its topology."""
        return self.folder / "topology.toml"

    @property
    def logs(self) -> Path:
        """One bounded file by service."""
        return self.folder / "log"


def place_of(name: str) -> Place:
    """Where the lab of that name lives or would live. Raises `LabError`."""
    if not is_member_name(name):
        raise LabError(f"{name!r} is not a lab name: use 1 to 24 lower-case letters, digits and inner hyphens.")
    return Place(_base() / name)


def places() -> list[Place]:
    """All labs of this user that live or left something."""
    base = _base()
    found = {entry.name for entry in base.iterdir() if entry.is_dir()}
    found |= {entry.stem for entry in base.glob("*.lock")}
    return [Place(base / name) for name in sorted(found)]


def claim(place: Place) -> int:
    """Lock the place and return the descriptor that holds it. Raises `LabError` where a lab lives."""
    while True:
        descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise LabError(
                f"the lab {place.name!r} is running: `meshctl lab status --name {place.name}` shows it, "
                f"`meshctl lab down {place.name}` ends it, `--name OTHER` raises a second one."
            ) from None
        if _is_still(place.lock, descriptor):
            return descriptor
        os.close(descriptor)


def lives(place: Place) -> bool:
    """Whether a lab lives there."""
    try:
        descriptor = os.open(place.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def clear(place: Place, *, keep_lock: bool = False) -> None:
    """Remove what a dead lab left. The caller holds the lock or knows that nobody does."""
    if place.folder.exists():
        shutil.rmtree(place.folder, ignore_errors=True)
    if place.folder.exists():
        # An ordinary user's lab leaves files of his subordinate users: only a namespace like its own may remove them.
        argv = ["unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", "--", str(place.folder)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if place.folder.exists():
            raise LabError(f"{place.folder} cannot be removed: {done.stderr.strip()}")
    if not keep_lock:
        place.lock.unlink(missing_ok=True)


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for a socket that fits into 108 bytes however long its folder's path is."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def connect(place: Place) -> socket.socket:
    """A connection to the lab's supervisor. Raises `LabError` where none answers."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    channel.settimeout(30)
    try:
        with short_path(place.control) as name:
            channel.connect(name)
    except OSError as fault:
        channel.close()
        if lives(place):
            raise LabError(f"the lab {place.name!r} does not answer yet: {fault.strerror}.") from fault
        raise LabError(f"no lab {place.name!r} is running: `meshctl lab up` raises one.") from None
    return channel


def _is_still(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _base() -> Path:
    """This user's folder of labs. Raises `LabError` where it is somebody else's."""
    folder = Path(tempfile.gettempdir()).resolve() / f"meshctl-lab-{_outer_user()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise LabError(f"{folder} is not a folder of yours alone: remove it, or set TMPDIR to another folder.")
    if stat.S_IMODE(state.st_mode) != 0o755:
        folder.chmod(0o755)
    return folder


def _outer_user() -> int:
    """This user's number outside of its user namespace: whoever is root of a jail keeps a folder of his own."""
    user = os.geteuid()
    for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines():
        first, outer, length = (int(word) for word in line.split())
        if first <= user < first + length:
            return outer + user - first
    return user
