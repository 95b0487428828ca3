"""A certificate authority for trying things out: a root that a lab's members believe, and an issuer under it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from meshctl.lab import kernel

_CONFIG = """[ca]
default_ca = issuer
[issuer]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{more}
"""

EVER = datetime(2049, 12, 31, tzinfo=UTC)
_ONCE = datetime(2020, 1, 1, tzinfo=UTC)


class Authority:
    """Keys and certificates in ``folder``; ``root`` is what others may believe, its issuer is valid till ``ends``."""

    def __init__(self, folder: Path, ends: datetime = EVER) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.root = folder / "root.pem"
        (folder / "index").touch()
        self._request("root", "a lab's root")
        self._sign("root", "root", "authority", (_ONCE, EVER), "")
        self._request("issuer", "a lab's issuer")
        self._sign("issuer", "root", "authority", (_ONCE, ends), "")

    def issue(
        self, name: str, certificate: Path, key: Path, ends: datetime = EVER, *,
        begins: datetime = _ONCE, owner: int | None = None, others: Sequence[str] = (), more: str = "",
    ) -> None:  # fmt: skip
        """Put a server's certificate with its chain, and its key, where they are wanted, each whole at once.

        It is for the names ``others`` too. The key is for ``owner`` alone. ``more`` are further lines of openssl's
        x509v3_config(5).
        """
        self._request("server", name)
        names = ",".join(f"DNS:{one}" for one in (name, *others))
        self._sign("server", "issuer", "server", (begins, ends), f"subjectAltName = {names}\n{more}")
        chain = self.leaf() + (self._folder / "issuer.pem").read_text(encoding="ascii")
        _put(key, (self._folder / "server.key").read_text(encoding="ascii"), 0o600, owner)
        _put(certificate, chain, 0o644, owner)

    def leaf(self) -> str:
        """Return the last server's certificate alone, without its issuer's."""
        return (self._folder / "server.pem").read_text(encoding="ascii")

    def _request(self, what: str, name: str) -> None:
        """Make a key and ask for a certificate."""
        words = "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        key, request = str(self._folder / f"{what}.key"), str(self._folder / f"{what}.csr")
        kernel.run(["openssl", *words.split(), "-subj", f"/CN={name}", "-keyout", key, "-out", request])

    def _sign(self, what: str, by: str, kind: str, span: tuple[datetime, datetime], more: str) -> None:
        config = self._folder / "openssl.cnf"
        config.write_text(_CONFIG.format(folder=self._folder, more=more), encoding="ascii")
        begins, ends = (one.astimezone(UTC).strftime("%Y%m%d%H%M%SZ") for one in span)
        signer = ["-selfsign"] if what == by else ["-cert", str(self._folder / f"{by}.pem")]
        words = [
            "-batch",
            "-notext",
            "-config",
            str(config),
            "-extensions",
            kind,
            "-startdate",
            begins,
            "-enddate",
            ends,
        ]
        files = ["-in", str(self._folder / f"{what}.csr"), "-out", str(self._folder / f"{what}.pem")]
        kernel.run(["openssl", "ca", *words, *signer, "-keyfile", str(self._folder / f"{by}.key"), *files])


def _put(file: Path, text: str, mode: int, owner: int | None) -> None:
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, encoding="ascii")
    beside.chmod(mode)
    if owner is not None:
        os.chown(beside, owner, owner)
    beside.rename(file)
