"""What a maintainer sees, and what it costs a board."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meshctl.lab.story.stage import NODES, Claim, Story

MOST = {"agent": 45, "portal": 45, "hub": 75, "watch": 60, "babeld": 10}
"""MB of each process at most."""


def dashboard(story: Story) -> Iterator[Claim]:
    """The hub shows every node, every link and the line."""
    there = {"fine", "new", "poor"}

    def settled() -> bool:
        found = story.overview()
        links = [link["state"] for link in found.get("links", [])]
        fine = [node["name"] for node in found.get("nodes", []) if node["state"] == "fine"]
        return len(links) == 3 and set(links) <= there and sorted(fine) == sorted(NODES)

    story.until("the hub shows three nodes and three links", settled, 30)
    found, page = story.overview(), story.page(story.urls["hub"])
    nodes = ", ".join(f"{node['name']} boot {node['boot']} report {node['sequence']}" for node in found["nodes"])
    yield Claim(f"nodes: {nodes}", all(name in page for name in NODES))
    links = ", ".join(f"{'-'.join(link['nodes'])} {link['state']}" for link in found["links"])
    yield Claim(f"links: {links}", held=True)
    yield line(story, found)


def line(story: Story, found: dict[str, Any]) -> Claim:
    """What the hub says of the line is what the gateway's ledger has."""
    totals = {row["direction"]: row for row in found["lines"]}
    ledger = story.node("status")["ledger"]
    down, up = (totals[direction]["carried"] if direction in totals else 0 for direction in ("down", "up"))
    told = f"line of elm: {down / 1e6:.1f} MB down and {up / 1e6:.1f} MB up, as in its ledger"
    return Claim(told, down > 0 and abs(ledger["down"] - down) <= 0.02 * down)


def memory(story: Story) -> Iterator[Claim]:
    """The programs fit a small board."""
    sizes: dict[str, list[float]] = {}
    for member in story.lab.status()["members"]:
        for service in member["services"]:
            if member["name"] in NODES and service["name"] in MOST and service["host_pid"]:
                sizes.setdefault(service["name"], []).append(_pss(service["host_pid"]))
    told = "; ".join(f"{name} {', '.join(f'{size:.1f}' for size in found)}" for name, found in sizes.items())
    fits = all(max(found) <= MOST[name] for name, found in sizes.items())
    yield Claim(f"MB of each process: {told}", fits and sizes.keys() == MOST.keys())


def _pss(pid: int) -> float:
    """Proportional set size in MB (proc_pid_smaps(5))."""
    lines = Path("/proc", str(pid), "smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
