"""A stay that runs out by itself, what offloads do to the counts, and how large the programs are afterwards."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest

from tests.journeys.street import NODE, PORTAL4, SITE4, SITE6, TICK, Street

STAY = 9.0
MOST_MB = {"agent": 45, "portal": 45, "hub": 75, "watch": 60}

BRIEF = f"""
offloads = true

[[node]]
name = "{NODE}"
hub = true
[node.uplink]
down_mbit = 20
up_mbit = 20
[node.policy]
tick_seconds = {TICK}
[node.session]
guest_hours = {STAY / 3600}
[node.report]
seconds = 2

[[phone]]
name = "p"
at = "{NODE}"
count = 2
"""

FLOWS = f"""
import json, selectors, socket, time
ends = time.monotonic() + {STAY + 4 * TICK}
last, chosen = {{}}, selectors.DefaultSelector()
for site in ("{SITE4}", "{SITE6}"):
    family = socket.AF_INET6 if ":" in site else socket.AF_INET
    load = socket.create_connection((site, 80), timeout=5)
    load.sendall(b"GET /bytes/1000000000 HTTP/1.1\\r\\nHost: far\\r\\n\\r\\n")
    echo = socket.socket(family, socket.SOCK_DGRAM)
    echo.connect((site, 7))
    for name, one in (("tcp " + site, load), ("udp " + site, echo)):
        one.setblocking(False)
        chosen.register(one, selectors.EVENT_READ, name)
due = 0.0
while (now := time.monotonic()) < ends:
    if now >= due:
        due = now + 0.05
        for key in list(chosen.get_map().values()):
            if key.data.startswith("udp"):
                try:
                    key.fileobj.send(b"x")
                except OSError:
                    pass
    for key, _ in chosen.select(0.05):
        try:
            if key.fileobj.recv(1 << 18):
                last[key.data] = time.monotonic()
            else:
                chosen.unregister(key.fileobj)
        except OSError:
            if key.data.startswith("tcp"):
                chosen.unregister(key.fileobj)
print(json.dumps(last))
"""

_CLASS = re.compile(r"class htb 1:([0-9a-f]+) .*?\n Sent (\d+) bytes", re.DOTALL)


@pytest.fixture
def brief(stand: Callable[[str], Street]) -> Street:
    return stand(BRIEF)


def test_flows_of_both_families_run_until_the_stay_expires_and_no_longer_than_a_tick_after(brief: Street) -> None:
    began = time.monotonic()
    brief.press("p-1", "join")
    joined = time.monotonic()
    code, out = brief.run("p-1", "/usr/bin/python3", "-c", FLOWS)
    assert code == 0, out
    last: dict[str, float] = json.loads(out)

    assert set(last) == {f"{kind} {site}" for kind in ("tcp", "udp") for site in (SITE4, SITE6)}
    assert min(last.values()) >= began + STAY - 1.5, last
    assert max(last.values()) <= joined + STAY + TICK + 0.3, last
    assert brief.fetch("p-1", f"http://{SITE4}/").startswith("302")


def test_with_offloads_on_the_ledger_has_the_bytes_of_a_wire_within_two_per_cent(brief: Street) -> None:
    handle = brief.home("p-2")
    written, sent = brief.carried(handle), _sent(brief)
    size, wire = 6_000_000, 0.0
    # Merged frames show one header on the phone's counter; a wire has one per 1,500 bytes (66 and 86, timestamps in).
    for site, header, payload in ((SITE4, 66, 1448), (f"[{SITE6}]", 86, 1428)):
        assert brief.fetch("p-2", f"http://{site}/bytes/{size}") == f"200 {size}"
        wire += size * (1 + header / payload)
    shaped = _sent(brief) - sent
    brief.turns()
    ledger = brief.carried(handle) - written

    assert ledger == pytest.approx(wire, rel=0.02)
    assert ledger == pytest.approx(shaped, rel=0.02)


def _sent(street: Street) -> int:
    """Bytes that all leaves towards the neighbours have sent."""
    shown = street.run(NODE, "tc", "-s", "class", "show", "dev", "br-lan", check=True)[1]
    return sum(int(sent) for number, sent in _CLASS.findall(shown) if int(number, 16) > 3)


def test_the_programs_fit_a_small_board_after_a_crowd_joined(brief: Street) -> None:
    crowd = [f"m-{number}" for number in range(30)]
    brief.lab.add_phones(NODE, crowd)
    assert brief.lab.module("meshctl.lab.traffic", "join", *crowd, "--portal", PORTAL4)["failed"] == 0
    time.sleep(2 * TICK)
    sizes = {}
    for service in brief.lab.member(NODE)["services"]:
        if service["name"] in MOST_MB:
            rollup = brief.lab.inside(["cat", f"/proc/{service['pid']}/smaps_rollup"]).stdout
            sizes[service["name"]] = next(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:")) / 1000

    assert sizes.keys() == MOST_MB.keys()
    assert all(sizes[name] <= most for name, most in MOST_MB.items()), sizes
