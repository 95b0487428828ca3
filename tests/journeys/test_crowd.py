"""Many phones come within seconds while one device floods the node: everybody gets in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.journeys.street import NODE, PORTAL4, SITE4, Street

PHONES, SECONDS = 40, 4.0


def test_everybody_joins_beside_a_device_that_floods(street: Street) -> None:
    crowd = [f"c-{number}" for number in range(PHONES)]
    street.lab.add_phones(NODE, crowd)
    words = ("--portal", PORTAL4, "--site", SITE4, "--seconds", str(SECONDS))
    with ThreadPoolExecutor(1) as side:
        foe = side.submit(street.lab.module, "meshctl.lab.flood", "p-4", *words)
        found = street.lab.module("meshctl.lab.arrivals", *crowd, *words)
        done = foe.result()

    assert (found["joined"], found["faults"]) == (PHONES, [])
    # What came through of the flood: its first burst, and little more.
    assert done["connections"] > 10 * (done.get("pages", 0) + done.get("probes", 0))
