"""Click to first forwarded packet, one by one and 50 at once, with the processor time each costs."""

from __future__ import annotations

import os
import secrets
import statistics
from pathlib import Path
from typing import Any

from meshctl.lab.handle import Lab, raise_lab
from meshctl.lab.topology import STREET

PORTAL, NODE, RUNS, CROWD = "10.44.0.1", "elm", 25, 50
_HERTZ = os.sysconf("SC_CLK_TCK")


def cpu_seconds(lab: Lab) -> float:
    """User and system time of agent and portal, their ended children included (proc_pid_stat(5), 14 to 17)."""
    services = next(m for m in lab.status()["members"] if m["name"] == NODE)["services"]
    total = 0
    for service in services:
        if service["name"] in ("agent", "portal"):
            text = Path("/proc", str(service["host_pid"]), "stat").read_text(encoding="ascii")
            total += sum(int(word) for word in text.rpartition(")")[2].split()[11:15])
    return total / _HERTZ


def join(lab: Lab, *phones: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.module("meshctl.lab.traffic", "join", *phones, "--portal", PORTAL)
    return found


def leave(lab: Lab, phone: str) -> None:
    lab.exec(phone, ["curl", "-sS", "-o", "/dev/null", "-X", "POST", f"http://{PORTAL}/leave"])


def p95(values: list[float]) -> float:
    return sorted(values)[-(-95 * len(values) // 100) - 1]


def main() -> None:
    with raise_lab(STREET, f"bench-{secrets.token_hex(3)}") as lab:
        alone, cost = [], 0.0
        for _ in range(RUNS):
            before = cpu_seconds(lab)
            found = join(lab, "amal")
            cost += cpu_seconds(lab) - before
            alone.append(found["first_packet"]["p50"])
            leave(lab, "amal")
        print(
            f"one phone, {RUNS} times: median {statistics.median(alone) * 1000:.0f} ms, p95 {p95(alone) * 1000:.0f} ms"
        )
        print(f"  processor time {cost / RUNS * 1000:.0f} ms each")
        crowd = [f"crowd-{number}" for number in range(CROWD)]
        lab.add_phones(NODE, crowd)
        before = cpu_seconds(lab)
        found = join(lab, *crowd)
        together = (cpu_seconds(lab) - before) / CROWD
        first = found["first_packet"]
        print(
            f"{CROWD} at once: {found['failed']} failed, "
            f"median {first['p50'] * 1000:.0f} ms, p95 {first['p95'] * 1000:.0f} ms"
        )
        print(f"  processor time {together * 1000:.0f} ms each; {together / (cost / RUNS):.2f} of one by one")


if __name__ == "__main__":
    main()
