"""Phones that come one after the other, as at the beginning of an evening, each as a phone does it.

A probe that is led to the portal, the portal's name, the first page, the click, the page that says "online",
and the first packet that comes back through the line. Prints what each step took, as JSON. Run it with
`Lab.module("meshctl.lab.arrivals", …)`.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import click

from meshctl.lab.join import percentiles
from meshctl.lab.kernel import inside_net
from meshctl.lab.web import ECHO_PORT

_SECONDS = 15.0
"""How long a phone tries before it gives up."""

_NAME = bytes.fromhex("000101000001000000000000046d65736804686f6d650000010001")
"""A question for the address of mesh.home (RFC 1035, 4)."""


@dataclass
class Visit:
    """One phone; ``took`` is seconds by step."""

    phone: str
    took: dict[str, float] = field(default_factory=dict)
    fault: str = ""

    def timed(self, step: str, act: Callable[[], None]) -> None:
        """Do a step and note what it took."""
        began = time.monotonic()
        act()
        self.took[step] = time.monotonic() - began


def visit(phone: str, portal: str, site: str) -> Visit:
    """Come, join, and be online; in this thread."""
    made = Visit(phone)
    try:
        with inside_net(phone), closing(http.client.HTTPConnection(portal, 80, timeout=_SECONDS)) as page:
            made.timed("probe", lambda: _expect(fetched(site, "/generate_204"), 302))
            made.timed("name", lambda: _look_up(portal))
            made.timed("page", lambda: _expect(_ask(page, "GET", "/"), 200))
            made.timed("online", lambda: _join(page, site, made))
    except (OSError, http.client.HTTPException, ValueError) as fault:
        made.fault = f"{type(fault).__name__}: {fault}"
    return made


def fetched(site: str, path: str) -> int:
    """The status of one request on a connection of its own."""
    with closing(http.client.HTTPConnection(site, 80, timeout=_SECONDS)) as connection:
        return _ask(connection, "GET", path)


def _ask(connection: http.client.HTTPConnection, method: str, path: str) -> int:
    connection.request(method, path, headers={"Content-Length": "0"} if method == "POST" else {})
    with connection.getresponse() as reply:
        reply.read()
        return reply.status


def _expect(status: int, wanted: int) -> None:
    if status != wanted:
        raise ValueError(f"status {status} and not {wanted}")


def _look_up(server: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.connect((server, 53))
        _until_answered(channel, _NAME, 1.0)


def _join(page: http.client.HTTPConnection, site: str, made: Visit) -> None:
    made.timed("reply", lambda: _expect(_ask(page, "POST", "/join"), 303))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.connect((site, ECHO_PORT))
        _until_answered(channel, b"first", 0.02)
    _expect(_ask(page, "GET", "/online"), 200)
    _expect(fetched(site, "/generate_204"), 204)


def _until_answered(channel: socket.socket, words: bytes, again: float) -> None:
    """Send until something comes back. Raises `TimeoutError`."""
    deadline = time.monotonic() + _SECONDS
    channel.settimeout(again)
    while time.monotonic() < deadline:
        try:
            channel.send(words)
            channel.recv(512)
        except (TimeoutError, ConnectionRefusedError):
            continue
        return
    raise TimeoutError("nothing came back")


def arrive(phones: Sequence[str], portal: str, site: str, seconds: float) -> dict[str, object]:
    """Let phones come at even distances within so many seconds, and tell what came of it."""
    made: list[Visit] = []
    threads = [threading.Thread(target=lambda one=one: made.append(visit(one, portal, site))) for one in phones]
    began = time.monotonic()
    for number, thread in enumerate(threads):
        time.sleep(max(0.0, began + seconds * number / len(threads) - time.monotonic()))
        thread.start()
    for thread in threads:
        thread.join()
    steps = ("probe", "name", "page", "reply", "online")
    told = {step: percentiles(sorted(one.took[step] for one in made if step in one.took)) for step in steps}
    faults = [f"{one.phone}: {one.fault}" for one in made if one.fault]
    return {"joined": len(made) - len(faults), "faults": faults[:10], "seconds": time.monotonic() - began, **told}


def leave(phones: Sequence[str], portal: str) -> None:
    """Let phones leave, one after the other."""
    for phone in phones:
        with inside_net(phone), closing(http.client.HTTPConnection(portal, 80, timeout=_SECONDS)) as page:
            _ask(page, "POST", "/leave")


@click.command()
@click.argument("phones", nargs=-1, required=True)
@click.option("--portal", required=True, help="The node's own address.")
@click.option("--site", required=True, help="An address of the internet.")
@click.option("--seconds", default=30.0, help="Within which all come.")
@click.option("--then-leave", is_flag=True, help="Let them leave afterwards, not timed.")
def main(phones: tuple[str, ...], portal: str, site: str, seconds: float, then_leave: bool) -> None:
    """Let phones come, and print what each step took."""
    found = arrive(phones, portal, site, seconds)
    if then_leave:
        leave(phones, portal)
    click.echo(json.dumps(found))


if __name__ == "__main__":
    main()
