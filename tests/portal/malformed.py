"""Requests as no browser makes them, the same for the same seed: lines, headers, hosts, bodies, encodings."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

SECRET = "0SECRET"
"""What each request that carries a pass says in it, with its own number."""

METHODS = (
    b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"get", b"", b"G\0T",
    b"\x16\x03\x01",
)  # fmt: skip
PAGES = (
    b"/", b"/join", b"/leave", b"/pass", b"/home", b"/share", b"/online", b"/slow", b"/keep", b"/network",
    b"/mine", b"/mine-download", b"/mine-erase", b"/remember", b"/forget", b"/captive", b"/health", b"/help",
    b"/nowhere",
)  # fmt: skip
TONGUES = (
    b"", b"/es", b"/ar", b"/hi", b"/xx", b"/es/ar",
)  # fmt: skip
TAILS = (
    b"", b"/", b"?p=%ff", b"?p=" + b"7" * 300, b"?&&==&", b"%00", b"%", b"%zz", b"/../../etc/passwd",
    b"%c0%ae%c0%ae/", b"?" + b"a=b&" * 400, b";x", b"\\..\\", b"#x", "/é☃".encode(), b"\xff\xfe", b"%0d%0aX:1",
)  # fmt: skip
VERSIONS = (
    b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 x", b"HTTP/", b"", b"http/1.1", b"HTTP/99999999999.1",
)  # fmt: skip
HOSTS = (
    b"mesh.home", b"10.44.0.1", b"[fd44::1]", b"[", b"]", b"[::", b"a" * 300, b"\xff", b"mesh.home:99999999",
    b"evil.example", b"mesh.home\0", b"me sh", b"user:pw@mesh.home", b"%6desh.home", b"", b"127.0.0.1:x",
    b"[fd44::1%25eth0]", "é.example".encode(),
)  # fmt: skip
HEADERS = (
    b"Accept-Language: *;q=nan", b"Accept-Language: " + b"a;q=0.1," * 300, b"Accept-Language: \xff",
    b"Accept: text/html;q=1e999", b"Accept: " + b"*/*," * 200, b"Accept-Charset: utf-7",
    b"Accept-Encoding: gzip;q=x", b"Cookie: a=" + b"b" * 3000, b"Cookie: \0", b"Range: bytes=9-1",
    b"If-None-Match: \"", b"If-Modified-Since: yesterday", b"Authorization: Basic \xff", b"Origin: null",
    b"Origin: http://[", b"Referer: http://mesh.home/", b"Referer: \\\\evil", b"Sec-Fetch-Site: \xff",
    b"X-HTTP-Method-Override: DELETE", b"Expect: 200-ok", b"Upgrade: h2c", b"Connection: upgrade, keep-alive",
    b"TE: \xff", b"no colon at all", b": empty", b" folded: x\r\n\tand more", b"X\0: y", b"X: y\0z", b"X: y\rz",
    b"X-" + b"n" * 2000 + b": 1", b"Host: second.example", b"Content-Length: 5", b"Date: x",
    b"Forwarded: for=\"", b"X-Forwarded-For: 10.44.0.9",
)  # fmt: skip
KINDS = (
    b"application/x-www-form-urlencoded", b"application/x-www-form-urlencoded; charset=utf-16",
    b"multipart/form-data", b"multipart/form-data; boundary=x", b"multipart/form-data; boundary=" + b"y" * 300,
    b"application/json", b"text/plain; charset=\xff", b"multipart/form-data; boundary=\"", b"\xff/\0", b"",
    b"application/x-www-form-urlencoded; charset=rot13",
)  # fmt: skip
LENGTHS = (
    b"-1", b"+5", b"0x10", b"1 1", b"1,1", b"99999999999999999999", b"\xb2", b"", b"5\r\nContent-Length: 6",
)  # fmt: skip
CODINGS = (
    b"chunked", b"gzip, chunked", b"identity", b"chunked, chunked", b"xchunked", b"chunked\0", b"\xff",
)  # fmt: skip
CHUNKS = (
    b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n", b"zz\r\n",
    b"5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n", b"fffffffff\r\n", b"5\nhello\n0\n\n", b"5\r\nhell",
    b"0x5\r\nhello\r\n0\r\n\r\n",
)  # fmt: skip
PART = b'--x\r\nContent-Disposition: form-data; name="pass"%s\r\n\r\n%s\r\n'


def request(chance: random.Random, number: int) -> bytes:
    """Return one whole request or what looks like one; who sends it says afterwards that no more will come."""
    page = _mostly(chance, TONGUES, 4) + chance.choice(PAGES) + _mostly(chance, TAILS, 1)
    line = b" ".join((_mostly(chance, METHODS, 3), page, _mostly(chance, VERSIONS, 2)))
    if chance.random() < 0.05:
        line = chance.randbytes(chance.randrange(200))
    headers = [b"Host: " + _mostly(chance, HOSTS, 3), *chance.sample(HEADERS, chance.choice((0, 0, 0, 1, 1, 3)))]
    if chance.random() < 0.02:
        headers += [b"X-%d: %s" % (n, b"v" * 100) for n in range(200)]
    body = _body(chance, number)
    headers += [b"Content-Type: " + _mostly(chance, KINDS, 4), *_framing(chance, body)]
    chance.shuffle(headers)
    return b"\r\n".join([line, *headers, b"", b""]) + body


def _mostly(chance: random.Random, choices: tuple[bytes, ...], usual: int) -> bytes:
    """One of the first ``usual``, nine times of ten."""
    return chance.choice(choices[:usual] if chance.random() < 0.9 else choices)


def _framing(chance: random.Random, body: bytes) -> list[bytes]:
    dice = chance.random()
    if dice < 0.08:
        return [b"Content-Length: " + chance.choice(LENGTHS)]
    if dice < 0.15:
        return [b"Transfer-Encoding: " + chance.choice(CODINGS)]
    if dice < 0.18:
        return [b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(body)]
    return [b"Content-Length: %d" % len(body)] if dice < 0.95 else []


def _body(chance: random.Random, number: int) -> bytes:
    secret = f"{SECRET}{number:06}".encode()
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: b"",
        lambda: b"pass=" + secret,
        lambda: b"pass=%ff%fe" + secret,
        lambda: b"pass=" + secret + b"&pass=" * 100,
        lambda: chance.randbytes(chance.randrange(300)),
        lambda: b"=&;" * 200 + secret,
        lambda: PART % (b"", secret) + b"--x--\r\n",
        lambda: PART % (b'; filename="a\0b"', secret),
        lambda: (PART % (b"", secret)) * 20,
        lambda: chance.choice(CHUNKS),
        lambda: json.dumps({"pass": secret.decode()}).encode(),
        lambda: b"x" * chance.choice((4095, 4097, 20_000)),
    )
    return chance.choice(makers)()


VERBS: tuple[Any, ...] = (
    "device", "join", "leave", "link", "history", "lines", "line", "network", "mine", "export", "correct",
    "erase", "remember", "forget", "status", "why", "pause", "households", "household-add", "household-remove",
    "seen", "hazard", "tick", "", None, 7,
)  # fmt: skip
ADDRESSES: tuple[Any, ...] = (
    "10.44.0.9", "fd44::9", "::ffff:10.44.0.9", "fe80::1%lan0", "10.44.0.999", "", None, 7, [], {}, "\0",
    "1" * 5000, "\u0661\u0660.44.0.9",
)  # fmt: skip


def line(chance: random.Random) -> bytes:
    """Return one line for the agent's socket: JSON, nearly JSON, or nothing of the kind."""
    dice = chance.random()
    if dice < 0.1:
        return chance.randbytes(chance.randrange(1, 200)).replace(b"\n", b"") + b"\n"
    if dice < 0.15:
        return (
            chance.choice(
                (b"[" * 5000, b'{"verb":' * 500, b'{"verb": NaN}', b'{"verb": 1e999}', b"\xff{}", b"null", b'"x"')
            )
            + b"\n"
        )
    told: dict[str, Any] = {"verb": chance.choice(VERBS), "address": chance.choice(ADDRESSES)}
    for key in chance.sample(
        ("pass", "code", "secure", "hardware", "kind", "reason", "hours", "name", "handle", "count"), 3
    ):
        told[key] = chance.choice(
            ("", "7KQ2-M9XD-0TTR-1V5Z", None, -1, 10**400, 1.5, True, [], [[]] * 9, {"a": {}}, "\ud800", "x" * 900)
        )
    return json.dumps(told).encode() + b"\n"
