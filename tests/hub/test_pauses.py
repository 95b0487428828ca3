"""How many pauses there were is everybody's to know; whose, why and at which node is not on the public page."""

from __future__ import annotations

from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from meshctl.hub.latest import DAY, MOST_PAUSES_A_DAY, PAUSE_DAYS, advance
from meshctl.hub.store import Store
from meshctl.wire import encode_batch, encode_health
from tests.hub.fleet import NOON, Board, Clock
from tests.hub.test_pages import report

ELM = Board("elm")


def told(client: FlaskClient) -> tuple[int, int]:
    table = client.get("/public.json").json
    assert table is not None
    return table["pauses"], table["pauses_now"]


def test_the_public_page_counts_pauses_of_the_whole_network(client: FlaskClient, elm: Board, farm: Board) -> None:
    assert told(client) == (0, 0)
    report(client, elm, elm.health(pauses=5), elm.health(sequence=2, pauses=6, pauses_now=1))
    report(client, farm, farm.health(), farm.health(sequence=2, pauses=2, pauses_now=1))
    assert told(client) == (3, 2)
    page = client.get("/public").text
    assert "In the last 30 days</dt><dd>3<" in page
    assert "Now</dt><dd>2<" in page
    assert "farm" not in page
    overview = client.get("/").text
    assert "Devices paused by stewards: 3 in the last 30 days, 2 now." in overview


def test_an_old_pause_leaves_the_count_after_thirty_days_and_then_the_database(
    client: FlaskClient, elm: Board, clock: Clock, store: Store
) -> None:
    report(client, elm, elm.health(), elm.health(sequence=2, pauses=1))
    clock.at += (PAUSE_DAYS - 1) * DAY
    report(client, elm, elm.health(sequence=3, pauses=2, wall=clock.at))
    assert told(client)[0] == 2
    clock.at += DAY
    assert told(client)[0] == 1
    store.purge(clock.at)
    assert store.pauses(NOON) == 0


def test_a_node_that_is_offline_says_nothing_of_now(client: FlaskClient, elm: Board, clock: Clock) -> None:
    report(client, elm, elm.health(), elm.health(sequence=2, pauses=1, pauses_now=1))
    clock.at += 3600
    assert told(client) == (1, 0)


def test_a_report_of_an_older_node_says_that_it_paused_nobody(client: FlaskClient, elm: Board) -> None:
    body = encode_health(elm.health()).replace(b'"pauses":0,"pauses_now":0,', b"")
    assert b"pauses" not in body
    reply = client.post("/api/v1/reports", data=encode_batch([elm.sign_bytes(body)]), content_type="application/json")
    assert reply.json is not None
    assert reply.json["refused"] == []
    assert told(client) == (0, 0)


def test_a_count_beyond_bounds_is_refused(client: FlaskClient, elm: Board) -> None:
    for bad in ({"pauses": -1}, {"pauses_now": -1}, {"pauses": 2**62}, {"pauses_now": 2**31}):
        body = elm.batch(elm.health(**bad))
        reply = client.post("/api/v1/reports", data=body, content_type="application/json").json
        assert reply is not None
        assert reply["refused"][0]["reason"] == "out-of-bounds", bad


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.data())
def test_every_pause_is_counted_once_in_whatever_order_batches_come(growth: list[int], data: st.DataObject) -> None:
    total, healths = 7, [ELM.health(pauses=7)]
    for sequence, more in enumerate(growth, start=2):
        total += more
        healths.append(ELM.health(sequence=sequence, pauses=total))
    standing, counted = advance("k", None, {}, healths[:1], NOON).standing, 0
    for health in data.draw(st.permutations(healths[1:])):
        change = advance("k", standing, {}, [health], NOON)
        standing = change.standing or standing
        counted += sum(change.pauses.values())
    assert counted == sum(growth)


def test_a_node_that_lost_its_disk_counts_from_zero() -> None:
    before = advance("k", None, {}, [ELM.health(pauses=9)], NOON)
    after = advance("k", before.standing, {}, [ELM.health(boot=2, pauses=2)], NOON)
    assert after.pauses == {int(NOON // DAY): 2}


def test_one_nodes_nonsense_never_spoils_the_count(client: FlaskClient, elm: Board) -> None:
    report(client, elm, *(elm.health(sequence=n, pauses=2**61 * (n % 2)) for n in range(1, 9)))
    assert told(client)[0] == MOST_PAUSES_A_DAY
