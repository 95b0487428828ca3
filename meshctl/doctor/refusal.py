"""Tries what a visitor may not do: is it refused at once (RFC 8952, 2.4), left hanging, or allowed?"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from meshctl.doctor.fetch import Net, Untold, fetch, has_way, open_tcp
from meshctl.doctor.names import Kind
from meshctl.doctor.observed import WORDS, Ask, Family, Finding, Findings, Heard, Trouble, Unchecked

_PATIENCE = 3.0
_UDP_PATIENCE, _UDP_TRIES = 2.0, 4
"""ICMP errors are rare on purpose (RFC 4443, 2.4f): one datagram without is no silence yet."""
_HOST = "www.google.com"
_CHECK = f"https://{_HOST}/generate_204"
_ELSEWHERE6 = ("2001:4860:4860::8888", "2606:4700:4700::1111")
"""Public resolvers: tried where no name has an IPv6 address here. A network may hide addresses and let packets by."""


@dataclass(frozen=True)
class Try:
    """One try to get out."""

    proto: Literal["tcp", "udp"]
    address: str
    port: int

    @property
    def words(self) -> str:
        """For people, without the address."""
        return f"{self.proto.upper()} port {self.port} over IPv{6 if ':' in self.address else 4}"


_PORTS: tuple[tuple[Literal["tcp", "udp"], int], ...] = (("tcp", 443), ("tcp", 853), ("udp", 443))


def refusals(net: Net) -> Findings:
    """Try both families; a family that is not there is said to be unchecked."""
    told = Findings()
    tries: list[Try] = []
    for family in (4, 6):
        addresses = list(_targets(net, family))
        if not addresses:
            why = "no address of that family was found, or this machine has no way to one"
            told.unchecked.append(Unchecked(f"whether IPv{family} is refused before joining", why, "before"))
        tries += [Try(proto, address, port) for address in addresses for proto, port in _PORTS]
    if tries:
        with ThreadPoolExecutor(len(tries)) as pool:
            for one, came in zip(tries, pool.map(lambda one: _came(net, one), tries), strict=True):
                told.add(judge_try(one, came))
    return told


def by_family(net: Net, family: Family) -> tuple[Heard, Heard]:
    """Android's own check over one family alone: http, then https, at the same time."""
    urls = ("http://connectivitycheck.gstatic.com/generate_204", _CHECK)
    with ThreadPoolExecutor(len(urls)) as pool:
        plain, secure = pool.map(lambda url: fetch(net, Ask(url, seconds=5.0, family=family)), urls)
    return plain, secure


def _targets(net: Net, family: int) -> Iterator[str]:
    kind: Kind = "A" if family == 4 else "AAAA"
    named = net.resolver.look(_HOST, kind).addresses[:1]
    for address in named or (_ELSEWHERE6 if family == 6 else ()):
        if has_way(address, net.device):
            yield address


def _came(net: Net, one: Try) -> Trouble:
    """What came of it; "" where it was allowed."""
    if one.proto == "udp":
        return _datagram(net, one)
    most = min(_PATIENCE, net.most or _PATIENCE)
    try:
        open_tcp(one.address, one.port, net.device, most).close()
    except Untold as fault:
        return fault.trouble
    return ""


def _datagram(net: Net, one: Try) -> Trouble:
    """What UDP says: an ICMP error, or nothing; that one was allowed cannot be told without an answer."""
    with socket.socket(socket.AF_INET6 if ":" in one.address else socket.AF_INET, socket.SOCK_DGRAM) as channel:
        try:
            if net.device:
                channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, net.device.encode() + b"\0")
            channel.settimeout(_UDP_PATIENCE / _UDP_TRIES)
            channel.connect((one.address, one.port))
            for _ in range(_UDP_TRIES):
                channel.send(b"\0" * 8)
                with contextlib.suppress(TimeoutError):
                    channel.recv(64)
                    return ""
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "prohibited"
    return "silence"


def judge_try(one: Try, came: Trouble) -> Findings:
    """Judge one try; pure."""
    source = "RFC 8952, 2.4"
    if came in ("refused", "prohibited"):
        return Findings(right=[f"{one.words} is refused at once"])
    if came == "silence" and one.proto == "udp":
        says = f"no refusal of {one.words} was heard; systems send few ICMP errors at a time."
        remedy = "Look whether the firewall refuses it (administratively prohibited) or drops it."
        return Findings([Finding("udp-unrefused", "note", says, remedy, source, "before")])
    if came == "silence":
        severity: Literal["fault", "warning"] = "fault" if one.port == 443 else "warning"
        says = f"{one.words} is dropped in silence: whoever waits for it, waits long."
        remedy = "Refuse it: a TCP reset, or an ICMP error (administratively prohibited)."
        return Findings([Finding("dropped", severity, says, remedy, source, "before")])
    if came == "":
        if (one.proto, one.port) == ("tcp", 443):
            return Findings()  # whether that is the internet or somebody in between, https tells
        says = f"{one.words} is open before joining."
        return Findings(
            [Finding("open-port", "warning", says, "Refuse it until the device has joined.", source, "before")]
        )
    return Findings(unchecked=[Unchecked(one.words, WORDS[came], "before")])


def leaks6(over6: Sequence[Heard], over4: Sequence[Heard]) -> bool:
    """Whether IPv6 leads out, by Android's check over each family: http and https.

    A true reply over http alone is faked where IPv4 has it too, and else taken for a leak.
    """
    if all(one.trouble for one in over4):
        return False
    plain, secure = over6
    return secure.status == 204 or (plain.status == 204 and over4[0].status != 204)


def judge_leak(over6: Sequence[Heard], over4: Sequence[Heard]) -> Findings:
    """Judge Android's check over IPv6 alone before joining; pure."""
    if all(one.trouble == "local" for one in over6):
        why = "this machine has no IPv6 address here"
        return Findings(unchecked=[Unchecked("whether IPv6 leaks before joining", why, "before")])
    open_ = [one for one in over6 if one.status == 204]
    if leaks6(over6, over4):
        says = f"IPv6 is open before joining: {open_[0].ask.url} answers 204 over it."
        remedy = "Treat IPv6 as IPv4: phones that get out by it never open the sign-in page."
        return Findings([Finding("ipv6-leak", "fault", says, remedy, "RFC 8952, 2.4; TollGate 148", "before")])
    if all(one.trouble == "name" for one in over6):
        return Findings(right=["no name has an IPv6 address here"])
    return Findings(right=["IPv6 does not lead out before joining"]) if not open_ else Findings()
