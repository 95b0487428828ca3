"""However an address was written and wherever a block ends, it is found; what is another's is not."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import hmac
import io
import ipaddress
import json
import lzma
import os
import quopri
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshctl.privacy.forms import octets_of, of_address, of_text
from meshctl.privacy.matcher import Matcher
from meshctl.privacy.needles import ScanError
from meshctl.privacy.streams import Bounds, Listener, search

KEY = bytes(range(32))

Writing = Callable[[bytes], bytes]


def colons(octets: bytes) -> str:
    return octets.hex(":")


def eui64(octets: bytes) -> bytes:
    return bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]


def address6(network: str, octets: bytes) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(int(ipaddress.IPv6Address(network)) | int.from_bytes(eui64(octets), "big"))


def mixed(text: str) -> str:
    return "".join(c.upper() if at % 2 else c for at, c in enumerate(text))


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.txt", content)
    return file.getvalue()


TEXTS: dict[str, Callable[[bytes], str]] = {
    "colons": colons,
    "upper case": lambda o: colons(o).upper(),
    "mixed case": lambda o: mixed(colons(o)),
    "hyphens": lambda o: o.hex("-"),
    "dots": lambda o: o.hex(".", -2),
    "bare": lambda o: o.hex(),
    "spaces": lambda o: o.hex(" "),
    "backwards": lambda o: colons(o[::-1]),
    "without leading zeros": lambda o: ":".join(f"{one:x}" for one in o),
    "decimal": lambda o: ".".join(map(str, o)),
    "a list": lambda o: json.dumps(list(o)),
    "one number": lambda o: str(int.from_bytes(o, "big")),
    "link-local": lambda o: str(address6("fe80::", o)),
    "global, whole": lambda o: address6("2001:db8:1:2::", o).exploded,
    "global, short": lambda o: f"{address6('2001:db8:1:2::', o)}%wlan0",
    "reverse name": lambda o: address6("2001:db8::", o).reverse_pointer,
    "DUID-LL": lambda o: colons(b"\0\3\0\1" + o),
    "DUID-LLT": lambda o: colons(b"\0\1\0\1\x2a\x2b\x2c\x2d" + o),
    "SQL literal": lambda o: f"X'{o.hex().upper()}'",
    "repr": repr,
    "percent": lambda o: colons(o).replace(":", "%3A"),
    "JSON": lambda o: json.dumps({"mac": o.decode("latin-1")}),
    "backslash u": lambda o: colons(o).replace(":", "\\u003a"),
}

DIGESTS: dict[str, Writing] = {
    name: lambda o, name=name: getattr(hashlib, name)(colons(o).encode()).digest()  # type: ignore[misc]
    for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s", "sha3_256")
}

OCTETS: dict[str, Writing] = {
    "raw": bytes,
    "raw backwards": lambda o: o[::-1],
    "EUI-64": eui64,
    "DUID-LLT": lambda o: b"\0\1\0\1abcd" + o,
    "UTF-16-LE": lambda o: colons(o).encode("utf-16-le"),
    "UTF-16-BE": lambda o: colons(o).upper().encode("utf-16-be"),
    "hex of hex": lambda o: o.hex().encode().hex().encode(),
    "base32": base64.b32encode,
    "base32 after three": lambda o: base64.b32encode(b"abc" + o + b"d"),
    "base64": base64.b64encode,
    "base64 after one": lambda o: base64.b64encode(b"a" + o + b"b"),
    "base64url after two": lambda o: base64.urlsafe_b64encode(b"ab" + o),
    "base64 of text": lambda o: base64.b64encode(b"=" + o.hex("-").upper().encode() + b";"),
    "sha256 of a line": lambda o: hashlib.sha256(o.hex().encode() + b"\n").hexdigest().encode(),
    "sha1 of raw": lambda o: base64.b64encode(hashlib.sha1(o).digest()),
    "a short sha256": lambda o: hashlib.sha256(o.hex("-").upper().encode()).hexdigest()[:16].encode(),
    "keyed": lambda o: hmac.digest(KEY, o, "sha256").hex().encode(),
    "a day's token": lambda o: hmac.digest(KEY, b"device\0" + o, "sha256")[:16].hex().encode(),
    "gzip": lambda o: gzip.compress(os.urandom(9000) + colons(o).encode()),
    "zlib in the midst": lambda o: b"ab" * 999 + zlib.compress(colons(o).encode() * 9),
    "xz": lambda o: lzma.compress(colons(o).encode()),
    "bz2": lambda o: bz2.compress(colons(o).encode()),
    "zip": lambda o: zipped(colons(o).encode() * 99),
    "gzip in gzip": lambda o: gzip.compress(gzip.compress(colons(o).encode())),
}

WRITINGS: dict[str, Writing] = {
    **{name: lambda o, text=text: text(o).encode() for name, text in TEXTS.items()},  # type: ignore[misc]
    **{name: lambda o, digest=digest: digest(o) for name, digest in DIGESTS.items()},  # type: ignore[misc]
    **{f"{n} in hex": lambda o, digest=digest: digest(o).hex().encode() for n, digest in DIGESTS.items()},  # type: ignore[misc]
    **OCTETS,
}


def forms_in(content: bytes, matcher: Matcher, size: int = 1 << 20) -> tuple[list[str], list[str]]:
    found, unread = list[str](), list[str]()
    blocks = (content[at : at + size] for at in range(0, len(content), size))
    listener = Listener(lambda within, at, needle: found.append("weak" if needle.weak else needle.form), unread.append)
    search(blocks, matcher, listener, Bounds(1 << 24))
    return [form for form in found if form != "weak"], unread


@settings(max_examples=12)
@given(
    octets=st.binary(min_size=6, max_size=6).filter(lambda octets: len(set(octets)) > 3),
    before=st.sampled_from([b"", b" ", b"mac=", b"\0" * 13, bytes(4093)]),
    size=st.sampled_from([1 << 20, 4096, 61]),
)
def test_an_address_is_found_in_every_writing_wherever_blocks_end(octets: bytes, before: bytes, size: int) -> None:
    matcher = Matcher(of_address("a", octets, (KEY,)))
    missed = [name for name, way in WRITINGS.items() if not forms_in(before + way(octets) + b" \n", matcher, size)[0]]

    assert missed == []


@pytest.mark.parametrize(
    "address", ["00:00:00:00:00:01", "02:00:00:00:00:00", "ff:ff:ff:ff:ff:fe", "02:00:00:fe:00:05"]
)
def test_an_even_address_is_found_too(address: str) -> None:
    octets = octets_of(address)
    matcher = Matcher(of_address("a", octets, (KEY,)))

    assert [name for name, way in WRITINGS.items() if not forms_in(b"= " + way(octets) + b" ;", matcher)[0]] == []


@settings(max_examples=12)
@given(octets=st.binary(min_size=6, max_size=6), other=st.binary(min_size=6, max_size=6))
def test_another_address_of_the_same_maker_is_not_taken_for_it(octets: bytes, other: bytes) -> None:
    octets, other = octets[:3] + b"\x4d" + octets[4:], octets[:3] + b"\xc7" + other[4:]
    matcher = Matcher(of_address("a", octets, (KEY,)))

    assert {name: found for name, way in WRITINGS.items() if (found := forms_in(way(other), matcher)[0])} == {}


def test_nothing_is_found_in_megabytes_of_chance() -> None:
    matcher = Matcher(needle for n in range(8) for needle in of_address(f"{n}", os.urandom(6), (KEY,)))

    assert forms_in(os.urandom(3 << 20) + os.urandom(1 << 20).hex().encode(), matcher) == ([], [])


def test_the_solicited_node_group_is_only_a_weak_trace() -> None:
    needles = of_address("a", octets_of("02-11-22-33-44-55"), ())
    (hit,) = Matcher(needles).hits(b"joined ff02::1:ff33:4455 ")

    assert hit.needle.weak


@pytest.mark.parametrize("content", [b"AB7K", b"a=ab7k;", "AB7K".encode("utf-16-le"), b"AB7K".hex().encode()])
def test_a_handle_of_four_characters_is_found(content: bytes) -> None:
    assert forms_in(content, Matcher(of_text("t", "AB7K", ())))[0]


def test_a_households_mark_is_found_with_the_key_it_was_made_with() -> None:
    mark = hmac.digest(KEY, b"household\0AB7K", "sha256")[:8].hex().encode()

    assert forms_in(mark, Matcher(of_text("t", "AB7K", (KEY,))))[0]
    assert forms_in(mark, Matcher(of_text("t", "AB7K", ())))[0] == []


@pytest.mark.parametrize("bad", ["", "06:11:22:33:44", "06:11:22:33:44:5g", "06:11-22:33:44:55", "0611.2233.445"])
def test_what_is_no_hardware_address_is_refused_without_being_repeated(bad: str) -> None:
    with pytest.raises(ScanError, match="not a hardware address") as refused:
        octets_of(bad)
    assert not bad or bad not in str(refused.value)


def test_a_bomb_is_searched_up_to_the_bound_and_said() -> None:
    matcher = Matcher(of_address("a", octets_of("021122334455"), ()))
    found, unread = forms_in(gzip.compress(b"02:11:22:33:44:55" + bytes(20 << 20)), matcher)

    assert found == ["colons"]
    assert unread == ["unfolds to more than the bound for packed content; what is beyond it was not searched"]


def cut(letters: bytes, size: int = 64, line_end: bytes = b"\n") -> bytes:
    return line_end.join(letters[at : at + size] for at in range(0, len(letters), size)) + line_end


def leased(octets: bytes) -> bytes:
    """As ISC's DHCP programs write it: what can be printed as it is, two signs behind a backslash, others in octal."""
    return b"".join(
        b"\\" + bytes([one]) if one in b'"\\' else bytes([one]) if 32 <= one < 127 else b"\\%03o" % one
        for one in octets
    )


def listed(octets: bytes, form: str, sign: str) -> bytes:
    return sign.join(form.format(octet) for octet in octets).encode()


RARER: dict[str, Writing] = {
    "by fours": lambda o: o.hex("-", 2).encode(),
    "by sixes": lambda o: (o[:3].hex() + "-" + o[3:].hex()).encode(),
    "a list of strings": lambda o: json.dumps([f"{one:02X}" for one in o]).encode(),
    "hex()": lambda o: listed(o, "0x{:x}", ", "),
    "a column": lambda o: listed(o, "{:02x}", "\n"),
    "od -x": lambda o: b"".join(o[at : at + 2][::-1] for at in (0, 2, 4)).hex(" ", 2).encode(),
    "xxd, odd": lambda o: (b"q" + o + b"q").hex(" ", 2).encode(),
    "od -b": lambda o: listed(o, "{:03o}", " "),
    "binary": lambda o: listed(o, "{:08b}", " "),
    "a dump of its text": lambda o: colons(o).encode().hex(" ").encode(),
    "HTML": lambda o: listed(colons(o).encode(), "&#{};", ""),
    "HTML, raw": lambda o: listed(o, "&#x{:X};", ""),
    "escaped for a shell": lambda o: colons(o).replace(":", "\\:").encode(),
    "URL-encoded twice": lambda o: colons(o).replace(":", "%253A").encode(),
    "every letter URL-encoded": lambda o: listed(colons(o).encode(), "%{:02X}", ""),
    "every letter by u": lambda o: listed(o.hex("-").encode(), "\\u{:04x}", ""),
    "octal number": lambda o: f" {int.from_bytes(o, 'big'):o} ".encode(),
    "from its end": lambda o: colons(o)[::-1].encode(),
    "UTF-32-BE": lambda o: colons(o).encode("utf-32-be"),
    "base64 of UTF-16": lambda o: base64.b64encode(colons(o).encode("utf-16-le")),
    "base32hex": lambda o: base64.b32hexencode(b"a" + o),
    "base85": lambda o: base64.b85encode(colons(o).encode()),
    "link-local by hyphens": lambda o: str(address6("fe80::", o)).replace(":", "-").encode(),
    "a DHCP client's leases": lambda o: b'uid "\\001' + leased(o) + b'";',
    "quoted-printable": quopri.encodestring,
    "surrogates": lambda o: json.dumps(o.decode("utf-8", "surrogateescape")).encode(),
    "/proc/net": lambda o: b"".join(eui64(o)[at : at + 4][::-1] for at in (0, 4)).hex().encode(),
    "md5 of a link-local address": lambda o: hashlib.md5(str(address6("fe80::", o)).encode()).hexdigest().encode(),
    "twelve digits of a sha1": lambda o: hashlib.sha1(colons(o).encode()).hexdigest()[:12].encode(),
    "eight octets of a sha256": lambda o: hashlib.sha256(o).digest()[:8],
    "a sha256 by colons": lambda o: hashlib.sha256(colons(o).encode()).digest().hex(":").upper().encode(),
    **{
        f"base64 cut within it, after {ahead}": lambda o, ahead=ahead: cut(  # type: ignore[misc]
            base64.b64encode(b"q" * ahead + colons(o).encode() + b"q" * 80)
        )
        for ahead in range(36, 48, 3)
    },
    "base64 cut and indented": lambda o: cut(base64.b64encode(b"q" * 45 + o + b"q" * 80), 64, b"\r\n    "),
    "base64 cut in JSON": lambda o: cut(base64.b64encode(b"q" * 45 + colons(o).encode() + b"q" * 80), 76, b"\\n"),
    "hexadecimal cut within it": lambda o: cut((b"q" * 30 + o + b"q" * 80).hex().encode(), 66),
    "base64 of gzip": lambda o: b'"' + base64.b64encode(gzip.compress(colons(o).encode() * 3)) + b'"',
    "cut base64 of xz": lambda o: cut(base64.b64encode(lzma.compress(os.urandom(400) + colons(o).encode()))),
    "hexadecimal of zlib": lambda o: zlib.compress(colons(o).encode() * 3).hex().encode(),
}


@pytest.mark.parametrize("size", [1 << 20, 97])
@pytest.mark.parametrize("address", ["02:1f:22:03:a4:5b", "9c:b6:d0:1e:5a:73"])
def test_an_address_is_found_in_rarer_writings_too(address: str, size: int) -> None:
    octets = octets_of(address)
    matcher = Matcher(of_address("a", octets, ()))
    missed = [name for name, way in RARER.items() if not forms_in(b"mac = " + way(octets) + b" \n", matcher, size)[0]]

    assert missed == []
    other = octets_of("02:1f:22:07:a4:5b")
    assert [name for name, way in RARER.items() if forms_in(b"mac = " + way(other) + b" \n", matcher, size)[0]] == []


def test_a_run_of_many_blocks_is_opened_once() -> None:
    octets = octets_of("02:1f:22:03:a4:5b")
    matcher = Matcher(of_address("a", octets, ()))
    whole = cut(base64.b64encode(bytes(1 << 19) + gzip.compress(colons(octets).encode()) + bytes(1 << 18)))

    assert forms_in(b"begin\n" + whole, matcher, 1 << 16) == (["colons"], [])
