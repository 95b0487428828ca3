"""The table of clients: nobody twice, everybody online where the true replies come, nobody where a portal answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from meshctl.doctor.catalogue import CATALOGUE, Client, Way, choose
from meshctl.doctor.judge import judge
from meshctl.doctor.names import Looked
from meshctl.doctor.observed import Heard
from meshctl.doctor.report import WIDTH
from meshctl.lab.probes import ELSEWHERE, reply_to

ROOT = Path(__file__).resolve().parent.parent.parent


def true_reply(client: Client, way: Way) -> Heard:
    parts = urlsplit(way.url)
    reply = reply_to(parts.hostname or "", parts.path)
    assert reply != ELSEWHERE, f"the lab's internet has no answer for {way.url}"
    return Heard(client.ask(way), reply.status, (("Content-Type", reply.kind),), reply.body, address="198.51.100.1")


def caught(client: Client, way: Way) -> Heard:
    if urlsplit(way.url).scheme == "https":
        return Heard(client.ask(way), trouble="refused")
    return Heard(client.ask(way), 302, (("Location", "http://mesh.home/"),), b"<title>Join</title>")


def silent(client: Client, way: Way) -> Heard:
    return Heard(client.ask(way), trouble="silence")


def truly_looked(client: Client) -> list[Looked]:
    return [Looked(name, "A", (address,), expects=address) for name, address in client.names]


def test_no_client_and_no_address_is_there_twice() -> None:
    keys = Counter(client.key for client in CATALOGUE)
    ways = Counter((client.key, way.url, way.family) for client in CATALOGUE for way in client.ways)
    names = Counter(client.name for client in CATALOGUE)

    assert [key for counted in (keys, ways, names) for key, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("client", CATALOGUE, ids=lambda client: client.key)
def test_a_client_is_online_by_the_true_replies_caught_by_a_redirect_and_neither_in_silence(client: Client) -> None:
    looked = truly_looked(client)
    states = [
        judge(client, {way: hear(client, way) for way in client.ways}, looked).state
        for hear in (true_reply, caught, silent)
    ]

    assert states[:2] == ["online", "portal"]
    assert states[2] in ("limited", "silent")


def test_windows_is_not_online_where_the_resolver_lies_to_it() -> None:
    (windows,) = [client for client in CATALOGUE if client.key == "windows"]
    heards = {way: true_reply(windows, way) for way in windows.ways}
    looked = [Looked(name, "A", ("10.0.0.1",), expects=address) for name, address in windows.names]

    assert judge(windows, heards, looked).state == "limited"


def test_android_takes_a_private_address_for_no_internet() -> None:
    (android,) = [client for client in CATALOGUE if client.key == "android"]
    http, *others = android.ways
    heards = {way: Heard(android.ask(way), trouble="refused") for way in others}
    heards[http] = Heard(android.ask(http), 404, address="192.168.1.1")

    assert "private" in judge(android, heards).reason


def test_clients_are_chosen_by_key_and_by_group() -> None:
    assert {client.group for client in choose(["apple", "kde"])} == {"apple", "networkmanager"}
    assert choose([""]) == CATALOGUE
    with pytest.raises(KeyError, match="nokia"):
        choose(["nokia"])


def test_names_fit_their_column() -> None:
    assert max(len(client.name) for client in CATALOGUE) < 29
    assert max(len(client.portal) for client in CATALOGUE) <= WIDTH - 37


def documented() -> str:
    rows = ["| name | client | asks | at a portal it | source |", "|---|---|---|---|---|"]
    for client in CATALOGUE:
        asked = "<br>".join(dict.fromkeys(way.url for way in client.ways))
        rows.append(f"| `{client.key}` | {client.name} | {asked} | {client.portal} | {client.source} |")
    return "\n".join(rows)


def test_the_table_in_the_documentation_is_the_catalogue() -> None:
    assert documented() in (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
