"""Asks one thing over HTTP with exactly the bytes that a client would send, and tells exactly how it went."""

from __future__ import annotations

import errno
import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, cast
from urllib.parse import SplitResult, quote, urlsplit

from meshctl.doctor.names import Kind, is_literal, is_near
from meshctl.doctor.observed import Ask, Heard, Trouble
from meshctl.doctor.resolver import Resolver, bind_to

MOST_BYTES = 256 * 1024
"""Of a body; a sign-in page of more is read no further."""

_AS_IT_IS = "%/:=&?~#+!$,;'@()*[]"
_LOCAL = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETDOWN, errno.ENODEV}
_PROHIBITED = {errno.EHOSTUNREACH, errno.EACCES, errno.EPERM, errno.EHOSTDOWN, errno.ENETUNREACH, errno.EPROTO}


class Untold(Exception):  # noqa: N818  # what it says is what is heard
    """No reply came, and why."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(detail or trouble)
        self.trouble, self.detail = trouble, detail


@dataclass(frozen=True)
class Net:
    """How this examination reaches the network. ``tls`` holds the authorities it believes."""

    resolver: Resolver
    tls: ssl.SSLContext
    device: str = ""
    most: float | None = None
    """The most seconds that anything may take."""


class _Reads(io.RawIOBase):
    """What a `_Bounded` receives."""

    def __init__(self, bounded: _Bounded) -> None:
        self._bounded, self._raw = bounded, bounded.channel.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, room: bytearray) -> int | None:  # type: ignore[override]
        """Read what is there. Raises `TimeoutError` when the time is up."""
        left = self._bounded.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._bounded.channel.settimeout(left)
        return self._raw.readinto(room)

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


@dataclass
class _Bounded:
    """A socket whose reads all end at ``until``: a timeout of its own counts anew with each byte that drips."""

    channel: socket.socket
    until: float = 0.0

    def sendall(self, words: bytes) -> None:
        """Send."""
        self.channel.settimeout(max(0.05, self.until - time.monotonic()))
        self.channel.sendall(words)

    def makefile(self, _: str) -> BinaryIO:
        """What `http.client` reads from."""
        return cast("BinaryIO", io.BufferedReader(_Reads(self)))

    def close(self) -> None:
        """End the connection when nobody reads any more."""
        self.channel.close()


class Kept:
    """A connection that was asked once and may be asked again, as browsers do."""

    def __init__(self, ask: Ask, channel: socket.socket, address: str) -> None:
        self.ask, self.address = ask, address
        self._channel = _Bounded(channel)
        parts = urlsplit(ask.url)
        self._talk = http.client.HTTPConnection(parts.hostname or "", parts.port or 80)
        self._talk.sock = cast("socket.socket", self._channel)

    def close(self) -> None:
        """End the connection."""
        self._talk.close()
        self._channel.close()

    def hear(self, ask: Ask, until: float) -> Heard:
        """Ask and read the whole reply. Raises `Untold`."""
        self._channel.until = until
        talk = self._talk
        if ask.version == "1.0":
            talk._http_vsn, talk._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            _send(talk, ask)
            reply = talk.getresponse()
            body = _body(reply)
        except TimeoutError:
            raise Untold("late") from None
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError, http.client.IncompleteRead):
            raise Untold("cut") from None
        except (http.client.HTTPException, ValueError, zlib.error) as fault:
            raise Untold("garbled", type(fault).__name__) from None
        except OSError as fault:
            raise Untold("cut", fault.strerror or "") from None
        headers = tuple((key, value) for key, value in reply.getheaders())
        return Heard(ask, reply.status, headers, body, address=self.address, closed=bool(reply.will_close))


def fetch(net: Net, ask: Ask) -> Heard:
    """Ask once on a connection of its own; never raises."""
    heard, kept = fetch_and_keep(net, ask)
    if kept:
        kept.close()
    return heard


def fetch_and_keep(net: Net, ask: Ask) -> tuple[Heard, Kept | None]:
    """Ask, and give the connection too where there is one. Never raises."""
    began = time.monotonic()
    if net.most is not None and ask.seconds > net.most:
        ask = replace(ask, seconds=net.most, step=min(ask.step, net.most))
    until = began + ask.seconds
    address, kept = "", None
    try:
        parts = _parts(ask.url)
        channel, address = _connect(net, ask, parts, until)
        channel.settimeout(max(0.05, until - time.monotonic()))
        kept = Kept(ask, _secured(net, parts, channel), address)
        heard = kept.hear(ask, until)
    except Untold as fault:
        heard = Heard(ask, trouble=fault.trouble, detail=fault.detail, address=address)
    return replace(heard, took=time.monotonic() - began), kept


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise Untold("garbled", f"{url!r} is no web address")
    return parts


def candidates(resolver: Resolver, host: str, family: int) -> list[str]:
    """One address of each family asked for, IPv6 first (RFC 6724). Raises `Untold`."""
    if is_literal(host):
        return [host]
    kinds: list[Kind] = [kind for kind, number in (("AAAA", 6), ("A", 4)) if family in (0, number)]  # type: ignore[misc]
    looked = [resolver.look(host, kind) for kind in kinds]
    found = [one.addresses[0] for one in looked if one.addresses]
    if not found:
        silent = all(one.trouble == "resolver" for one in looked)
        raise Untold("resolver" if silent else "name", host)
    return found


def has_way(address: str, device: str) -> bool:
    """Whether this machine has a route to an address, and an address of its own that gets an answer from there."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            bind_to(probe, device)
            probe.connect((address, 9))
        except OSError:
            return False
        return is_near(address) or not is_near(probe.getsockname()[0])


def _connect(net: Net, ask: Ask, parts: SplitResult, until: float) -> tuple[socket.socket, str]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = [one for one in candidates(net.resolver, parts.hostname or "", ask.family) if has_way(one, net.device)]
    if not addresses:
        raise Untold("local")
    last = Untold("silence")
    for index, address in enumerate(addresses):
        left = until - time.monotonic()
        if index and left <= 0:
            break
        patience = min(left, ask.step) if index + 1 < len(addresses) else left
        try:
            return open_tcp(address, port, net.device, max(0.05, patience)), address
        except Untold as fault:
            last = fault
    raise last


def open_tcp(address: str, port: int, device: str, seconds: float) -> socket.socket:
    """A TCP connection. Raises `Untold`."""
    channel = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        bind_to(channel, device)
        channel.settimeout(seconds)
        channel.connect((address, port))
    except OSError as fault:
        channel.close()
        raise _why(fault) from None
    return channel


def _why(fault: OSError) -> Untold:
    if isinstance(fault, TimeoutError):
        return Untold("silence")
    if isinstance(fault, ConnectionRefusedError | ConnectionResetError):
        return Untold("refused")
    if fault.errno in _PROHIBITED:
        return Untold("prohibited")
    return Untold("local" if fault.errno in _LOCAL else "cut", fault.strerror or "")


def _secured(net: Net, parts: SplitResult, channel: socket.socket) -> socket.socket:
    if parts.scheme != "https":
        return channel
    try:
        return net.tls.wrap_socket(channel, server_hostname=parts.hostname)
    except ssl.SSLCertVerificationError as fault:
        channel.close()
        raise Untold("certificate", fault.verify_message.rstrip(".")) from None
    except TimeoutError:
        channel.close()
        raise Untold("late") from None
    except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        channel.close()
        raise Untold("cut") from None
    except (OSError, ValueError) as fault:
        channel.close()
        raise Untold("tls", getattr(fault, "reason", "") or "") from None


def _send(talk: http.client.HTTPConnection, ask: Ask) -> None:
    parts = urlsplit(ask.url)
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_AS_IT_IS)
    given = {key.lower() for key, _ in ask.headers}
    talk.putrequest(ask.method, path, skip_host=True, skip_accept_encoding=True)
    talk.putheader("Host", parts.netloc.rpartition("@")[2])
    for key, value in ask.headers:
        talk.putheader(key, value)
    if ask.method == "POST" and "content-length" not in given:
        talk.putheader("Content-Length", str(len(ask.body)))
    talk.endheaders(ask.body or None)


def _body(reply: http.client.HTTPResponse) -> bytes:
    pieces = b"".join(_pieces(reply))
    if (reply.getheader("Content-Encoding") or "").lower() == "gzip" and pieces:
        return zlib.decompressobj(31).decompress(pieces, MOST_BYTES)
    return pieces


def _pieces(reply: http.client.HTTPResponse) -> Iterator[bytes]:
    size = 0
    while size < MOST_BYTES:
        piece = reply.read(16384)
        if not piece:
            return
        size += len(piece)
        yield piece
