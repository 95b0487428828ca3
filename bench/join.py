"""Click to first forwarded packet, one by one and 50 at once, with the processor time each costs."""

from __future__ import annotations

import secrets
import statistics
from typing import Any

from bench.inside.lab import cpu_seconds, p95
from meshctl.lab.handle import Lab, raise_lab
from meshctl.lab.topology import STREET

PORTAL, NODE, RUNS, CROWD = "10.44.0.1", "elm", 18, 50


def join(lab: Lab, *phones: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.module("meshctl.lab.traffic", "join", *phones, "--portal", PORTAL)
    return found


def leave(lab: Lab, phone: str) -> None:
    lab.exec(phone, ["curl", "-sS", "-o", "/dev/null", "-X", "POST", f"http://{PORTAL}/leave"])


def main() -> None:
    with raise_lab(STREET, f"bench-{secrets.token_hex(3)}") as lab:
        alone, cost = [], 0.0
        for _ in range(RUNS):
            before = cpu_seconds(lab, NODE, "agent", "portal")
            found = join(lab, "amal")
            cost += cpu_seconds(lab, NODE, "agent", "portal") - before
            alone.append(found["first_packet"]["p50"])
            leave(lab, "amal")
        alone.sort()
        print(
            f"one phone, {RUNS} times: median {statistics.median(alone) * 1000:.0f} ms, p95 {p95(alone) * 1000:.0f} ms"
        )
        print(f"  processor time {cost / RUNS * 1000:.0f} ms each")
        crowd = [f"crowd-{number}" for number in range(CROWD)]
        lab.add_phones(NODE, crowd)
        before = cpu_seconds(lab, NODE, "agent", "portal")
        found = join(lab, *crowd)
        together = (cpu_seconds(lab, NODE, "agent", "portal") - before) / CROWD
        first = found["first_packet"]
        print(
            f"{CROWD} at once: {found['failed']} failed, "
            f"median {first['p50'] * 1000:.0f} ms, p95 {first['p95'] * 1000:.0f} ms"
        )
        print(f"  processor time {together * 1000:.0f} ms each; {together / (cost / RUNS):.2f} of one by one")


if __name__ == "__main__":
    main()
