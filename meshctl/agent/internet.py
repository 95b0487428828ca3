"""Whether the internet is reached over this node's line, as a person would mean it.

A cable with a partner says little: most outages are behind the modem. So the name servers that this node asks
anyway are asked for the root's servers (RFC 1035, 4.1; RFC 8109), a few bytes every turn. Any answer, whatever it
says, proves the way there and back.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from meshctl.agent.links import has_carrier
from meshctl.config import Config
from meshctl.wire import Fact

log = logging.getLogger(__name__)

SILENCE = 35.0
"""Seconds without any answer after which the line counts as down: three questions of ten seconds and a bit."""

RESOLV = Path("/etc/resolv.conf")

_PORT = 53
_MOST = 4
_ROOT_SERVERS = struct.pack(">5HBHH", 0x0100, 1, 0, 0, 0, 0, 2, 1)


class Internet:
    """Asks, and remembers when it was answered. ``now`` is the monotonic clock."""

    def __init__(self, config: Config, now: Callable[[], float], resolv: Path = RESOLV) -> None:
        self._device = config.line[0].device if config.line else ""
        self._configured = bool(config.resolver.upstream)
        self._servers = list(config.resolver.upstream) if self._configured else _system_servers(resolv)
        self._now, self._began = now, now()
        self._answered: float | None = None
        self._asking: list[asyncio.DatagramTransport] = []

    @property
    def works(self) -> bool:
        """Whether the line works: it has a partner, and name servers that answered once still do.

        Servers that nobody wrote into the configuration and that never answered prove nothing.
        """
        if not has_carrier(self._device):
            return False
        if not self._servers or (self._answered is None and not self._configured):
            return True
        return self._now() - (self._began if self._answered is None else self._answered) < SILENCE

    @property
    def silent_since(self) -> float | None:
        """The last moment at which an answer came, while none comes over a cable that has a partner."""
        if self.works or not has_carrier(self._device):
            return None
        return self._began if self._answered is None else self._answered

    def facts(self) -> dict[str, Fact]:
        """Return what the probe of the cable cannot see: a cable with a partner, and nobody who answers behind it."""
        if self.works or not has_carrier(self._device):
            return {}
        error = "The cable has a partner, but no name server behind the line answers. Restart the modem."
        return {"uplink": Fact(ok=False, value=1, unit="carrier", error=error)}

    async def ask(self) -> None:
        """Send one question to each name server. Answers are noted as they come; nobody waits for them."""
        self.close()  # a socket keeps the address that the line had when it was made
        if not has_carrier(self._device):
            self._answered, self._began = None, self._now()
            return
        loop = asyncio.get_running_loop()
        for server in self._servers[:_MOST]:
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: _Answers(self._note), remote_addr=(server, _PORT)
                )
            except OSError as fault:
                log.debug("there is no way to the name server %s: %s", server, fault)
                continue
            self._asking.append(transport)
            transport.sendto(secrets.token_bytes(2) + _ROOT_SERVERS)

    def close(self) -> None:
        """Close its sockets."""
        for transport in self._asking:
            transport.close()
        self._asking.clear()

    def _note(self) -> None:
        self._answered = self._now()


class _Answers(asyncio.DatagramProtocol):
    """A connected socket hears only the server that it asked."""

    def __init__(self, note: Callable[[], None]) -> None:
        self._note = note

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        """Take an answer: a response has the QR bit (RFC 1035, 4.1.1)."""
        if len(data) >= 12 and data[2] & 0x80:
            self._note()

    def error_received(self, exc: Exception) -> None:
        """Take an ICMP error for what it is, no answer."""
        log.debug("a name server is not reached: %s", exc)


def _system_servers(resolv: Path) -> list[str]:
    try:
        words: Sequence[Sequence[str]] = [line.split() for line in resolv.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return []
    return [row[1] for row in words if len(row) > 1 and row[0] == "nameserver" and _is_elsewhere(row[1])]


def _is_elsewhere(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
