"""How the line is shared, measured on the phones' interfaces in frame bytes with offloads off."""

from __future__ import annotations

import pytest

from tests.journeys.street import NODE, PORTAL4, SITE4, SITE6, Street

LINE = 20.0
GUEST_SHARE = 0.30


@pytest.mark.parametrize("site", [SITE4, SITE6])
@pytest.mark.parametrize("way", ["down", "up"])
def test_eight_flows_get_no_more_than_one(street: Street, site: str, way: str) -> None:
    street.home("p-1")
    street.home("p-2")
    upload = ["--upload"] if way == "up" else []
    found = street.flows("p-1=8", "p-2=1", "--to", site, "--seconds", "5", "--warmup", "2", *upload)
    # What a phone sends may be dropped at the node: upload is judged by what its flows carried.
    what = "payload" if upload else "frames"
    a, b = (found["phones"][name][what] for name in ("p-1", "p-2"))

    assert (a + b) ** 2 / (2 * (a * a + b * b)) >= 0.99
    assert (a + b) * 8 / found["seconds"] / 1e6 >= (0.95 if what == "frames" else 0.90) * LINE


@pytest.mark.parametrize("site", [SITE4, SITE6])
def test_a_lone_household_has_the_whole_line(street: Street, site: str) -> None:
    street.home("p-1")
    found = street.flows("p-1", "--to", site, "--seconds", "4", "--warmup", "2")

    assert found["mbit"] >= 0.95 * LINE


def test_64_guests_do_not_crowd_out_a_home(street: Street) -> None:
    guests = [f"g-{number}" for number in range(64)]
    street.lab.add_phones(NODE, guests)
    joined = street.lab.module("meshctl.lab.traffic", "join", *guests, "--portal", PORTAL4)
    assert joined["failed"] == 0
    street.home("p-1")
    found = street.flows("p-1=4", *guests, "--seconds", "6", "--warmup", "4")

    assert found["mbit"] >= 0.95 * LINE
    assert found["phones"]["p-1"]["frames"] >= (1 - GUEST_SHARE) * found["frames"]
    assert min(found["phones"][name]["frames"] for name in guests) > 0
