"""What passes through a node goes on while its processes die."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.journeys.street import SITE4, Street

pytestmark = pytest.mark.patient

SIZE = 8_000_000


@pytest.mark.parametrize("services", [["agent"], ["babeld"], ["agent", "portal", "watch", "hub", "dnsmasq", "babeld"]])
def test_a_download_behind_a_gateway_goes_on_while_its_processes_are_killed(ring: Street, services: list[str]) -> None:
    ring.press("o-2", "join")
    ring.until(lambda: ring.online("o-2"))
    before = ring.counter("o-2")
    with ThreadPoolExecutor(1) as side:
        words = ("meshctl.lab.story.load", "o-2", "--size", str(SIZE), "--to", SITE4)
        load = side.submit(ring.lab.module, *words)
        ring.until(lambda: ring.counter("o-2") - before > 500_000)
        ring.kill("elm", *services)
        found = load.result()
    assert found["phones"]["o-2"]["whole"], found
    ring.lab.wait_ready()
    ring.until(lambda: ring.meet("elm", "oak", "ash"), 30)
