"""A booted Debian 12 that a volunteer reaches over ssh, with a power cord to pull."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.deploy.image import VOLUNTEER, Image
from tests.deploy.steps import StepError, claim, last_lines, run, until
from tests.deploy.street import BOARD_MANAGEMENT


class Machine:
    """The card is an overlay: what is written lands in ``written`` and stays through power cuts."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.image, self.folder = image, folder
        self.written, self.root, self.key = folder / "written", folder / "root", folder / "key"
        self._nspawn: subprocess.Popen[bytes] | None = None

    def flash(self) -> None:
        """Make the card, with the volunteer's ssh key on it."""
        for part in (self.written, self.root, self.folder / "overlay"):
            part.mkdir()
        layers = f"lowerdir={self.image.root},upperdir={self.written},workdir={self.folder / 'overlay'}"
        run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)])
        # A card is flashed long after its image was made: what its apt knows is old.
        os.utime(self.root / "var/lib/apt/lists", (0, 0))
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)])
        keys = self.root / "home" / VOLUNTEER / ".ssh"
        keys.mkdir(mode=0o700)
        shutil.copy(self.key.with_suffix(".pub"), keys / "authorized_keys")
        home = keys.parent.stat()
        for path in (keys, keys / "authorized_keys"):
            os.chown(path, home.st_uid, home.st_gid)

    def boot(self) -> str:
        """Turn the power on; return systemd's word for the state it reached."""
        command = [
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--boot",
            "--machine=board",
            "--capability=CAP_NET_ADMIN",
            "--network-namespace-path=/run/netns/board",
            f"--bind-ro={self.image.packages}:/srv/packages",
            f"--directory={self.root}",
        ]
        # Otherwise the kernel's network settings are read-only in there.
        environment = {**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
        with (self.folder / "console.log").open("ab") as console:
            self._nspawn = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment
            )
        until(self._leader, bool, "the machine starts")
        ask = ["systemctl", "is-system-running", "--wait"]
        state = until(
            lambda: self.inside(*ask, check=False).strip(),
            lambda word: word in ("running", "degraded"),
            "systemd is up",
            60,
        )
        claim(
            state == "running", f"systemd is {state}: {self.inside('systemctl', '--failed', '--no-legend', '--plain')}"
        )
        until(lambda: self.ssh("echo", "ready", check=False), lambda answer: "ready" in answer, "ssh answers")
        return state

    def cut_power(self) -> None:
        """Stop everything between two instructions; what was not yet written is lost."""
        claim(self._nspawn is not None, "the machine runs")
        assert self._nspawn is not None
        os.kill(int(self._leader()), signal.SIGKILL)
        self._nspawn.wait(timeout=20)

    def inside(self, *command: str, check: bool = True) -> str:
        """Run a program on the machine as root, past ssh."""
        return run(["nsenter", "-t", self._leader(), "-m", "-u", "-i", "-n", "-p", "--", *command], check=check)

    def ssh(self, *command: str, check: bool = True) -> str:
        """Run a program on the machine as the volunteer, over ssh."""
        return run(["ssh", *self.ssh_options(), f"{VOLUNTEER}@{BOARD_MANAGEMENT}", *command], check=check)

    def ssh_options(self) -> list[str]:
        """Return options that trust this throw-away machine and know only its key."""
        strict = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        return ["-F", "/dev/null", *strict, "-o", "IdentitiesOnly=yes", "-i", str(self.key)]

    def _leader(self) -> str:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            console = (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")
            raise StepError(f"the machine ended; its console said:\n{last_lines(console)}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text(encoding="ascii")
        return children.split()[0] if children.split() else ""
