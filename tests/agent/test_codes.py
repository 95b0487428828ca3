"""A steward's code: whose it is, and what other nodes' repeating it changes."""

from __future__ import annotations

from meshctl.agent.codes import SECONDS, Codes

PHONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"


def test_a_code_stays_whose_it_is_when_another_node_repeats_it() -> None:
    hub, here = Codes(), Codes()
    code = hub.make("AAAA", 0.0)
    for now in (0.0, 5.0, 9.0):
        for row in hub.living(now):
            here.learn(*row, now)
        assert here.household(code, PHONE, now) == "AAAA"
        assert here.household(code, OTHER, now) is None


def test_a_newer_code_ends_the_one_before_and_an_older_one_heard_late_does_not_bring_it_back() -> None:
    hub, here = Codes(), Codes()
    before = hub.make("AAAA", 0.0)
    [late] = hub.living(0.0)
    newer = hub.make("AAAA", 60.0)
    for row in hub.living(60.0):
        here.learn(*row, 60.0)
    here.learn(late[0], late[1], SECONDS - 61, "", 61.0)
    assert here.household(newer, PHONE, 62.0) == "AAAA"
    assert here.household(before, PHONE, 62.0) is None


def test_a_code_that_was_used_at_one_node_is_that_devices_at_every_node() -> None:
    hub, oak, ash = Codes(), Codes(), Codes()
    code = hub.make("AAAA", 0.0)
    for node in (oak, ash):
        node.learn(*hub.living(0.0)[0], 0.0)
    told: list[bool] = []
    oak.on_used = lambda: told.append(True)
    for _ in range(3):
        assert oak.household(code, PHONE, 1.0) == "AAAA"
    assert told == [True], "said once"
    ash.learn(*oak.living(1.0)[0], 1.0)
    ash.learn(*hub.living(1.0)[0], 1.0)
    assert ash.household(code, OTHER, 2.0) is None
    assert ash.household(code, PHONE, 2.0) == "AAAA"
    assert PHONE not in str(oak.living(2.0))


def test_of_two_devices_that_used_a_code_at_once_one_has_it_at_every_node() -> None:
    hub, oak, ash = Codes(), Codes(), Codes()
    code = hub.make("AAAA", 0.0)
    for node in (oak, ash):
        node.learn(*hub.living(0.0)[0], 0.0)
    assert (oak.household(code, PHONE, 1.0), ash.household(code, OTHER, 1.0)) == ("AAAA", "AAAA")
    first, second = oak.living(1.0)[0], ash.living(1.0)[0]
    oak.learn(*second, 1.0)
    ash.learn(*first, 1.0)
    assert [oak.household(code, one, 2.0) for one in (PHONE, OTHER)] == [
        ash.household(code, one, 2.0) for one in (PHONE, OTHER)
    ]
