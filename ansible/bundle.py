"""Pack meshctl and everything it needs into one folder, so that a board needs no package index.

The folder holds ``wheels.tar`` and ``RELEASE``, the name of what is inside: version and a digest of
the wheels, so that the same sources always carry the same name. Standard library and pip only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
GLIBC = ("manylinux_2_28", "manylinux2014")
"""Platforms that Debian 12 (glibc 2.36) runs and that wheels are published for."""
ARCHITECTURES = ("aarch64", "x86_64")


class BundleError(Exception):
    """The bundle cannot be made; the text says why and what to do."""


def main() -> int:
    """Make the bundle. Exit codes: 0 made, 1 it failed."""
    arguments = _arguments()
    folder = arguments.output / f"py{arguments.python.replace('.', '')}-{arguments.arch}"
    try:
        release = make_bundle(folder, arguments.python, arguments.arch)
    except BundleError as fault:
        sys.stderr.write(f"bundle: {fault}\n")
        return 1
    sys.stdout.write(f"{folder}: release {release}\n")
    return 0


def make_bundle(folder: Path, python: str, arch: str) -> str:
    """Fill ``folder`` for that Python and processor; return the release's name."""
    with tempfile.TemporaryDirectory(prefix="meshctl-bundle-") as scratch:
        wheels = Path(scratch)
        _pip("wheel", "--no-deps", "--wheel-dir", scratch, str(PROJECT))
        (own,) = wheels.glob("meshctl-*.whl")
        version = own.name.split("-")[1]
        _pip("download", "--dest", scratch, *_target(python, arch), f"meshctl[hub] @ {own.as_uri()}")
        release = f"{version}-{_digest(wheels)}"
        folder.mkdir(parents=True, exist_ok=True)
        _pack(wheels, folder / "wheels.tar")
        (folder / "RELEASE").write_text(release + "\n", encoding="utf-8")
    return release


def _target(python: str, arch: str) -> list[str]:
    digits = python.replace(".", "")
    abis = [flag for abi in (f"cp{digits}", "abi3", "none") for flag in ("--abi", abi)]
    platforms = [flag for glibc in GLIBC for flag in ("--platform", f"{glibc}_{arch}")]
    return ["--only-binary=:all:", "--python-version", python, "--implementation", "cp", *abis, *platforms]


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    # A wheel made twice from the same sources must be the same bytes (reproducible-builds.org).
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "SOURCE_DATE_EPOCH": "1577836800"}
    )
    if done.returncode != 0:
        raise BundleError(f"pip {words[0]} failed; is the package index reachable?\n{done.stderr.strip()}")


def _digest(wheels: Path) -> str:
    whole = hashlib.sha256()
    for wheel in sorted(wheels.iterdir()):
        whole.update(wheel.name.encode() + hashlib.sha256(wheel.read_bytes()).digest())
    return whole.hexdigest()[:10]


def _pack(wheels: Path, archive: Path) -> None:
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, "w") as tar:
        for wheel in sorted(wheels.iterdir()):
            tar.add(wheel, arcname=wheel.name)
    partial.replace(archive)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    machine = platform.machine()
    parser.add_argument("--python", default="3.11", help="the boards' Python; Debian 12 has 3.11, Debian 13 has 3.13")
    parser.add_argument("--arch", default=machine, choices=ARCHITECTURES, help="a 64-bit Raspberry Pi is aarch64")
    parser.add_argument("--output", type=Path, default=PROJECT / "dist" / "bundle")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
