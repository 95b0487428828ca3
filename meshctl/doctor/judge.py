"""From what a client heard to what it shows. Pure: each rule is that of the client's own source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from meshctl.doctor.catalogue import Client, Role, Way
from meshctl.doctor.names import Looked, is_private
from meshctl.doctor.observed import Heard, Phase
from meshctl.doctor.web import length_of

State = Literal["portal", "online", "blank", "partial", "limited", "silent"]

SHOWN: dict[State, str] = {
    "online": "connected",
    "blank": "opens a sign-in page that shows nothing",
    "partial": "limited connection, asks whether to stay",
    "limited": "connected, no internet",
    "silent": "nothing at all: stays silent",
}
"""What a client shows; what it does at a portal is in the catalogue."""

EXPECTED: dict[Phase, State] = {"before": "portal", "after": "online"}

SMALL = 4
"""Android takes a reply of 200 with at most so many bytes for no reply (NetworkMonitor.java)."""


@dataclass(frozen=True)
class Verdict:
    """What a client concludes and why; ``page`` is the address of the page it would open."""

    state: State
    reason: str
    page: str = ""


@dataclass(frozen=True)
class Visit:
    """What one client did and concludes."""

    client: Client
    heards: dict[Way, Heard]
    looked: tuple[Looked, ...]
    verdict: Verdict
    took: float


Heards = Mapping[Way, Heard]


def judge(client: Client, heards: Heards, looked: Sequence[Looked] = (), api: str = "") -> Verdict:
    """What a client concludes. ``api``: the sign-in page that a valid RFC 8908 answer named, "" where none did."""
    if api and client.uses_api:
        return Verdict("portal", f"the captive portal API names {api}", api)
    match client.rule:
        case "apple":
            return _apple(*_only(client, heards, "http"))
        case "android":
            return _android(client, heards)
        case "chromeos":
            return _chromeos(client, heards)
        case "windows":
            return _windows(client, heards, looked)
        case "firefox":
            return _firefox(client, heards)
        case "networkmanager":
            return _best(_networkmanager(way, heards[way]) for way in client.ways if way in heards)
        case "marker":
            return _marker(*_only(client, heards, "http"))
        case "empty":
            return _empty(*_only(client, heards, "http"))


def _only(client: Client, heards: Heards, role: Role) -> tuple[Way, Heard]:
    way = next(way for way in client.ways if way.role == role)
    return way, heards[way]


def _page(heard: Heard) -> str:
    return heard.header("location") if 300 <= heard.status < 400 else heard.ask.url


def _portal(heard: Heard) -> Verdict:
    """A portal was seen: it opens the redirect's target, or what was sent in place of the true reply."""
    if 300 <= heard.status < 400:
        if not heard.header("location"):
            return Verdict("blank", f"{heard.status} without a Location")
    elif len(heard.body.strip()) <= SMALL:
        return Verdict("blank", f"{heard.summary}: nothing to sign in with", heard.ask.url)
    return Verdict("portal", heard.summary, _page(heard))


def _online(heard: Heard) -> Verdict:
    return Verdict("online", f"the true reply comes by IPv{6 if ':' in heard.address else 4}")


def _apple(way: Way, heard: Heard) -> Verdict:
    if heard.trouble:
        return Verdict("limited", heard.summary)
    if heard.status == 200 and b"".join(heard.body.split()) == "".join(way.expects.split()).encode():
        return _online(heard)
    return _portal(heard)


def probe_204(heard: Heard) -> Literal["success", "portal", "failed"]:
    """How Android reads one reply: 204, any other from 200 to 399, or neither, among which is a small 200."""
    if heard.trouble:
        return "failed"
    if heard.status == 204:
        return "success"
    if heard.status == 200:
        length = length_of(heard.header("content-length"))
        is_failed = not heard.body if length is None else length <= SMALL
        return "failed" if is_failed else "portal"
    return "portal" if 200 <= heard.status <= 399 else "failed"


def _android(client: Client, heards: Heards) -> Verdict:
    found = {way: probe_204(heard) for way, heard in heards.items()}
    http, https, fallback = ([way for way in client.ways if way.role == role and way in found]
                             for role in ("http", "https", "fallback"))  # fmt: skip
    for way in (*http, *https):
        if found[way] == "portal":
            return _portal(heards[way])
    for way in https:
        if found[way] == "success":
            return _online(heards[way])
    if any(is_private(heards[way].address) and not heards[way].trouble for way in http):
        return Verdict(
            "limited", f"{http[0].url} has a private address, {heards[http[0]].address}: taken for no internet"
        )
    for way in fallback:
        if found[way] == "portal":
            return _portal(heards[way])
    success = any(found[way] == "success" for way in (*http, *fallback))
    if https and success:
        return Verdict("partial", f"http works and https does not: {heards[https[0]].summary}")
    if success:
        return _online(next(heards[way] for way in (*http, *fallback) if found[way] == "success"))
    return Verdict("limited", _why_failed(heards[http[0]]))


def _why_failed(heard: Heard) -> str:
    if heard.trouble or heard.status != 200:
        return heard.summary
    return f"200 with {len(heard.body)} bytes, which it takes for a broken proxy"


def _chromeos(client: Client, heards: Heards) -> Verdict:
    http, https = heards[client.ways[0]], heards[client.ways[1]]
    if not http.trouble:
        length = length_of(http.header("content-length"))
        size = len(http.body) if length is None else length
        if http.status in (302, 307) or (http.status == 200 and size > 1):
            return _portal(http)
        if http.status in (200, 204) and not https.trouble:
            return _online(http)
    return Verdict("limited", f"http: {http.summary}; https: {https.summary}")


def _windows(client: Client, heards: Heards, looked: Sequence[Looked]) -> Verdict:
    told = [_content(way, heards[way]) for way in client.ways if way in heards]
    best = _best(told)
    if best.state != "online":
        return best
    if looked and not any(one.is_true for one in looked):
        return Verdict("limited", f"{looked[0].name} is {looked[0].summary}, not {looked[0].expects}")
    return best


def _content(way: Way, heard: Heard) -> Verdict:
    if heard.trouble:
        return Verdict("limited", heard.summary)
    if heard.status == 200 and heard.body == way.expects.encode():
        return _online(heard)
    return _portal(heard)


def _firefox(client: Client, heards: Heards) -> Verdict:
    way, heard = _only(client, heards, "http")
    if heard.trouble or (heard.status != 200 and not 300 <= heard.status <= 399):
        return Verdict("silent", f"{heard.summary}: it tries again later")
    if heard.status == 200 and heard.body.strip() == way.expects.encode():
        return _online(heard)
    return _portal(heard)


def _networkmanager(way: Way, heard: Heard) -> Verdict:
    """Status codes do not matter to it, but where it expects nothing."""
    if heard.trouble:
        return Verdict("limited", heard.summary)
    if heard.header("x-networkmanager-status").lower().startswith("online"):
        return Verdict("online", "the true header")
    if way.expects:
        true = heard.body.startswith(way.expects.encode())
    else:
        true = heard.status == 204 or (heard.status == 200 and not heard.body)
    return _online(heard) if true else _portal(heard)


_RANK: dict[State, int] = {"silent": 0, "limited": 1, "partial": 2, "blank": 3, "portal": 4, "online": 5}


def _best(verdicts: Iterable[Verdict]) -> Verdict:
    """Of two families, the one that leads further: online, then a portal (nm_connectivity_state_cmp)."""
    return max(verdicts, key=lambda one: _RANK[one.state])


def _marker(way: Way, heard: Heard) -> Verdict:
    if heard.trouble:
        return Verdict("limited", heard.summary)
    return _online(heard) if way.expects.encode() in heard.body else _portal(heard)


def _empty(_: Way, heard: Heard) -> Verdict:
    if heard.trouble or heard.status >= 400:
        return Verdict("silent", heard.summary)
    return _online(heard) if heard.status == 204 else _portal(heard)


def is_true(client: Client, way: Way, heard: Heard) -> bool:
    """Whether that is what the client's own server answers."""
    if heard.trouble:
        return False
    match client.rule:
        case "android" | "chromeos" | "empty":
            return heard.status == 204
        case "networkmanager":
            return _networkmanager(way, heard).state == "online"
        case "marker":
            return way.expects.encode() in heard.body
        case _:
            return heard.status == 200 and b"".join(heard.body.split()) == "".join(way.expects.split()).encode()
