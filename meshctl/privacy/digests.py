"""Hashes of an address: few enough addresses exist that every one of them can be tried, so a hash hides nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from meshctl.privacy.needles import HEXADECIMAL, Needle, ScanError, exact, folded

Keys = tuple[bytes, ...]

KEPT = 8
"""Octets of a digest that are searched for, so that shortened digests are found as well."""

_SHORTER = 6
"""The same in hexadecimal of the digests that people shorten; each such needle costs time, as its words are common."""


def _named(name: str, message: bytes) -> bytes:
    return hashlib.new(name, message, usedforsecurity=False).digest()


def _blake2b(size: int, message: bytes) -> bytes:
    return hashlib.blake2b(message, digest_size=size).digest()


def _hmac(name: str, key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, name)


_SHORTENED = ("md5 ", "sha1 ", "sha256 ")

_NAMES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512", "blake2b", "blake2s")

_PLAIN: dict[str, Callable[[bytes], bytes]] = {name: partial(_named, name) for name in _NAMES}
_PLAIN |= {f"blake2b of {size} octets": partial(_blake2b, size) for size in (8, 16, 20, 32)}

_KEYED: dict[str, Callable[[bytes, bytes], bytes]] = {
    f"hmac-{name}": partial(_hmac, name) for name in ("md5", "sha1", "sha256", "sha512")
}
_KEYED |= {
    "keyed blake2b": lambda key, message: hashlib.blake2b(message, key=key[:64]).digest(),
    "keyed blake2b of 16 octets": lambda key, message: hashlib.blake2b(message, key=key[:64], digest_size=16).digest(),
    "keyed blake2s": lambda key, message: hashlib.blake2s(message, key=key[:32]).digest(),
    "sha256 after the key": lambda key, message: hashlib.sha256(key + message).digest(),
}

PURPOSES = (b"device", b"household", b"guest", b"remember")
"""Words before a zero octet by which meshctl keeps its keyed hashes apart."""


def digests(of: str, inputs: dict[str, bytes], keys: Keys) -> Iterator[Needle]:
    """Needles for every hash of every input, with and without a line's end."""
    for form, message in inputs.items():
        for ending, whole in (("", message), (" and line end", message + b"\n")):
            for name, digest in _PLAIN.items():
                yield from _printed(of, f"{name} of {form}{ending}", digest(whole))
            yield folded(of, f"crc32 of {form}{ending}", f"{zlib.crc32(whole):08x}", weak=True, apart=HEXADECIMAL)
        for key in keys:
            for name, keyed in _KEYED.items():
                yield from _printed(of, f"{name} of {form}", keyed(key, message))
            for purpose in PURPOSES:
                own = hmac.digest(key, purpose + b"\0" + message, "sha256")
                yield from _printed(of, f"meshctl's {purpose.decode()} hash of {form}", own)


def _printed(of: str, form: str, digest: bytes) -> Iterator[Needle]:
    yield exact(of, f"{form}, raw", digest[:KEPT])
    yield folded(of, f"{form}, hexadecimal", digest[: _SHORTER if form.startswith(_SHORTENED) else KEPT].hex())
    yield folded(of, f"{form}, hexadecimal by colons", digest[:KEPT].hex(":"))
    # Ten characters are of the first 60 bits alone.
    yield exact(of, f"{form}, base64", base64.b64encode(digest[:KEPT])[:10])
    yield exact(of, f"{form}, base64url", base64.urlsafe_b64encode(digest[:KEPT])[:10])
    yield folded(of, f"{form}, base32", base64.b32encode(digest[:10])[:12])


def keys_from(words: Iterable[str]) -> Keys:
    """Read keys: hexadecimal text, or a file with a key in octets or with keys in hexadecimal in any text."""
    found: list[bytes] = []
    for word in words:
        if re.fullmatch(r"(?:[0-9a-fA-F]{2}){8,}", word):
            found.append(bytes.fromhex(word))
            continue
        try:
            octets = Path(word).read_bytes()[: 1 << 20]
        except OSError as fault:
            raise ScanError(f"{word} is neither a key in hexadecimal nor a file to read: {fault.strerror}") from fault
        found += [bytes.fromhex(run.decode()) for run in re.findall(rb"\b(?:[0-9a-fA-F]{2}){8,64}\b", octets)]
        found += [key for key in (octets, octets.strip()) if 0 < len(key) <= 256]
    return tuple(dict.fromkeys(found))
