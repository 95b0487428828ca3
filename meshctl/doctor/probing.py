"""Asks what each client asks, in its order and together where it asks together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from meshctl.doctor.catalogue import Client, Way
from meshctl.doctor.fetch import Net, fetch
from meshctl.doctor.judge import Visit, judge, probe_204
from meshctl.doctor.names import Kind, Looked
from meshctl.doctor.observed import Heard

AT_ONCE = 12
"""Clients that ask at the same time: portals bound the connections of one device."""

_ANDROID_WAIT = 3.0
"""Seconds that Android waits for both of its first probes (PROBE_TIMEOUT_MS)."""


def visit_all(net: Net, clients: Sequence[Client], api: str, say: Callable[[str], None]) -> list[Visit]:
    """Every client's visit, in the catalogue's order; ``api`` is what the captive portal API names as its page."""
    visits: dict[str, Visit] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(visit, net, client, api) for client in clients}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in (future.result() for future in done):
                visits[one.client.key] = one
                say(f"{one.client.name}: {one.verdict.state}")
    return [visits[client.key] for client in clients]


def visit(net: Net, client: Client, api: str = "") -> Visit:
    """Ask as one client asks, and judge as it judges."""
    began = time.monotonic()
    heards = _PLANS.get(client.rule, _together)(net, client)
    looked = tuple(_look(net, name, expects) for name, expects in client.names)
    return Visit(client, heards, looked, judge(client, heards, looked, api), time.monotonic() - began)


def _look(net: Net, name: str, expects: str) -> Looked:
    kind: Kind = "AAAA" if ":" in expects else "A"
    one = net.resolver.look(name, kind)
    return Looked(one.name, kind, one.addresses, one.trouble, expects)


def _asked(net: Net, client: Client, way: Way) -> Heard:
    return fetch(net, client.ask(way, net.most))


def _first(net: Net, client: Client) -> dict[Way, Heard]:
    """Ask one way; the second only where the first did not say "online"."""
    way, *rest = client.ways
    heards = {way: _asked(net, client, way)}
    if judge(client, heards).state != "online":
        heards |= {one: _asked(net, client, one) for one in rest}
    return heards


def _together(net: Net, client: Client) -> dict[Way, Heard]:
    """Ask by every way at the same time; those of a family that is not there are left out."""
    with ThreadPoolExecutor(len(client.ways)) as pool:
        heards = dict(zip(client.ways, pool.map(lambda way: _asked(net, client, way), client.ways), strict=True))
    absent = [way for way, heard in heards.items() if way.family == 6 and heard.trouble in ("local", "name")]
    return {way: heard for way, heard in heards.items() if way not in absent or len(absent) == len(heards)}


def _android(net: Net, client: Client) -> dict[Way, Heard]:
    """Ask over http and https together; without a clear word within 3 s, by the other addresses one by one."""
    first = [way for way in client.ways if way.role != "fallback"]
    with ThreadPoolExecutor(len(first)) as pool:
        asked: dict[Way, Future[Heard]] = {way: pool.submit(_asked, net, client, way) for way in first}
        wait(asked.values(), timeout=_ANDROID_WAIT)
        heards = {way: future.result() for way, future in asked.items() if future.done()}
        if not _is_clear(heards):
            for way in client.ways:
                if way.role == "fallback":
                    heards[way] = _asked(net, client, way)
                    if probe_204(heards[way]) == "portal":
                        break
        return {**heards, **{way: future.result() for way, future in asked.items()}}


def _is_clear(heards: dict[Way, Heard]) -> bool:
    found = {way.role: probe_204(heard) for way, heard in heards.items()}
    return found.get("http") == "portal" or found.get("https") in ("success", "portal")


def _chromeos(net: Net, client: Client) -> dict[Way, Heard]:
    """Ask over http and https together; the other addresses are for the next attempts, asked where the first failed."""
    http, https, *others = client.ways
    with ThreadPoolExecutor(2) as pool:
        heards = dict(zip((http, https), pool.map(lambda way: _asked(net, client, way), (http, https)), strict=True))
    if heards[http].trouble:
        heards |= {way: _asked(net, client, way) for way in others}
    return heards


_PLANS: dict[str, Callable[[Net, Client], dict[Way, Heard]]] = {
    "android": _android,
    "chromeos": _chromeos,
    "apple": _first,
    "marker": _first,
    "empty": _first,
}
