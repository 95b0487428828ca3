"""What babeld is understood to say: recorded text, a babeld that misbehaves, and real babelds in namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshctl.agent import babel
from meshctl.agent.babel import BabelError, Dump, Neighbour, Route, dump, gateway_in_use, links, next_hop, parse
from meshctl.lists import Roster
from meshctl.wire import LinkState
from tests.agent.babelds import (
    ELM,
    NAMES,
    OAK,
    OAK_SAYS,
    ROSTER,
    YEW,
    Answer,
    Street,
    answers_as_oak,
    babeld_that,
    ip,
    street,
)

# The same on yew, a moment after oak's device went down: installed still, but unreachable.
YEW_SAYS = f"""BABEL 1.0
version babeld-1.12.1
host vm
my-id {YEW}
ok
add interface mb up true ipv6 fe80::3
add neighbour 83e0 address fe80::22 if mb reach 3fff ureach 0000 rxcost 65535 txcost 96 cost 65535
add route 8bc0 prefix 0.0.0.0/0 from 0.0.0.0/0 installed yes id {ELM} metric 65535 refmetric 96 \
via fe80::22 if mb
add route 95a0 prefix 10.44.4.1/32 from 0.0.0.0/0 installed yes id {OAK} metric 65535 refmetric 0 \
via fe80::22 if mb
ok
"""


def test_a_dump_is_read_whole() -> None:
    seen = parse(OAK_SAYS)

    assert seen.router == OAK
    assert seen.neighbours == (
        Neighbour("fe80::3", "yew", 0xFFF0, 96, 96, 96),
        Neighbour("fe80::1", "elm", 0xFFFF, 96, 96, 96, 0.412),
    )
    assert [one.reach_share for one in seen.neighbours] == [1.0, 1.0]
    assert len(seen.routes) == 4
    assert seen.default_route(4) == Route("0.0.0.0/0", True, ELM, 96, 0, "fe80::1", "elm", "0.0.0.0/0")
    assert seen.default_route(6) is not None
    assert [one.prefix for one in seen.xroutes] == ["10.44.4.1/32"]


@pytest.mark.parametrize(
    ("reach", "share"),
    [
        (0xFFFF, 1.0),
        (0x0FFF, 0.75),
        (0xFF0F, 0.75),
        (0x8000, 1.0),
        (0xFFC0, 1.0),
        (0xB400, 4 / 6),
        (0, 0.0),
        (1, 1 / 16),
    ],
)
def test_hellos_of_before_a_neighbour_was_known_are_not_missed(reach: int, share: float) -> None:
    assert Neighbour("fe80::1", "m", reach, 96, 96, 96).reach_share == share


def test_neighbours_are_told_by_their_names_and_never_by_their_addresses() -> None:
    told = links(parse(OAK_SAYS), ROSTER, "oak")

    assert told == (LinkState("elm", "elm", 1.0, 96, 0.41), LinkState("yew", "yew", 1.0, 96))
    assert "fe80" not in repr(told)
    assert gateway_in_use(parse(OAK_SAYS), ROSTER) == "elm"
    assert next_hop(parse(OAK_SAYS), ROSTER) == "elm"


def test_a_route_that_is_installed_but_leads_nowhere_is_no_way_out() -> None:
    seen = parse(YEW_SAYS)

    assert seen.default_route(4) is None
    assert gateway_in_use(seen, ROSTER) is None
    assert next_hop(seen, ROSTER) is None
    assert links(seen, ROSTER, "yew") == (LinkState("oak", "mb", 14 / 16, babel.UNREACHABLE),)


def test_a_neighbour_that_takes_anothers_prefix_back_is_still_itself() -> None:
    # As babeld 1.12.1 has it after a cut between oak and yew, both next to elm: under the router-id of who says so.
    heard = Neighbour("fe80::2", "m", 0xFFFF, 96, 96, 96)
    taken_back = Route("10.44.8.0/22", False, OAK, babel.UNREACHABLE, babel.UNREACHABLE, "fe80::2", "m", "0.0.0.0/0")
    own = Route("10.44.4.0/22", True, OAK, 96, 0, "fe80::2", "m", "0.0.0.0/0")
    for routes in ((taken_back, own), (own, taken_back)):
        assert [one.to for one in links(Dump(ELM, (heard,), routes), ROSTER, "elm")] == ["oak"]


def test_a_neighbour_that_the_roster_does_not_have_is_no_link() -> None:
    fewer = Roster(2, ROSTER.members[:2])

    assert [one.to for one in links(parse(OAK_SAYS), fewer, "oak")] == ["elm"]


def test_a_gateway_uses_its_own_line_and_another_when_that_is_gone() -> None:
    head = f"BABEL 1.0\nmy-id {ELM}\nok\n"
    own = "add xroute 0.0.0.0/0-0.0.0.0/0 prefix 0.0.0.0/0 from 0.0.0.0/0 metric 0\n"
    head += "add xroute 10.44.0.0/22-0.0.0.0/0 prefix 10.44.0.0/22 from 0.0.0.0/0 metric 0\n"
    other = (
        f"add route 1 prefix 0.0.0.0/0 from 0.0.0.0/0 installed yes id {YEW} metric 9 refmetric 6 via fe80::1 if m\n"
        f"add route 2 prefix 10.44.4.0/22 from 0.0.0.0/0 installed no id {OAK} metric 9 refmetric 0 via fe80::1 if m\n"
        f"add route 3 prefix 10.44.8.0/22 from 0.0.0.0/0 installed no id {YEW} metric 9 refmetric 6 via fe80::1 if m\n"
    )

    assert gateway_in_use(parse(head + own + "ok\n"), ROSTER) == "elm"
    assert next_hop(parse(head + own + "ok\n"), ROSTER) is None
    assert gateway_in_use(parse(head + other + "ok\n"), ROSTER) == "yew"
    assert next_hop(parse(head + other + "ok\n"), ROSTER) == "oak"


def test_a_route_for_some_senders_only_is_no_way_out() -> None:
    some = Route("::/0", True, ELM, 96, 0, "fe80::1", "m", "2001:db8::/48")

    assert Dump(OAK, routes=(some,)).default_route(6) is None


def test_of_two_neighbours_that_are_one_node_on_one_device_the_better_counts() -> None:
    def near(address: str, cost: int) -> tuple[Neighbour, Route]:
        route = Route("10.44.0.0/22", True, ELM, cost, 0, address, "m", "0.0.0.0/0")
        return Neighbour(address, "m", 0xFFFF, 96, 96, cost), route

    worse, better = near("fe80::1", 300), near("fe80::2", 96)
    for pairs in ((worse, better), (better, worse)):
        seen = Dump(OAK, tuple(one for one, _ in pairs), tuple(route for _, route in pairs))
        assert [one.cost for one in links(seen, ROSTER, "oak")] == [96]


def test_a_device_named_after_its_hardware_address_is_told_without_it() -> None:
    assert babel.plain_device("mesh0") == "mesh0"
    told = babel.plain_device("wlx02004c4f4f50")
    assert told.startswith("wlx-")
    assert "4c4f" not in told.removeprefix("wlx-")
    assert told != babel.plain_device("wlx02004c4f4f51")


def test_what_a_newer_babeld_adds_is_passed_over() -> None:
    more = OAK_SAYS.replace("cost 96\n", "cost 96 mood fine\n").replace(
        "add xroute", "add weather 7 sun yes\nadd xroute"
    )

    assert parse(more) == parse(OAK_SAYS)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("", "no babeld"),
        ("HTTP/1.0 400 Bad Request\nok\nok\n", "no babeld"),
        ("BABEL 1.0\nmy-id 1\nok\nno\n", "no babeld"),
        ("BABEL 1.0\nok\nok\n", "cannot be read"),
        (OAK_SAYS.replace("reach fff0", "reach often"), "cannot be read"),
        (OAK_SAYS.replace("rtt 0.412", "rtt nan"), "cannot be read"),
        (OAK_SAYS.replace(" refmetric 192", ""), "refmetric"),
    ],
)
def test_what_cannot_be_read_is_said_so(says: str, words: str) -> None:
    with pytest.raises(BabelError, match=words):
        parse(says)


@given(st.text(), st.integers(0, len(OAK_SAYS)), st.integers(0, 40))
def test_whatever_answers_it_is_either_read_or_refused(noise: str, at: int, gone: int) -> None:
    try:
        seen = parse(OAK_SAYS[:at] + noise + OAK_SAYS[at + gone :])
    except BabelError:
        return
    assert all(0 <= one.reach <= 1 for one in links(seen, ROSTER, "oak"))


async def _is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"BABEL 1.0\n")


async def _never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"add weather sun\n" * 4096)
        await writer.drain()


async def _has_no_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (_is_silent, "does not answer within 0.5 s. Restart"),
        (_hangs_up, "hung up. Ask again"),
        (_never_ends, "says more than 8 MB"),
        (_has_no_lines, "does not answer on"),
    ],
)
def test_a_babeld_that_misbehaves_holds_nobody_up(answers: Answer, words: str) -> None:
    async def ask() -> Dump:
        async with babeld_that(answers) as port:
            return await dump(port, 0.5 if answers is _is_silent else 20.0)

    with pytest.raises(BabelError, match=words):
        asyncio.run(ask())


def test_a_babeld_that_answers_is_understood_and_one_that_is_not_there_is_missed() -> None:
    async def ask() -> tuple[int, Dump]:
        async with babeld_that(answers_as_oak) as port:
            return port, await dump(port)

    port, seen = asyncio.run(ask())
    assert seen == parse(OAK_SAYS)
    with pytest.raises(BabelError, match=rf'\[::1\]:{port}.*Start it, with "local-port {port}"'):
        asyncio.run(dump(port))


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """elm, with a line, - oak - yew."""
    with street(NAMES, tmp_path_factory.mktemp("babel")) as place:
        place.cable("elm", "oak")
        place.cable("oak", "yew")
        place.uplink("elm")
        place.start("elm", ["oak"])
        place.start("oak", ["elm", "yew"])
        place.start("yew", ["oak"])
        yield place


@pytest.mark.kernel
def test_real_babelds_are_understood(mesh: Street) -> None:
    def is_settled(one: Dump) -> bool:
        known = links(one, ROSTER, "oak")
        usable = all(0 < link.cost < babel.UNREACHABLE for link in known)
        return len(known) == 2 and usable and gateway_in_use(one, ROSTER) == "elm"

    seen = mesh.wait("oak", is_settled)
    far = mesh.wait("yew", lambda one: gateway_in_use(one, ROSTER) == "elm")
    told = links(seen, ROSTER, "oak")

    assert seen.router == OAK
    assert [(one.to, one.device) for one in told] == [("elm", "elm"), ("yew", "yew")]
    assert all(0 < one.reach <= 1 for one in told)
    assert next_hop(seen, ROSTER) == "elm"
    assert next_hop(far, ROSTER) == "oak"
    assert {one.prefix for one in seen.xroutes} == {"10.44.4.1/32", "fd44:1::1/128"}

    home = mesh.ask("elm")
    assert home.announces_default(4)
    assert home.announces_default(6)
    assert (gateway_in_use(home, ROSTER), next_hop(home, ROSTER)) == ("elm", None)


@pytest.mark.kernel
def test_real_babelds_measure_the_way_and_what_is_heard(mesh: Street) -> None:
    seen = mesh.wait("oak", lambda one: len(one.neighbours) == 2 and all(n.reach == 0xFFFF for n in one.neighbours))

    assert all(one.rtt is not None and 0 <= one.rtt < 1000 for one in seen.neighbours)
    assert [one.reach for one in links(seen, ROSTER, "oak")] == [1.0, 1.0]


@pytest.mark.kernel
def test_a_real_cut_ends_link_and_gateway_at_both_ends(mesh: Street) -> None:
    mesh.wait("yew", lambda one: gateway_in_use(one, ROSTER) == "elm")
    ip("-n", mesh.space("oak"), "link", "set", "dev", "yew", "down")
    gone = mesh.wait("yew", lambda one: gateway_in_use(one, ROSTER) is None)
    assert all(one.cost == babel.UNREACHABLE for one in links(gone, ROSTER, "yew"))
    left = mesh.wait("oak", lambda one: len(links(one, ROSTER, "oak")) == 1)
    assert links(left, ROSTER, "oak")[0].to == "elm"

    ip("-n", mesh.space("oak"), "link", "set", "dev", "yew", "up")
    mesh.wait("yew", lambda one: gateway_in_use(one, ROSTER) == "elm")


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Street]:
    """elm - oak - yew - elm."""
    with street(NAMES, tmp_path) as place:
        for one, other in (("elm", "oak"), ("oak", "yew"), ("yew", "elm")):
            place.cable(one, other)
        for name in NAMES:
            place.start(name, [other for other in NAMES if other != name])
        yield place


@pytest.mark.kernel
def test_a_real_cut_elsewhere_leaves_the_others_their_names(ring: Street) -> None:
    def detour(one: Dump) -> bool:
        return any(0 < route.refmetric < babel.UNREACHABLE and route.device == "yew" for route in one.routes)

    def taken_back(one: Dump) -> bool:
        return any(route.refmetric == babel.UNREACHABLE and route.device == "yew" for route in one.routes)

    ring.wait("elm", lambda one: len(links(one, ROSTER, "elm")) == 2 and detour(one))
    ip("-n", ring.space("yew"), "link", "set", "dev", "oak", "down")
    after = ring.wait("elm", taken_back)

    assert [(one.to, one.device) for one in links(after, ROSTER, "elm")] == [("oak", "oak"), ("yew", "yew")]
