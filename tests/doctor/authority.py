"""Certificates of an authority that only these tests believe."""

from __future__ import annotations

import subprocess
from pathlib import Path


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_TEN_YEARS = ("-days", "3650")


class Authority:
    """Signs; ``ca`` is what a client must be told to believe."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.ca, self._key = folder, folder / "ca.pem", folder / "ca.key"
        made = ("-subj", "/CN=these tests", "-addext", "keyUsage=critical,keyCertSign")
        _openssl("req", "-x509", *_NEW_KEY, *_TEN_YEARS, *made, "-keyout", str(self._key), "-out", str(self.ca))

    def certificate(self, *names: str) -> Path:
        """A PEM file with a key and a certificate for these names."""
        file = self._folder / f"{names[0]}.pem"
        request, signed, extra = (file.with_suffix(end) for end in (".csr", ".crt", ".ext"))
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={names[0]}", "-keyout", str(file), "-out", str(request))
        extra.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names), encoding="ascii")
        signing = ("-in", str(request), "-CA", str(self.ca), "-CAkey", str(self._key), "-extfile", str(extra))
        _openssl("x509", "-req", *signing, *_TEN_YEARS, "-out", str(signed))
        file.write_bytes(file.read_bytes() + signed.read_bytes())
        return file
