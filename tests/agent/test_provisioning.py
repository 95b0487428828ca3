"""What devices are told of the portal follows the portal's word, and the word does not hold for ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from meshctl.agent.provisioning import BELIEVED, Provisioning
from meshctl.agent.services import dnsmasq_text
from meshctl.captivity import CHANGED, OPTIONS, UNRESTRICTED, options_text, uri_in
from meshctl.config import Access, Config, Node, Paths, Portal
from meshctl.wire import Fact
from tests.agent.small_agent import HandClock

API = "https://portal.lab.test/captive"
SECURE = Portal(host="portal.lab.test", certificate="/c", key="/k")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    access = (Access("lan0", "10.44.0.1/22", "fd44::1/64"),)
    return Config(Node("elm"), access, paths=Paths(str(tmp_path), str(tmp_path)), portal=SECURE)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def told(config: Config) -> str | None:
    return uri_in((Path(config.paths.run) / OPTIONS).read_text())


def later(clock: HandClock, seconds: float) -> None:
    clock.now = replace(clock.now, monotonic=clock.now.monotonic + seconds)


def test_nothing_is_told_before_the_portal_says_that_it_may(config: Config, clock: HandClock) -> None:
    made = Provisioning(config, clock)
    made.keep()
    assert not (Path(config.paths.run) / OPTIONS).exists()
    assert made.tell({"verb": "secure-door", "usable": True}) == {"ok": True}
    assert told(config) == API
    made.tell({"verb": "secure-door", "usable": False})
    assert told(config) is None


def test_each_change_is_left_to_be_seen_until_somebody_takes_it_up(config: Config, clock: HandClock) -> None:
    made, changed = Provisioning(config, clock), Path(config.paths.run) / CHANGED
    made.keep()
    assert not changed.exists()
    for usable in (True, False, True):
        made.tell({"usable": usable})
        for _ in range(3):
            later(clock, 2.0)
            made.keep()
            assert changed.exists()
        changed.unlink()
        made.keep()
        assert not changed.exists()
    Provisioning(config, clock).keep()
    assert not changed.exists()


@pytest.mark.parametrize("left", [float("inf"), float("nan"), "1", [1]])
def test_seconds_that_are_no_number_are_not_reported(left: object, config: Config, clock: HandClock) -> None:
    made = Provisioning(config, clock)
    assert made.tell({"usable": True, "left": left})["error"]["code"] == "bad-request"


def test_a_portal_that_fell_silent_is_believed_for_a_while(config: Config, clock: HandClock) -> None:
    made = Provisioning(config, clock)
    made.tell({"usable": True})
    later(clock, BELIEVED - 1)
    made.keep()
    assert told(config) == API
    later(clock, 2)
    made.keep()
    assert told(config) is None


def test_a_restarted_agent_goes_on_where_the_former_was(config: Config, clock: HandClock) -> None:
    Provisioning(config, clock).tell({"usable": True})
    again = Provisioning(config, clock)
    again.keep()
    assert told(config) == API
    later(clock, BELIEVED + 1)
    again.keep()
    assert told(config) is None


def test_without_a_button_all_is_unrestricted_whatever_the_portal_says(config: Config, clock: HandClock) -> None:
    for portal in (Portal(splash=False), replace(SECURE, splash=False)):
        made = Provisioning(replace(config, portal=portal), clock)
        made.keep()
        made.tell({"usable": False})
        assert told(config) == UNRESTRICTED


def test_a_portals_word_without_a_certificate_tells_nothing(config: Config, clock: HandClock) -> None:
    Provisioning(replace(config, portal=Portal()), clock).tell({"usable": True})
    assert not (Path(config.paths.run) / OPTIONS).exists()


def test_only_a_yes_or_no_is_a_word(config: Config, clock: HandClock) -> None:
    made = Provisioning(config, clock)
    odd: object
    for odd in (None, 1, "yes", [], {}):
        assert made.tell({"usable": odd})["error"]["code"] == "bad-request"
    assert made.table()["secure-door"].callers == {"portal", "operator"}


def test_both_families_of_dhcp_say_the_same() -> None:
    assert options_text(API) == f"114,{API}\noption6:103,{API}\n"
    assert (options_text(None), uri_in("")) == ("", None)


def test_the_resolver_is_told_where_to_look_only_where_there_is_something_to_say(config: Config) -> None:
    for portal, mode in ((SECURE, "ra-stateless"), (Portal(splash=False), "ra-stateless"), (Portal(), "ra-only")):
        text = dnsmasq_text(replace(config, portal=portal))
        assert f",{mode},64," in text
        assert (f"dhcp-optsfile={config.paths.run}/{OPTIONS}\n" in text) is (mode == "ra-stateless")


def test_a_report_says_how_the_certificate_is(config: Config, clock: HandClock) -> None:
    made = Provisioning(config, clock)
    assert made.fact().error == "not here"
    later(clock, BELIEVED)
    assert "does not say" in made.fact().error
    made.tell({"usable": True, "left": 60 * 86400.0})
    assert made.fact() == Fact(True, 60.0, "days left")
    later(clock, BELIEVED)
    assert "does not say" in made.fact().error
    made.tell({"usable": True, "left": 3 * 86400.0})
    assert made.fact() == Fact(False, 3.0, "days left", "It ends in 3 days and was not renewed.")
    made.tell({"usable": False, "left": 0.0})
    assert "Phones cannot use it" in made.fact().error


def test_a_certificate_that_lives_for_days_is_no_trouble_until_its_last_quarter(
    config: Config, clock: HandClock
) -> None:
    day, made = 86400.0, Provisioning(config, clock)
    made.tell({"usable": True, "left": 2 * day, "lifetime": 6 * day})
    assert made.fact() == Fact(True, 2.0, "days left")
    made.tell({"usable": True, "left": 1.4 * day, "lifetime": 6 * day})
    assert made.fact() == Fact(False, 1.4, "days left", "It ends in 34 hours and was not renewed.")
    made.tell({"usable": True, "left": 6.9 * day, "lifetime": 365 * day})
    assert not made.fact().ok, "a long life changes nothing"
    assert made.tell({"usable": True, "left": day, "lifetime": "week"})["error"]["code"] == "bad-request"


def test_a_node_without_a_certificate_has_no_such_fact(config: Config, clock: HandClock) -> None:
    made = Provisioning(replace(config, portal=Portal()), clock)
    later(clock, BELIEVED)
    assert made.fact() == Fact(False, error="not here")
