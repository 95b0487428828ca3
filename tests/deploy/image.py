"""A Debian 12 as a fresh SD card holds it, and the packages that the roles will ask apt for. Both are cached."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.steps import StepError, last_lines, run, step

SUITE = "bookworm"
ON_THE_CARD = (
    "ca-certificates dbus iproute2 iputils-ping netbase openssh-server procps python3 python3-apt sudo systemd"
    " systemd-sysv udev"
)
ASKED_FOR = "babeld conntrack dnsmasq-base ethtool nftables python3-venv"
"""What the roles install. The machine has no way out, so apt finds these and what they need in a folder."""

VOLUNTEER = "volunteer"


@dataclass(frozen=True)
class Image:
    """``root`` is never written to; ``packages`` is an apt repository."""

    root: Path
    packages: Path


def cache_folder() -> Path:
    """Return where downloads are kept between runs."""
    chosen = os.environ.get("MESHCTL_DEPLOY_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meshctl" / "deploy"


def fetch_image(cache: Path) -> Image:
    """Return the image, made now if the cache has none that was made by this file as it stands."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:10]
    folder = cache / f"{SUITE}-{key}"
    image = Image(folder / "root", folder / "packages")
    if folder.is_dir():
        return image
    partial = cache / f"{SUITE}-{key}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "packages").mkdir(parents=True)
    with step("fetch Debian 12 and the packages, once"):
        _make_root(partial / "root", partial / "packages")
        _index(partial / "packages")
        partial.rename(folder)
    for older in set(cache.glob(f"{SUITE}-*")) - {folder}:
        shutil.rmtree(older, ignore_errors=True)
    return image


def _make_root(root: Path, packages: Path) -> None:
    fetch = f"apt-get install --download-only --yes --no-install-recommends {ASKED_FOR}"
    sudoers = f"{VOLUNTEER} ALL=(ALL) NOPASSWD: ALL"
    hooks = [
        f'chroot "$1" {fetch}',
        'cp "$1"/var/cache/apt/archives/*.deb "$PACKAGES"/',
        f'chroot "$1" useradd --create-home --shell /bin/bash {VOLUNTEER}',
        f'echo "{sudoers}" > "$1"/etc/sudoers.d/{VOLUNTEER}',
        'rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/resolv.conf',
        'echo "deb [trusted=yes] file:/srv/packages ./" > "$1"/etc/apt/sources.list',
        # A name server that does not answer costs every login ten seconds; this machine has none.
        ': > "$1"/etc/resolv.conf; echo board > "$1"/etc/hostname',
        'printf "127.0.0.1 localhost\\n127.0.1.1 board\\n::1 localhost\\n" > "$1"/etc/hosts',
    ]
    options = [f"--customize-hook={hook}" for hook in hooks]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={ON_THE_CARD.replace(' ', ',')}", *options]
    done = subprocess.run(
        [*command, SUITE, str(root)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PACKAGES": str(packages)},
    )
    if done.returncode != 0:
        raise StepError(f"mmdebstrap failed; is Debian's mirror reachable?\n{last_lines(done.stderr)}")


def _index(packages: Path) -> None:
    listing = run(["sh", "-c", 'cd "$1" && apt-ftparchive packages .', "sh", str(packages)])
    (packages / "Packages").write_text(listing, encoding="utf-8")
    release = run(["sh", "-c", 'cd "$1" && apt-ftparchive release .', "sh", str(packages)])
    (packages / "Release").write_text(release, encoding="utf-8")
