"""Deploy to a booted Debian 12 and join through it: `make test-deploy`. Needs root, and Debian's package names below.

Downloads first, into a cache; the story itself runs in namespaces that vanish with it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path

from tests.deploy.image import cache_folder, fetch_image
from tests.deploy.steps import StepError, run, step

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENT = PROJECT / ".venv.deploy"
PROGRAMS = {
    "babeld": "babeld",
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "apt-ftparchive": "apt-utils",
    "busybox": "busybox",
    "dnsmasq": "dnsmasq-base",
    "ip": "iproute2",
    "ping": "iputils-ping",
    "ssh": "openssh-client",
    "curl": "curl",
    "unshare": "util-linux",
}
_PREFIX = "meshctl-deploy-"


def main() -> int:
    """Exit codes: 0 every claim holds, 1 one does not or something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stay", action="store_true", help="leave the machine up until Ctrl-C")
    parser.add_argument("--no-lint", action="store_true", help="leave ansible-lint out")
    arguments = parser.parse_args()
    begun = time.monotonic()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        _need_programs()
        _clear_left_overs()
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
            code = _prepare_and_tell(Path(name), arguments)
    except StepError as fault:
        sys.stderr.write(f"test-deploy: {fault}\n")
        code = 1
    except KeyboardInterrupt:
        code = 1
    sys.stdout.write(f"{'every claim holds' if code == 0 else 'FAILED'}, {time.monotonic() - begun:.0f} s in all\n")
    return code


def _prepare_and_tell(folder: Path, arguments: argparse.Namespace) -> int:
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    python = _deploy_python()
    with step("pack the application and its wheels"):
        run([python, str(PROJECT / "ansible" / "bundle.py"), "--output", str(folder / "bundle")], timeout=300)
    if not arguments.no_lint:
        with step("ansible-lint, production profile"):
            _lint(python, folder)
    image = fetch_image(cache_folder())
    story = [python, "-m", "tests.deploy.inside", f"--folder={folder}", f"--bundles={folder / 'bundle'}"]
    story += [
        f"--python={sys.executable}",
        f"--root={image.root}",
        f"--packages={image.packages}",
        *(["--stay"] if arguments.stay else []),
    ]
    return _tell(story)


def _tell(story: list[str]) -> int:
    # When this process dies, by whatever hand, the kernel ends the story and all that it raised.
    jail = ["setpriv", "--pdeathsig=KILL", "unshare", "--fork", "--kill-child=SIGKILL"]
    jail += ["--mount", "--net", "--pid", "--uts", "--ipc", "--mount-proc"]
    with subprocess.Popen([*jail, "--", *story], cwd=PROJECT) as told:
        try:
            return told.wait()
        finally:
            told.kill()


def _need_programs() -> None:
    if os.geteuid() != 0:
        raise StepError("systemd-nspawn boots a machine for root only. Run: sudo make test-deploy")
    packages = sorted(package for program, package in PROGRAMS.items() if shutil.which(program) is None)
    if not packages:
        return
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    with step(f"install {', '.join(packages)}"):
        try:
            run(["apt-get", "update"], timeout=300)
            run(install, timeout=600)
        except (StepError, OSError) as fault:
            raise StepError(f"cannot install what is missing. Run: {' '.join(install)}\n{fault}") from fault


def _deploy_python() -> str:
    """Return the Python of Ansible's own environment, made now if it is not as pyproject.toml says."""
    wanted = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    stamp, python = ENVIRONMENT / ".made-for", ENVIRONMENT / "bin" / "python"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == str(wanted["deploy"]):
        return str(python)
    with step("install Ansible into its own environment, once"):
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        run([str(python), "-m", "pip", "install", "--quiet", *wanted["deploy"]], timeout=600)
        stamp.write_text(str(wanted["deploy"]), encoding="utf-8")
    return str(python)


def _lint(python: str, folder: Path) -> None:
    here = {"ANSIBLE_HOME": str(folder / "lint"), "PATH": f"{Path(python).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [python, "-m", "ansiblelint", "--offline", "--nocolor", "--profile=production", "--project-dir=.", "."],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT / "ansible",
        env={**os.environ, **here},
    )
    if done.returncode != 0:
        raise StepError(f"ansible-lint\n{done.stdout}{done.stderr}")


def _clear_left_overs() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # another run is at work in it
        finally:
            os.close(handle)


if __name__ == "__main__":
    sys.exit(main())
