"""Wherever a crafted address leads, it leads to a page of ours."""

from __future__ import annotations

import re
from itertools import product

import pytest

from tests.portal.conftest import HERE, Ports
from tests.portal.fake_agent import FakeAgent
from tests.portal.test_doors import exchange

EVIL = b"evil.example"
PATHS = [
    *(start + EVIL + end for start, end in product(
        (b"//", b"/\\", b"/es//", b"/es/\\", b"///", b"/%2f/", b"/es/%2f%2f", b"/%5c", b"/es/..//", b"http://", b"/@"),
        (b"", b"/", b"/share"),
    )),
    b"/share", b"/online", b"/es/share", b"/ar/online", b"/share?next=//evil.example", b"/share/", b"/online//",
    b"/%0d%0aLocation:%20http://evil.example/", b"/es/%0d%0aSet-Cookie:%20a=b", b"/share%0d%0aX: y", b"/es/es/share",
    b"/x%0d%0aLocation:%20http://evil.example/?lang=es", b"//evil.example/%0a?lang=es", b"/%00%ff?lang=es",
    b"/leave", b"/join", b"/es/join", b"/share#//evil.example", b"/share;//evil.example", b"*", b"/es",
]  # fmt: skip
HOSTS = [
    b"mesh.home",
    b"10.44.0.1",
    b"[fd44::1]",
    b"mesh.home:80",
    b"",
    EVIL,
    b"mesh.home@evil.example",
    b"mesh.home\\.evil",
]
ELSEWHERE = [
    b"X-Forwarded-Host: evil.example",
    b"X-Forwarded-Proto: https",
    b"Forwarded: host=evil.example;proto=https",
]


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_every_redirect_stays_with_us(method: bytes, ports: Ports, fake: FakeAgent) -> None:
    led = 0
    for path, host in product(PATHS, HOSTS):
        lines = [method + b" " + path + b" HTTP/1.1", b"Host: " + host, *ELSEWHERE, b"Origin: http://" + host]
        reply = exchange(ports.portal, b"\r\n".join([*lines, b"Connection: close", b"Content-Length: 0", b"", b""]))
        head = reply.partition(b"\r\n\r\n")[0].decode("latin-1")
        assert not head.startswith("HTTP/1.1 5"), (path, host)
        assert "Set-Cookie" not in head
        assert len(re.findall(r"(?im)^location:", head)) <= 1
        for where in re.findall(r"(?im)^location: (.*?)\r?$", head):
            led += 1
            assert where == "http://mesh.home/" or re.fullmatch(r"/([a-z]{2}/)?([a-z-]*|[^/\\]\S*)", where), (
                path,
                host,
                where,
            )
    assert led > 10
    assert fake.seen[HERE] in ("visitor", "guest")
