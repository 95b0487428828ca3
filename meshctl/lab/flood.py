"""One phone that takes all that it can of a node: questions, connections, probes, requests, some without an end.

Prints how much of each it got rid of, as JSON. Run it with `Lab.module("meshctl.lab.flood", …)`.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections import Counter, deque

import click

from meshctl.lab.kernel import inside_net

_TURN = 0.01
_HELD = 400
"""Connections that it keeps in its hands at once."""


def flood(portal: str, site: str, seconds: float, per_second: int) -> Counter[str]:
    """Send so many of each kind a second, as far as this process comes with it."""
    done: Counter[str] = Counter()
    held: deque[socket.socket] = deque()
    questions = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    questions.setblocking(False)  # noqa: FBT003  # the call takes no keyword
    each = max(1, int(per_second * _TURN))
    end = time.monotonic() + seconds
    with questions:
        while (now := time.monotonic()) < end:
            for number in range(each):
                _question(questions, portal, done)
                _connection(held, portal, b"GET / HTTP/1.1\r\nHost: mesh.home\r\n\r\n" * 4, "pages", done)
                _connection(held, site, b"GET /generate_204 HTTP/1.1\r\nHost: x\r\n\r\n", "probes", done)
                if number % 4 == 0:
                    _connection(held, portal, b"POST /join HTTP/1.1\r\nContent-Length: 4000\r\n\r\nx", "halves", done)
            time.sleep(max(0.0, now + _TURN - time.monotonic()))
        while held:
            held.popleft().close()
    return done


def _question(channel: socket.socket, server: str, done: Counter[str]) -> None:
    name = secrets.token_hex(6).encode()
    words = os.urandom(2) + bytes.fromhex("01000001000000000000") + b"\x0c" + name + b"\x07example\0\0\x01\0\x01"
    try:
        channel.sendto(words, (server, 53))
    except OSError:
        return
    done["questions"] += 1


def _connection(held: deque[socket.socket], to: str, words: bytes, kind: str, done: Counter[str]) -> None:
    """Begin one more connection, and say something on the oldest one before it is let go."""
    fresh = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    fresh.connect_ex((to, 80))
    done["connections"] += 1
    held.append(fresh)
    if len(held) > _HELD:
        with held.popleft() as old:
            try:
                old.send(words)
            except OSError:
                return
            done[kind] += 1


@click.command()
@click.argument("phone")
@click.option("--portal", required=True, help="The node's own address.")
@click.option("--site", required=True, help="An address of the internet.")
@click.option("--seconds", default=30.0)
@click.option("--per-second", default=500, help="Of each kind.")
def main(phone: str, portal: str, site: str, seconds: float, per_second: int) -> None:
    """Flood a node from one phone."""
    with inside_net(phone):
        done = flood(portal, site, seconds, per_second)
    click.echo(json.dumps(done))


if __name__ == "__main__":
    main()
