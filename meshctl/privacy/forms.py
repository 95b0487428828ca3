"""Every way to write a hardware address that the author knows a program of."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from meshctl.privacy.digests import Keys, digests
from meshctl.privacy.needles import DECIMAL, HEXADECIMAL, Needle, ScanError, distinct, exact, folded
from meshctl.privacy.spellings import listed
from meshctl.privacy.wrappings import encoded, spelled, written

_ADDRESS = re.compile(
    r"[0-9a-f]{1,2}(?:([:-])[0-9a-f]{1,2}(?:\1[0-9a-f]{1,2}){4})|[0-9a-f]{12}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}"
)

SHORTEST = 4
"""Characters that a text must have to be searched for."""


def octets_of(address: str) -> bytes:
    """Read a hardware address. Raises `ScanError`, without repeating what may be half an address."""
    text = address.strip().lower()
    if not _ADDRESS.fullmatch(text):
        raise ScanError("an address is not a hardware address: write it like 02:11:22:33:44:55")
    if ":" in text or "-" in text:
        return bytes(int(part, 16) for part in re.split("[:-]", text))
    return bytes.fromhex(text.replace(".", ""))


def of_address(of: str, octets: bytes, keys: Keys) -> list[Needle]:
    """Return all needles of one hardware address; ``keys`` are secrets that may have keyed a hash of it."""
    texts = common_texts(octets)
    found: list[Needle] = []
    for form, text in texts.items():
        found += written(of, form, text)
        found.append(folded(of, f"{form}, from its end", text[::-1]))
        for case, cased in _cases(text):
            found += listed(of, f"{form}, {case}", cased.encode(), text=True)
    for form, text in common_texts(octets[::-1]).items():
        found.append(folded(of, f"{form} backwards", text))
    found += [*_numbers(of, octets), *_raw(of, octets), *_interface(of, octets)]
    inputs = {f"{form}, {case}": text for form, low in texts.items() for case, text in _cases(low)}
    inputs |= {"one decimal number": str(int.from_bytes(octets, "big")), "0x": f"0x{octets.hex()}"}
    inputs |= {f"link-local address {n}": text for n, text in enumerate(_link_local(octets))}
    found += digests(of, {form: text.encode() for form, text in inputs.items()} | {"raw": octets}, keys)
    return distinct(found)


def of_text(of: str, text: str, keys: Keys) -> list[Needle]:
    """Return all needles of a text, such as a household's handle, pass or mark."""
    if len(text) < SHORTEST:
        raise ScanError(f"a text to search for is shorter than {SHORTEST} characters: it would stand everywhere")
    inputs = {f"text, {case}": form.encode() for case, form in (("as given", text), *_cases(text))}
    return distinct([*written(of, "text", text), *digests(of, inputs, keys)])


def common_texts(octets: bytes) -> dict[str, str]:
    """Return the usual notations, in lower case."""
    two = [f"{octet:02x}" for octet in octets]
    bare = "".join(two)
    return {
        "colons": ":".join(two),
        "hyphens": "-".join(two),
        "bare": bare,
        "dots": ".".join(bare[at : at + 4] for at in range(0, len(bare), 4)),
    }


def _cases(text: str) -> Iterable[tuple[str, str]]:
    return ("lower case", text.lower()), ("upper case", text.upper())


def _numbers(of: str, octets: bytes) -> Iterator[Needle]:
    """By twos and threes, by octet without leading zeros, in decimals, and the whole as one number."""
    swapped = bytes(octet for at in range(0, len(octets), 2) for octet in reversed(octets[at : at + 2]))
    for sign in (":", "-", " "):
        for form, some, size in (("by fours", octets, 2), ("by sixes", octets, 3), ("by swapped words", swapped, 2)):
            yield folded(of, f"{form} and {sign!r}", sign.join(some[at : at + size].hex() for at in range(0, 6, size)))
    yield exact(of, "raw, by swapped words", swapped)
    for form, some in (("raw", octets), ("raw backwards", octets[::-1]), ("raw, by swapped words", swapped)):
        yield from listed(of, form, some)
    number = int.from_bytes(octets, "big")
    for form, written_out in (("octal", f"{number:o}"), ("binary", f"{number:b}"), ("grouped", f"{number:,}")):
        yield folded(of, f"one {form} number", written_out, apart=DECIMAL)
    yield folded(of, "one hexadecimal number", f"0x{number:x}", apart=HEXADECIMAL)
    yield folded(of, "one grouped number", f"{number:_}", apart=DECIMAL)
    for sign in (" ", "_", "."):
        yield folded(of, f"octets by {sign!r}", sign.join(f"{octet:02x}" for octet in octets))
    for order, way in ((octets, ""), (octets[::-1], " backwards")):
        for sign in (":", "-"):
            yield folded(
                of, f"without leading zeros{way}", sign.join(f"{octet:x}" for octet in order), apart=HEXADECIMAL
            )
        for sign in (".", ",", ", ", " ", ":", "-"):
            yield folded(of, f"decimal octets{way}", sign.join(str(octet) for octet in order), apart=DECIMAL)
            yield folded(of, f"decimal octets{way}", sign.join(f"{octet:03}" for octet in order), apart=DECIMAL)
        yield folded(of, f"one decimal number{way}", str(int.from_bytes(order, "big")), apart=DECIMAL)


def _raw(of: str, octets: bytes) -> Iterator[Needle]:
    """The octets themselves, alone and in a DHCP unique identifier (RFC 8415, 11.4: type 3, hardware 1)."""
    yield exact(of, "raw", octets)
    yield exact(of, "raw backwards", octets[::-1])
    yield from encoded(of, "raw", octets)
    yield from encoded(of, "raw backwards", octets[::-1])
    yield from spelled(of, "raw", octets)
    identifier = b"\0\3\0\1" + octets
    yield exact(of, "DUID-LL, raw", identifier)
    yield folded(of, "DUID-LL", ":".join(f"{octet:02x}" for octet in identifier))
    yield folded(of, "DUID-LL", identifier.hex())


def _interface(of: str, octets: bytes) -> Iterator[Needle]:
    """What an IPv6 address is made of it (RFC 4291, appendix A; solicited-node: 2.7.1)."""
    plain = octets[:3] + b"\xff\xfe" + octets[3:]
    for form, eight in (("EUI-64", bytes([plain[0] ^ 2]) + plain[1:]), ("EUI-64, bit not turned", plain)):
        yield exact(of, f"{form}, raw", eight)
        yield exact(of, f"{form}, raw backwards", eight[::-1])
        yield from encoded(of, form, eight)
        apart = HEXADECIMAL if eight[6] < 0x10 else b""
        for text in ip_texts(eight):
            yield folded(of, f"{form} in an IPv6 address", text, apart=apart)
            yield folded(of, f"{form} in an IPv6 address, UTF-16", text.encode("utf-16-le"))
            for sign, name in (("%3a", "URL-encoded"), ("-", "by hyphens"), (".", "by dots"), ("_", "by _")):
                yield folded(of, f"{form} in an IPv6 address, {name}", text.replace(":", sign), apart=apart)
            yield folded(of, f"hexadecimal of {form} in an IPv6 address", text.encode().hex())
            yield from encoded(of, f"{form} in an IPv6 address", text.encode())
        for name, text in common_texts(eight).items():
            yield folded(of, f"{form}, {name}", text)
        yield folded(of, f"{form} in a name for reverse look-up", ".".join(reversed(eight.hex())))
        yield folded(of, f"hexadecimal of {form}", eight.hex().encode().hex())
        words = eight[3::-1] + eight[:3:-1]
        yield folded(of, f"{form}, words turned as in /proc/net", words.hex())
        yield exact(of, f"{form}, words turned, raw", words)
        for whole in (eight, b"\xfe\x80" + bytes(6) + eight):
            yield folded(of, f"{form} as one number", str(int.from_bytes(whole, "big")), apart=DECIMAL)
    low = octets[3:]
    yield exact(of, "solicited-node multicast, raw", b"\0\0\0\1\xff" + low, weak=True)
    yield folded(of, "solicited-node multicast frame", "33:33:ff:" + ":".join(f"{o:02x}" for o in low), weak=True)
    for last in {f"{low[1:].hex()}", f"{int.from_bytes(low[1:], 'big'):x}"}:
        yield folded(of, "solicited-node multicast", f"1:ff{low[0]:02x}:{last}", weak=True, apart=HEXADECIMAL)


def _link_local(octets: bytes) -> list[str]:
    plain = octets[:3] + b"\xff\xfe" + octets[3:]
    return [str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes([plain[0] ^ bit]) + plain[1:])) for bit in (2, 0)]


def ip_texts(eight: bytes) -> list[str]:
    """Return the interface identifier as it ends an IPv6 address: full, and with zeros left out (RFC 5952)."""
    groups = [int.from_bytes(eight[at : at + 2], "big") for at in range(0, 8, 2)]
    full = ":".join(f"{group:04x}" for group in groups)
    short = ":".join(f"{group:x}" for group in groups)
    texts = [full, short]
    if not groups[0]:
        texts.append(":" + ":".join(f"{group:x}" for group in groups[1:]))
    if not groups[3]:
        texts.append(":".join(f"{group:x}" for group in groups[:3]) + "::")
    return texts
