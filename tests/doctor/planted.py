"""A captive portal in one namespace, real sockets and all, in which faults can be planted one by one."""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from meshctl.lab.kernel import inside_net, ip, run
from meshctl.lab.probes import reply_to
from tests.doctor.authority import Authority

OWN4, OWN6 = "10.9.0.1", "fd09::1"
SITE4, SITE6 = "198.51.100.1", "2001:db8:feed::1"
NAME = "portal.test"
API = f"https://{NAME}/captive"
SECURE = ("www.google.com", "connectivitycheck.grapheneos.network")

PAGE = (
    '<!doctype html><html lang="en"><title>Join</title>{}<form method="post" action="join"><button>Join</button></form>'
)


@dataclass(frozen=True)
class Behaviour:
    """What the portal does; as it stands, all of it is right."""

    status: int = 302
    location: str = f"http://{NAME}/"
    elsewhere: tuple[str, str] = ("", "")
    """A word in a host's name, and where requests to such hosts are redirected."""
    cache: str = "no-store"
    body: bytes = b"<!doctype html><title>Join</title>\n"
    ends: bool = True
    stale: bool = False
    fakes: bool = False
    fakes_for: str = ""
    """Whose user agent has this hears the true reply."""
    opens_443: bool = False
    """Whether https is let through over IPv4 before joining."""
    fakes_after: bool = False
    leaks6: bool = False
    drops: bool = False
    lies: bool = False
    page: str = PAGE.format("")
    page_kind: str = "text/html; charset=utf-8"
    page_loops: bool = False
    cookie: bool = False
    lets_in: bool = True
    api: dict[str, Any] = field(default_factory=dict)
    api_kind: str = "application/captive+json"
    api_cache: str = "private"
    api_vary: str = "Accept"
    api_exact: bool = False
    api_padding: int = 0
    api_host: str = NAME
    api_only: str = ""
    """The one address of the portal that answers for the API; "" for both."""
    garbles: bool = False
    shuts: str = ""
    """What the firewall does with a visitor's web request instead of redirecting it, in nft's words."""
    nameless: bool = False


class Planted:
    """The portal, and the internet behind it. ``behave`` begins anew, with nobody joined."""

    def __init__(self, authority: Authority) -> None:
        self.member = f"doc{os.getpid()}"
        self.authority = authority
        self.behaviour, self.joined = Behaviour(), False
        self.contexts: dict[str, ssl.SSLContext] = {}
        for names in ((NAME,), ("other.test",), SECURE):
            self.contexts[names[0]] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.contexts[names[0]].load_cert_chain(authority.certificate(*names))

    def behave(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.set_joined(joined=False)

    def set_joined(self, *, joined: bool) -> None:
        """Open or shut the firewall."""
        self.joined = joined
        how = "drop" if self.behaviour.drops else "reject with tcp reset"
        shut = [] if joined or self.behaviour.opens_443 else [f"ip daddr {SITE4} tcp dport {{ 443, 853 }} {how};"]
        if not joined and not self.behaviour.leaks6:
            shut.append(f"ip6 daddr {SITE6} tcp dport {{ 443, 853 }} {how};")
        if not joined and self.behaviour.shuts:
            shut += [f"ip daddr {SITE4} tcp dport 80 {self.behaviour.shuts};"]
            shut += [f"ip6 daddr {SITE6} tcp dport 80 {self.behaviour.shuts};"]
        if joined and self.behaviour.fakes_after:
            shut.append(f"ip daddr {SITE4} tcp dport 443 {how}; ip6 daddr {SITE6} tcp dport 443 {how};")
        rules = "chain out { type filter hook output priority 0;\n" + "\n".join(shut) + "\n}"
        text = f"add table inet planted\nflush table inet planted\ntable inet planted {{\n{rules}\n}}"
        run(["ip", "netns", "exec", self.member, "nft", "-f", "-"], text)

    def is_open(self, address: str, port: int) -> bool:
        """Whether a request to the internet from there reaches it."""
        how = self.behaviour
        return self.joined or (how.leaks6 and ":" in address) or (how.opens_443 and port == 443)

    def serve(self, stack: ExitStack) -> None:
        """Raise everything; what ``stack`` closes is gone again."""
        ip([f"netns add {self.member}"])
        stack.callback(ip, [f"netns del {self.member}"])
        lines = [f"addr add {one}/32 dev lo" for one in (OWN4, SITE4)]
        ip(["link set lo up", *lines, *(f"addr add {one}/128 dev lo nodad" for one in (OWN6, SITE6))], self.member)
        with inside_net(self.member):
            for address in (OWN4, OWN6, SITE4, SITE6):
                for port in (80, 443):
                    self._listen(stack, address, port)
            resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            resolver.bind((OWN4, 53))
        resolver.settimeout(0.2)
        stack.enter_context(resolver)
        ending = threading.Event()
        names = threading.Thread(target=self._resolve, args=(resolver, ending))
        names.start()
        stack.callback(names.join)
        stack.callback(ending.set)
        self.behave(Behaviour())

    def _listen(self, stack: ExitStack, address: str, port: int) -> None:
        server = _Server(self, address, port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        stack.callback(server.server_close)
        stack.callback(thread.join)
        stack.callback(server.shutdown)

    def _resolve(self, channel: socket.socket, ending: threading.Event) -> None:
        while not ending.is_set():
            with suppress(TimeoutError):
                query, sender = channel.recvfrom(512)
                channel.sendto(self._answered(query), sender)

    def _answered(self, query: bytes) -> bytes:
        labels, at = [], 12
        while size := query[at]:
            labels.append(query[at + 1 : at + 1 + size].decode())
            at += size + 1
        name, kind = ".".join(labels), struct.unpack_from("!H", query, at + 1)[0]
        found = "" if kind not in (1, 28) else self._address(name, six=kind == 28)
        packed = socket.inet_pton(socket.AF_INET6 if kind == 28 else socket.AF_INET, found) if found else b""
        flags = 0x8180 | (0 if found else 3)
        answer = struct.pack("!HHHIH", 0xC00C, kind, 1, 1, len(packed)) + packed if found else b""
        return query[:2] + struct.pack("!5H", flags, 1, bool(found), 0, 0) + query[12 : at + 5] + answer

    def _address(self, name: str, *, six: bool) -> str:
        if name.startswith("mask") or (self.behaviour.nameless and not self.joined):
            return ""
        if name in (NAME, "other.test") or (self.behaviour.lies and not self.joined):
            return OWN6 if six else OWN4
        if name == "dns.msftncsi.com":
            return "fd3e:4f5a:5b81::1" if six else "131.107.255.255"
        return SITE6 if six else SITE4


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 64

    def __init__(self, planted: Planted, address: str, port: int) -> None:
        self.planted, self.address = planted, address
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), _Hand)

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)

    def get_request(self) -> tuple[socket.socket, Any]:
        channel, peer = super().get_request()
        if self.server_address[1] == 443:
            own = self.address in (OWN4, OWN6)
            context = self.planted.contexts[self.planted.behaviour.api_host if own else SECURE[0]]
            channel = context.wrap_socket(channel, server_side=True, do_handshake_on_connect=False)
        return channel, peer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no fault here."""


class _Hand(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is logged."""

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        planted = server.planted
        if server.address in (OWN4, OWN6):
            self._own(planted)
        elif getattr(self, "bound", False) and planted.behaviour.stale:
            self._captive(planted.behaviour)
        elif planted.is_open(server.address, server.server_address[1]) or self._is_faked(planted.behaviour):
            true = reply_to(self.headers["Host"], self.path.partition("?")[0])
            self._send(true.status, true.body, ("Content-Type", true.kind))
        else:
            self.bound = True
            self._captive(planted.behaviour)

    def _is_faked(self, how: Behaviour) -> bool:
        return how.fakes or (bool(how.fakes_for) and how.fakes_for in self.headers.get("User-Agent", ""))

    def do_POST(self) -> None:
        planted = cast("_Server", self.server).planted
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if planted.behaviour.lets_in and (not planted.behaviour.cookie or "seen=1" in self.headers.get("Cookie", "")):
            planted.set_joined(joined=True)
        self._send(303, b"", ("Location", "/"))

    def _captive(self, how: Behaviour) -> None:
        if how.garbles:
            self.wfile.write(b"hello\r\n\r\n")
            self.close_connection = True
            return
        headers = [("Content-Type", "text/html"), ("Cache-Control", how.cache)]
        if 300 <= how.status < 400:
            word, other = how.elsewhere
            headers.append(("Location", other if word and word in self.headers["Host"] else how.location))
        if how.ends:
            headers.append(("Connection", "close"))
            self.close_connection = True
        self._send(how.status, how.body, *headers)

    def _own(self, planted: Planted) -> None:
        how = planted.behaviour
        if self.path == "/captive":
            self._api(planted)
        elif how.page_loops:
            self._send(302, how.body, ("Location", f"http://{NAME}{'/other' if self.path == '/' else '/'}"))
        else:
            cookie = [("Set-Cookie", "seen=1")] if how.cookie else []
            self._send(200, how.page.encode(), ("Content-Type", how.page_kind), ("Cache-Control", "no-store"), *cookie)

    def _api(self, planted: Planted) -> None:
        how, accept = planted.behaviour, self.headers.get("Accept", "")
        if how.api_only and cast("_Server", self.server).address != how.api_only:
            self.close_connection = True
            return
        wants = accept == "application/captive+json" or (
            not how.api_exact and "application/captive+json" in accept and "json;q=0," not in accept
        )
        common = [("Cache-Control", how.api_cache), *([("Vary", how.api_vary)] if how.api_vary else [])]
        if not wants:
            self._send(302, b"moved\n", ("Location", f"http://{NAME}/"), *common)
            return
        urls = {"user-portal-url": f"https://{NAME}/", "venue-info-url": f"https://{NAME}/venue"}
        words = {"captive": not planted.joined, **urls, **how.api}
        if how.api_padding:
            words["x"] = "y" * how.api_padding
        told = {key: value for key, value in words.items() if value is not None}
        self._send(200, json.dumps(told).encode(), ("Content-Type", how.api_kind), *common)

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response_only(status)
        for key, value in headers:
            if value:
                self.send_header(key, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if status != 204 else b"")


@contextmanager
def planted_in(folder: Path) -> Iterator[Planted]:
    with ExitStack() as stack:
        planted = Planted(Authority(folder))
        planted.serve(stack)
        yield planted


def keys(found: Sequence[Any]) -> set[str]:
    return {one.code for one in found}
