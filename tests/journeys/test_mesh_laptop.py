"""A laptop with NetworkManager never asks its owner to sign in again. The lab says so where root is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.journeys.street import RING, Street

pytestmark = pytest.mark.patient

LAPTOP = '[[phone]]\nname = "laptop"\nat = "oak"\nclient = "networkmanager"\n'


@pytest.fixture
def laptop(stand: Callable[[str], Street]) -> Street:
    return stand(RING + LAPTOP)


def told(street: Street, since: int = 0) -> list[str]:
    return street.lab.connectivity("laptop")[since:]


def test_a_visitors_laptop_finds_the_portal_and_is_online_once_its_owner_joined(laptop: Street) -> None:
    laptop.until(lambda: told(laptop)[-1:] == ["portal"])
    assert "full" not in told(laptop)
    assert laptop.run("laptop", "nmcli", "-t", "networking", "connectivity")[1] == "portal\n"
    laptop.press("laptop", "join")
    laptop.until(lambda: told(laptop)[-1:] == ["full"])


def test_a_joined_laptop_that_roams_never_says_portal(laptop: Street) -> None:
    laptop.press("laptop", "join")
    laptop.until(lambda: told(laptop)[-1:] == ["full"])
    for node in ("ash", "elm", "oak", "ash", "oak", "elm"):
        before = len(told(laptop))
        laptop.lab.roam("laptop", node, wait=False)
        laptop.until(lambda: told(laptop, before)[-1:] == ["full"])  # noqa: B023  # called before the loop goes on
        laptop.lab.wait_ready()
        assert "portal" not in told(laptop, before), (node, told(laptop, before))
        assert laptop.run("laptop", "nmcli", "-t", "networking", "connectivity", "check")[1] == "full\n"


def test_nothing_on_disk_tells_whose_laptop_it_is(laptop: Street) -> None:
    hardware = laptop.lab.member("laptop")["hardware"]
    words = ["grep", "-rilae", hardware, str(laptop.lab.place.folder)]
    assert laptop.lab.inside(words, check=False).stdout == ""
