"""Has all programs of a lab believe its authority as they believe public ones.

The lab's /etc is its own (`meshctl.lab.ground`), with links to the machine's folders; those that say whom to believe
are laid out anew there, so that nothing is written through a link.
"""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path

from meshctl.lab import kernel

ETC = Path("/etc")
BUNDLE = "ca-certificates.crt"

_BROWSER = Path("chromium/policies/managed")
"""Chromium has a list of its own; this is where Debian's reads what else it shall believe."""


def believe(root: Path, etc: Path = ETC) -> None:
    """Add ``root`` to those whom this lab's programs believe: OpenSSL's, GnuTLS's and Chromium."""
    text = root.read_text(encoding="ascii")
    certs = _own(etc, "ssl/certs")
    machine = (certs / BUNDLE).read_text(encoding="utf-8") if (certs / BUNDLE).exists() else ""
    (certs / BUNDLE).unlink(missing_ok=True)
    (certs / BUNDLE).write_text(f"{machine}{text}", encoding="utf-8")
    _free_link(certs, root).write_text(text, encoding="ascii")
    policy = {"CACertificates": [base64.b64encode(ssl.PEM_cert_to_DER_cert(text)).decode("ascii")]}
    (_own(etc, str(_BROWSER)) / "meshctl-lab.json").write_text(json.dumps(policy), encoding="ascii")


def _free_link(certs: Path, root: Path) -> Path:
    """Return where OpenSSL looks for a certificate of that subject (openssl-rehash(1)), among others of the hash."""
    told = kernel.run(["openssl", "x509", "-noout", "-subject_hash", "-in", str(root)]).strip()
    number = 0
    while (link := certs / f"{told}.{number}").is_symlink():
        number += 1
    return link


def _own(etc: Path, folder: str) -> Path:
    """Make a folder of /etc and each above it real ones here, that hold links to what was in them."""
    here = etc
    for part in Path(folder).parts:
        here /= part
        before = here.resolve() if here.is_symlink() else None
        if before is not None:
            here.unlink()
        here.mkdir(exist_ok=True)
        if before is not None and before.is_dir():
            for entry in before.iterdir():
                (here / entry.name).symlink_to(entry)
    return here
