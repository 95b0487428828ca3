"""What two ends make of a link, without a database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshctl.hub.drawing import MOST_NODES, Spot, draw
from meshctl.hub.latest import advance
from meshctl.hub.links import (
    GONE_SECONDS,
    SETTLING_SECONDS,
    UNREACHABLE,
    End,
    HeldLink,
    LinkKey,
    LinkView,
    Witness,
    follow,
    merge,
    witnesses,
)
from meshctl.wire import Fact, LinkState
from tests.hub.fleet import MESH, NOON, Board, link

ELM, OAK = Board("elm"), Board("oak")
BOTH = {"elm": NOON, "oak": NOON}
OLD = NOON - 3600


def held(node: str, far: str, since: float = OLD, up: bool = True, **changes: object) -> HeldLink:
    row = {"device": "mesh0", "reach": 1.0 if up else 0.0, "cost": 96 if up else UNREACHABLE, "rtt_ms": None}
    return HeldLink(node=node, far=far, up=up, since=since, **{**row, **changes})  # type: ignore[arg-type]


def view(*links: HeldLink, telling: dict[str, float] | None = None, now: float = NOON) -> LinkView:
    (found,) = merge(links, BOTH if telling is None else telling, {"elm", "oak", "yew"}, now)
    return found


def test_a_link_begins_when_it_is_first_told_and_ends_when_it_is_told_no_more() -> None:
    first = follow({}, "elm", [link("oak")], 100.0)
    assert first["oak", "mesh0"] == held("elm", "oak", 100.0)
    again = follow(first, "elm", [link("oak", reach=0.9, cost=100, rtt_ms=2.0)], 160.0)
    assert again["oak", "mesh0"] == held("elm", "oak", 100.0, reach=0.9, cost=100, rtt_ms=2.0)
    gone = follow(again, "elm", [], 220.0)
    assert gone["oak", "mesh0"] == held("elm", "oak", 220.0, up=False)
    assert follow(gone, "elm", [], 280.0) == gone
    assert follow(gone, "elm", [link("oak")], 300.0) == {("oak", "mesh0"): held("elm", "oak", 300.0)}


def test_a_link_that_is_told_but_cannot_be_used_is_not_up() -> None:
    for dead in (link("oak", cost=UNREACHABLE), link("oak", reach=0.0)):
        assert not follow({}, "elm", [dead], 1.0)["oak", "mesh0"].up


def poor_by(reaches: list[float], step: float = 1.0) -> list[float | None]:
    known: dict[LinkKey, HeldLink] = {}
    poor = []
    for number, reach in enumerate(reaches):
        known = follow(known, "elm", [link("oak", reach=reach)], number * step)
        poor.append(known["oak", "mesh0"].poor)
    return poor


def test_a_link_is_poor_since_it_first_was_and_not_after_it_was_well() -> None:
    assert poor_by([1.0, 0.7, 0.5, 0.75, 0.6]) == [None, 1.0, 1.0, None, 4.0]


def test_a_link_that_comes_up_is_not_poor_unless_it_never_gets_well() -> None:
    assert poor_by([0.1, 0.4, 0.7, 1.0]) == [None, None, None, None]
    assert poor_by([0.1, 0.4, 0.4, 0.4], SETTLING_SECONDS / 2) == [None, None, SETTLING_SECONDS, SETTLING_SECONDS]


def test_a_link_that_comes_and_goes_is_poor_all_the_while() -> None:
    assert poor_by([1.0, 0.0, 0.6, 0.0, 0.5, 1.0]) == [None, None, 1.0, 1.0, 1.0, None]
    assert poor_by([1.0, 0.0, 0.6], SETTLING_SECONDS) == [None, None, None]
    assert poor_by([1.0, 0.0, 1.0]) == [None, None, None]


def test_both_ends_are_one_row() -> None:
    assert view(held("oak", "elm", cost=98, reach=0.9375, rtt_ms=0.5), held("elm", "oak", since=OLD - 30)) == LinkView(
        ("elm", "oak"), "fine", OLD, (End("elm", 1.0, 96, None), End("oak", 0.9375, 98, 0.5))
    )
    assert view(held("elm", "oak"), held("oak", "elm")).name == "elm \N{EN DASH} oak"


def test_of_several_devices_the_one_that_babel_uses_counts_and_one_that_is_left_keeps_the_link_up() -> None:
    cable, radio = held("elm", "oak", device="eth1"), held("elm", "oak", device="wlan1", cost=256, reach=0.5)
    far = held("oak", "elm")
    assert view(cable, radio, far).ends[0] == End("elm", 1.0, 96, None)
    lost = held("elm", "oak", device="eth1", up=False, since=NOON - 9)
    assert view(lost, radio, far).state == "fine"


def test_a_link_that_either_end_lost_is_down_since_the_first_lost_it() -> None:
    early, late = NOON - 200, NOON - 150
    both = view(held("elm", "oak", late, up=False), held("oak", "elm", early, up=False))
    assert (both.state, both.since, both.ends, both.remark) == ("down", early, (None, None), "")
    one = view(held("elm", "oak", early, up=False), held("oak", "elm"))
    assert (one.state, one.since) == ("down", early)
    assert one.remark == "oak hears elm, but not the other way round"


def test_what_a_node_said_before_the_other_end_changed_is_no_news() -> None:
    telling = {"elm": NOON, "oak": NOON - 60}
    lost = view(held("elm", "oak", NOON - 10, up=False), held("oak", "elm"), telling=telling)
    assert (lost.state, lost.remark, lost.ends) == ("down", "", (None, None))
    healed = view(held("elm", "oak", NOON - 10), held("oak", "elm", NOON - 300, up=False), telling=telling)
    assert (healed.state, healed.since) == ("new", NOON - 10)
    agreed = view(held("elm", "oak", NOON - 10, up=False), held("oak", "elm", NOON - 90, up=False), telling=telling)
    assert (lost.quiet, agreed.quiet) == (("oak",), ())


def test_a_link_that_only_one_end_tells_is_new_for_a_while_and_then_down() -> None:
    def alone(age: float) -> LinkView:
        return view(held("elm", "oak", NOON - age), telling={"elm": NOON, "oak": NOON})

    assert alone(SETTLING_SECONDS - 1).state == "new"
    settled = alone(SETTLING_SECONDS)
    assert (settled.state, settled.remark) == ("down", "elm hears oak, but not the other way round")


def test_a_silent_far_end_leaves_the_word_to_the_other() -> None:
    quiet = view(held("elm", "oak"), held("oak", "elm", reach=0.1, poor=OLD), telling={"elm": NOON})
    assert (quiet.state, quiet.remark, quiet.ends[1]) == ("fine", "oak does not tell", None)
    nobody = view(held("elm", "oak"), held("oak", "elm"), telling={})
    assert (nobody.state, nobody.ends) == ("unknown", (None, None))


def test_few_hellos_heard_at_one_end_make_the_link_poor_and_a_new_one_is_given_time() -> None:
    bad = held("oak", "elm", reach=0.5, poor=NOON - 40)
    assert (view(held("elm", "oak"), bad).state, view(held("elm", "oak"), bad).since) == ("poor", NOON - 40)
    came = NOON - SETTLING_SECONDS + 1
    rising = held("oak", "elm", came, reach=0.5)
    assert view(held("elm", "oak", came), rising).state == "new"
    assert view(held("elm", "oak", came), held("oak", "elm", came)).state == "fine"


def test_a_link_that_nobody_hears_is_forgotten_after_a_day_and_one_that_somebody_hears_is_not() -> None:
    long_ago = NOON - GONE_SECONDS
    down = [held("elm", "oak", long_ago, up=False), held("oak", "elm", long_ago, up=False)]
    assert merge(down, BOTH, {"elm", "oak"}, NOON) == []
    assert len(merge(down, BOTH, {"elm", "oak"}, NOON - 1)) == 1
    assert view(down[0], held("oak", "elm")).state == "down"


def test_a_node_that_left_the_list_takes_its_links_along() -> None:
    assert merge([held("elm", "oak"), held("oak", "elm")], BOTH, {"elm"}, NOON) == []


def test_neighbouring_nodes_bear_witness() -> None:
    views = merge(
        [held("elm", "oak", NOON - 100, up=False), held("yew", "oak"), held("oak", "elm"), held("elm", "yew")],
        {"elm": NOON, "yew": NOON},
        {"elm", "oak", "yew"},
        NOON,
    )
    told = witnesses(views)
    assert told["oak"] == Witness(hears=("yew",), lost=("elm",), since=NOON - 100)
    assert told["elm"].hears == ()


def test_a_report_without_a_view_changes_no_link() -> None:
    first = advance("k", None, {}, [ELM.health(facts=MESH, links=(link("oak"),))], NOON)
    blind = {**MESH, "babel": Fact(ok=False, error="no answer")}
    later = advance("k", first.standing, {}, [ELM.health(sequence=2, facts=blind)], NOON + 60, first.links)
    assert later.links == {}
    assert later.standing is not None
    assert not later.standing.tells_links
    seen = advance(
        "k", later.standing, {}, [ELM.health(sequence=3, facts=MESH, wall=NOON + 90)], NOON + 90, first.links
    )
    assert seen.links["oak", "mesh0"] == held("elm", "oak", NOON + 90, up=False)


def test_a_refused_roster_hides_no_link_while_the_one_before_is_in_force() -> None:
    first = advance("k", None, {}, [ELM.health(facts=MESH, links=(link("oak"),))], NOON)
    for value, spoke in ((6.0, True), (None, False)):
        facts = {**MESH, "roster": Fact(ok=False, value=value, error="roster 7 is not signed")}
        later = advance("k", first.standing, {}, [ELM.health(sequence=2, facts=facts)], NOON, first.links)
        assert bool(later.links) is spoke


def test_an_old_report_that_comes_late_changes_no_link() -> None:
    newest = advance("k", None, {}, [ELM.health(boot=2, facts=MESH, links=(link("oak"),))], NOON)
    old = advance("k", newest.standing, {}, [ELM.health(boot=1, facts=MESH, links=(link("yew"),))], NOON, newest.links)
    assert old.links == {}


def test_the_gateway_is_the_same_since_it_first_was() -> None:
    first = advance("k", None, {}, [ELM.health(gateway="oak", wall=NOON - 60)], NOON - 60)
    same = advance("k", first.standing, {}, [ELM.health(sequence=2, gateway="oak")], NOON)
    other = advance("k", same.standing, {}, [ELM.health(sequence=3, gateway="yew")], NOON)
    assert same.standing is not None
    assert same.standing.gateway_since == NOON - 60
    assert other.standing is not None
    assert (other.standing.gateway, other.standing.gateway_since) == ("yew", NOON)


_STATES = st.builds(
    LinkState,
    st.sampled_from(["oak", "yew"]),
    st.sampled_from(["m0", "m1"]),
    st.floats(0, 1),
    st.integers(0, UNREACHABLE),
)


@given(
    st.lists(st.tuples(st.sampled_from(["elm", "oak", "yew"]), st.lists(_STATES, max_size=4)), max_size=8), st.data()
)
def test_whatever_is_told_gives_one_row_for_each_pair(
    told: list[tuple[str, list[LinkState]]], data: st.DataObject
) -> None:
    known: dict[str, dict[LinkKey, HeldLink]] = {}
    for at, (node, states) in enumerate(told):
        others = [state for state in states if state.to != node]
        known[node] = follow(known.get(node, {}), node, others, float(at))
    telling = {name: data.draw(st.floats(0, 10)) for name in known}
    rows = [row for links in known.values() for row in links.values()]
    views = merge(rows, telling, {"elm", "oak", "yew"}, 10.0)
    assert len({one.nodes for one in views}) == len(views) <= 3
    assert all(one.nodes == tuple(sorted(one.nodes)) for one in views)
    assert draw([Spot(name, "leaf", "", gateway=False) for name in ("elm", "oak", "yew")], views) or not views


def ring(count: int) -> list[LinkView]:
    names = [f"node-{n:02}" for n in range(count)]
    pairs = [sorted((names[n], names[(n + 1) % count])) for n in range(count)]
    end = End("x", 1.0, 96, None)
    return [LinkView((one, other), "fine", OLD, (end, end)) for one, other in pairs]


def spots(count: int) -> list[Spot]:
    return [Spot(f"node-{n:02}", "leaf", "", gateway=n == 3) for n in range(count)]


def test_a_ring_is_drawn_as_a_ring_that_begins_at_the_gateway() -> None:
    drawing = draw(spots(12), ring(12))
    assert drawing
    assert drawing.dots[0].name == "node-03"
    around = [dot.name for dot in drawing.dots]
    drawn = {frozenset(stroke.name.split(" \N{EN DASH} ")) for stroke in drawing.strokes}
    assert drawn == {frozenset((around[n], around[n - 1])) for n in range(12)}
    assert all(0 < dot.x < drawing.width for dot in drawing.dots)
    assert all(drawing.top < dot.y < drawing.top + drawing.height for dot in drawing.dots)
    assert len({(dot.x, dot.y) for dot in drawing.dots}) == 12


def test_too_many_nodes_are_not_drawn_and_none_need_no_picture() -> None:
    assert draw(spots(MOST_NODES), ring(MOST_NODES))
    assert draw(spots(MOST_NODES + 1), ring(MOST_NODES + 1)) is None
    assert draw(spots(2), []) is None
