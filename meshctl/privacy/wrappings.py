"""How octets are wrapped on their way into a file: base64, base32, hexadecimal, wide characters, escapes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

from meshctl.privacy.needles import Needle, exact, folded

_BASE32 = {
    "base32": bytes.maketrans(b"", b""),
    "base32hex": bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHIJKLMNOPQRSTUV"),
    "Crockford's base32": bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
}

_ESCAPES = {
    "HTML": "&#{:d};", "HTML, hexadecimal": "&#x{:x};", "URL-encoded twice": "%25{:02x}",
    "quoted-printable": "={:02x}", "escaped by x": "\\x{:02x}", "escaped, octal": "\\{:03o}",
}  # fmt: skip
"""What signs between letters and figures become."""

_UU_LINE = 42
"""Octets that a line of uuencode takes, less what may stand before them."""

_MIXED = {"octal in text": "\\{:03o}", "hexadecimal in text": "\\x{:02x}", "quoted-printable": "={:02x}"}
"""What becomes of octets that cannot be printed, where the others stay as they are."""

LEAST = 5
"""Characters that a base64 or base32 run must have, or it stands in every larger file by chance."""


def aligned(octets: bytes, bits: int, encode: Callable[[bytes], bytes]) -> list[bytes]:
    """Return what is sure to stand in an encoding of ``bits`` a character, wherever in it the octets begin.

    RFC 4648: three octets make four characters of base64, five make eight of base32, so there are as many
    ways to lie across the groups as a group has octets.
    """
    group = 3 if bits == 6 else 5
    runs = []
    for ahead in range(group):
        first = -(-8 * ahead // bits)
        last = 8 * (ahead + len(octets)) // bits
        runs.append(encode(bytes(ahead) + octets)[first:last])
    return runs


def encoded(of: str, form: str, octets: bytes) -> Iterator[Needle]:
    """Base64 in both alphabets and base32, at every alignment."""
    for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
        for run in aligned(octets, 6, encode):
            if len(run) >= LEAST:
                yield exact(of, f"{form}, {name}", run)
    for run in aligned(octets, 5, base64.b32encode):
        if len(run) >= LEAST:
            for name, letters in _BASE32.items():
                yield folded(of, f"{form}, {name}", run.translate(letters))
    for run in aligned(octets, 6, lambda whole: binascii.b2a_uu(whole)[1:-1]) if len(octets) <= _UU_LINE else ():
        if len(run) >= LEAST:
            yield exact(of, f"{form}, uuencoded", run)
            yield exact(of, f"{form}, uuencoded", run.replace(b" ", b"`"))
    yield exact(of, f"{form}, base85", base64.b85encode(octets))
    yield exact(of, f"{form}, ascii85", base64.a85encode(octets))


def written(of: str, form: str, text: str) -> Iterator[Needle]:
    """A text as it is, in wide characters, in hexadecimal, escaped for an address bar or for JSON."""
    yield folded(of, form, text)
    for wide in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        yield folded(of, f"{form}, {wide.upper()}", text.encode(wide))
    for case in dict.fromkeys((text, text.lower(), text.upper())):
        yield from encoded(of, f"{form}, UTF-16-LE", case.encode("utf-16-le"))
    for name, way in _ESCAPES.items():
        yield folded(of, f"{form}, {name}", "".join(c if c.isalnum() else way.format(ord(c)) for c in text))
    yield folded(of, f"{form}, URL-encoded", quote(text, safe=""))
    yield folded(of, f"{form}, URL-encoded", "".join(c if c.isalnum() else f"%{ord(c):02x}" for c in text))
    yield folded(of, f"{form}, JSON-escaped", json.dumps(text)[1:-1])
    yield folded(of, f"{form}, JSON-escaped", "".join(c if c.isalnum() else f"\\u{ord(c):04x}" for c in text))
    for case in dict.fromkeys((text, text.lower(), text.upper())):
        yield folded(of, f"hexadecimal of {form}", case.encode().hex())
        yield from encoded(of, form, case.encode())


def spelled(of: str, form: str, octets: bytes) -> Iterator[Needle]:
    """Octets spelled one by one, as programs print what is no text."""
    spellings = {
        "backslash x": "".join(f"\\x{octet:02x}" for octet in octets),
        "0x, by commas": ",".join(f"0x{octet:02x}" for octet in octets),
        "0x, by commas and spaces": ", ".join(f"0x{octet:02x}" for octet in octets),
        "percent": "".join(f"%{octet:02x}" for octet in octets),
        "quoted-printable": "".join(f"={octet:02x}" for octet in octets),
        "backslash u": "".join(f"\\u{octet:04x}" for octet in octets),
        "backslash octal": "".join(f"\\{octet:03o}" for octet in octets),
    }
    for name, text in spellings.items():
        yield folded(of, f"{form}, {name}", text)
    yield exact(of, f"{form}, as a program's literal", repr(octets)[2:-1].encode())
    yield exact(of, f"{form}, JSON-escaped", json.dumps(octets.decode("latin-1"))[1:-1].encode())
    yield from _mixed(of, form, octets)
    for safe in ("/", ""):
        yield exact(of, f"{form}, URL-encoded", quote(octets, safe=safe).encode())
    yield exact(of, f"{form}, latin-1 as UTF-8", octets.decode("latin-1").encode())


def _mixed(of: str, form: str, octets: bytes) -> Iterator[Needle]:
    """Octets as text with escapes: a DHCP client's leases, mail, Python's reading of what is no UTF-8."""
    for name, way in _MIXED.items():
        kept = {octet: chr(octet) for octet in range(0x20, 0x7F) if chr(octet) != way[0]}
        if way[0] == "\\":
            kept |= {ord(sign): f"\\{sign}" for sign in '"\\'}
        yield folded(of, f"{form}, {name}", "".join(kept.get(octet, way.format(octet)) for octet in octets))
    text = json.dumps(octets.decode("utf-8", "surrogateescape"))[1:-1]
    yield folded(of, f"{form}, JSON-escaped", text)
