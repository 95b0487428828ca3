"""The positive control: plant a made-up address where such things hide, and find every one.

Without it "nothing found" could mean that nothing can be found.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import secrets
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from meshctl.privacy.findings import Findings
from meshctl.privacy.forms import common_texts, ip_texts, of_address
from meshctl.privacy.matcher import Matcher
from meshctl.privacy.needles import ScanError
from meshctl.privacy.tree import Scan

_IN_RAM = Path("/dev/shm")  # noqa: S108  # a scratch folder of its own is made in it
_LIMIT = 1 << 24


def control() -> tuple[int, list[str]]:
    """Return how many traces were planted, and which of them were missed."""
    octets = bytes([0x02, *secrets.token_bytes(5)])
    with tempfile.TemporaryDirectory(dir=_IN_RAM if os.access(_IN_RAM, os.W_OK) else None) as folder:
        expected = {**_plant_files(Path(folder), octets), **_plant_database(Path(folder), octets)}
        findings = Findings()
        matcher = Matcher(of_address("the planted address", octets, ()))
        Scan(matcher, findings, _LIMIT, lambda _: None).tree(folder)
        missed = [what for what, (file, signs) in expected.items() if not _found(findings, f"{folder}/{file}", *signs)]
    return len(expected), missed


def check() -> int:
    """Return how many planted traces were found. Raises `ScanError` unless that is all of them."""
    planted, missed = control()
    if missed:
        raise ScanError(f"the control missed what it had planted, so no scan can be trusted: {', '.join(missed)}")
    return planted


def _found(findings: Findings, file: str, *signs: str) -> bool:
    """Say whether one finding in the file bears all the signs: its form, what it lies within, its place."""
    for one in findings.of_file(file):
        said = [one.form, one.within, *(str(place.get("where", "")) for place in one.places)]
        if all(any(sign in text for text in said) for sign in signs):
            return True
    return False


def _plant_files(folder: Path, octets: bytes) -> dict[str, tuple[str, tuple[str, ...]]]:
    colons = common_texts(octets)["colons"]
    eight = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    files = {
        "colons": f"joined {colons} at 10\n".encode(),
        "hyphens": f"joined {colons.replace(':', '-').upper()}\n".encode(),
        "UTF-16-LE": f"joined {colons}".encode("utf-16-le"),
        "base64": base64.b64encode(b"xy" + octets + b"z"),
        "raw": b"\x80" + octets + b"\x80",
        "EUI-64": f"fe80::{ip_texts(eight)[1]}%lan0".encode(),
        "sha256": hashlib.sha256(colons.encode()).hexdigest().encode(),
        "gzip": gzip.compress(os.urandom(4096).hex().encode() + colons.encode()),
        "its name": b"",
    }
    names = {form: f"log.{number}" for number, form in enumerate(files)} | {"its name": f"of {colons}"}
    for form, content in files.items():
        (folder / names[form]).write_bytes(content)
    return {f"a file, {form}": (names[form], (form,)) for form in files}


def _plant_database(folder: Path, octets: bytes) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Leave the address in a free page, then, spelled otherwise, only in the write-ahead log."""
    texts = common_texts(octets)
    busy = folder / "busy.db"
    with closing(sqlite3.connect(busy, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE dropped (text)")
        database.execute("INSERT INTO dropped VALUES (?)", (texts["colons"],))
        database.execute("DROP TABLE dropped")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("CREATE TABLE fresh (text)")
        database.execute("INSERT INTO fresh VALUES (?)", (texts["hyphens"],))
        kept = {name: (folder / name).read_bytes() for name in ("busy.db", "busy.db-wal")}
    for name, content in kept.items():
        (folder / name).write_bytes(content)
    return {
        "a free page of a database": ("busy.db", ("colons", "free page")),
        "a write-ahead log": ("busy.db-wal", ("hyphens", "frame")),
    }
