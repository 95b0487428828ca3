"""Many phones press the join button at once: from the click to the first packet that comes back."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from meshctl.lab.kernel import inside_net
from meshctl.lab.web import ECHO_PORT

AGAIN = 0.02


@dataclass
class Visit:
    """One phone at the join page: first the page is fetched, then the button is pressed on the same connection."""

    phone: str
    page: socket.socket
    packet: socket.socket
    received: bytes = b""
    page_at: float | None = None
    reply_at: float | None = None
    first_at: float | None = None
    status: int = 0
    fault: str = ""
    sent_at: float = 0.0


def join_all(phones: Sequence[str], portal: str, address: str, seconds: float) -> dict[str, object]:
    """Fetch the page everywhere, click everywhere at the same moment, and wait for the echoes."""
    visits = [_open(phone, portal, address) for phone in phones]
    try:
        _exchange(visits, f"GET / HTTP/1.1\r\nHost: {_host(portal)}\r\n\r\n", seconds, "page_at")
        began = time.monotonic()
        form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0"
        request = f"POST /join HTTP/1.1\r\nHost: {_host(portal)}\r\n{form}\r\n\r\n"
        _exchange(visits, request, seconds, "reply_at")
    finally:
        for visit in visits:
            visit.page.close()
            visit.packet.close()
    return _summary(visits, began)


def _host(portal: str) -> str:
    return f"[{portal}]" if ":" in portal else portal


def _open(phone: str, portal: str, address: str) -> Visit:
    with inside_net(phone):
        page = socket.socket(socket.AF_INET6 if ":" in portal else socket.AF_INET, socket.SOCK_STREAM)
        packet = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    page.settimeout(5)
    page.connect((portal, 80))
    packet.setblocking(False)  # noqa: FBT003  # the call takes no keyword
    packet.connect((address, ECHO_PORT))
    return Visit(phone, page, packet)


def _exchange(visits: list[Visit], request: str, seconds: float, what: str) -> None:
    """Send a request on every connection and read whole replies; after a join, send packets until one is echoed."""
    selector = selectors.DefaultSelector()
    joining = what == "reply_at"
    for visit in visits:
        visit.received = b""
        if not visit.fault:
            visit.page.sendall(request.encode())
            selector.register(visit.page, selectors.EVENT_READ, visit)
            if joining:
                selector.register(visit.packet, selectors.EVENT_READ, visit)
    deadline = time.monotonic() + seconds
    while (waiting := _waiting(visits, what)) and time.monotonic() < deadline:
        for key, _ in selector.select(0.005 if joining else 0.1):
            if key.fileobj is key.data.page:
                _read(key.data, what, selector)
            else:
                _hear(key.data)
        if joining:
            _knock(waiting)
    for visit in visits:
        if getattr(visit, what) is None and not visit.fault:
            visit.fault = f"no {'reply' if joining else 'page'} within {seconds:g} s"
    selector.close()


def _waiting(visits: list[Visit], what: str) -> list[Visit]:
    return [
        v for v in visits if not v.fault and (getattr(v, what) is None or (what == "reply_at" and v.first_at is None))
    ]


def _read(visit: Visit, what: str, selector: selectors.BaseSelector) -> None:
    try:
        piece = visit.page.recv(65536)
    except OSError as fault:
        piece, visit.fault = b"", str(fault)
    visit.received += piece
    if not piece:
        visit.fault = visit.fault or "the portal ended the connection"
        selector.unregister(visit.page)
    elif _is_whole(visit.received):
        setattr(visit, what, time.monotonic())
        visit.status = int(visit.received.split(b" ", 2)[1])
        selector.unregister(visit.page)


def _is_whole(reply: bytes) -> bool:
    head, blank, body = reply.partition(b"\r\n\r\n")
    if not blank:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    return True


def _knock(visits: list[Visit]) -> None:
    """Send a packet for each phone whose reply has come and whose echo has not, every `AGAIN` seconds."""
    now = time.monotonic()
    for visit in visits:
        if visit.reply_at is not None and visit.first_at is None and now - visit.sent_at >= AGAIN:
            visit.sent_at = now
            try:
                visit.packet.send(b"first")
            except OSError:
                continue  # the node said no to an earlier one; the next may pass


def _hear(visit: Visit) -> None:
    try:
        visit.packet.recv(64)
    except OSError:
        return
    if visit.first_at is None:
        visit.first_at = time.monotonic()


def _summary(visits: list[Visit], began: float) -> dict[str, object]:
    firsts = sorted(v.first_at - began for v in visits if v.first_at is not None)
    replies = sorted(v.reply_at - began for v in visits if v.reply_at is not None)
    return {
        "phones": {
            v.phone: {
                "reply": None if v.reply_at is None else v.reply_at - began,
                "first_packet": None if v.first_at is None else v.first_at - began,
                "status": v.status, "fault": v.fault,
            }
            for v in visits
        },
        "failed": sum(1 for v in visits if v.first_at is None),
        "reply": percentiles(replies),
        "first_packet": percentiles(firsts),
    }  # fmt: skip


def percentiles(ordered: list[float]) -> dict[str, float]:
    """Median, 95th percentile (nearest rank) and greatest, in seconds; empty where nothing was measured."""
    if not ordered:
        return {}
    rank = max(0, -(-95 * len(ordered) // 100) - 1)
    return {"p50": ordered[len(ordered) // 2], "p95": ordered[rank], "max": ordered[-1]}
