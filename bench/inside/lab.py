"""A ring of three nodes for benches: elm has the line and the hub."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meshctl.lab.handle import Lab, raise_lab

NODES = ("elm", "oak", "ash")
TARGET, ACTOR = "elm", "ash"
"""Whose agent hears what nobody may say, and in whose name it is said."""

_HERTZ = os.sysconf("SC_CLK_TCK")


@contextmanager
def ring() -> Iterator[Lab]:
    """A lab in which every node reaches every other one and has the key of the day."""
    tables = [
        *(f'[[node]]\nname = "{name}"\n{_LINE if name == "elm" else ""}{_QUICK}' for name in NODES),
        *(f'[[link]]\na = "{one}"\nb = "{NODES[at - 1]}"\n' for at, one in enumerate(NODES)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ring.toml"
        file.write_text("".join(tables), encoding="utf-8")
        with raise_lab(file, f"bench-{secrets.token_hex(3)}") as lab:
            until(lambda: all(is_settled(lab, name) for name in NODES), 30)
            yield lab


_LINE = "hub = true\n[node.uplink]\ndown_mbit = 20\nup_mbit = 20\n"
_QUICK = "[node.policy]\ntick_seconds = 1\n[node.mesh]\nhello_seconds = 1\n"


def status(lab: Lab, node: str) -> dict[str, Any]:
    """What `meshctl status` says on a node."""
    found: dict[str, Any] = json.loads(lab.exec(node, ["meshctl", "status", "--json"]).stdout)
    return found


def is_settled(lab: Lab, node: str) -> bool:
    mesh = status(lab, node)["mesh"]
    return bool(mesh["day_key"]) and all(peer["up"] for peer in mesh["peers"])


def until(what: Callable[[], object], seconds: float) -> float:
    """Wait until something holds; return how many seconds it took."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"it did not come about within {seconds:g} s")
        time.sleep(0.1)
    return time.monotonic() - began


def cpu_seconds(lab: Lab, node: str, *names: str) -> float:
    """User and system time of services, their ended children included (proc_pid_stat(5), 14 to 17)."""
    services = next(m for m in lab.status()["members"] if m["name"] == node)["services"]
    total = 0
    for service in services:
        if service["name"] in names:
            text = Path("/proc", str(service["host_pid"]), "stat").read_text(encoding="ascii")
            total += sum(int(word) for word in text.rpartition(")")[2].split()[11:15])
    return total / _HERTZ


def p95(ordered: list[float]) -> float:
    """The 95th percentile (nearest rank) of figures in order."""
    return ordered[-(-95 * len(ordered) // 100) - 1]


def announce(lab: Lab, kind: str, **words: object) -> int:
    """Let `ACTOR` announce something to `TARGET` (see `bench.inside.foe`); return how often it did."""
    nodes = {name: lab.member(name) for name in (TARGET, ACTOR)}
    roster = Path(nodes[TARGET]["config"]).parent / "roster.json"
    given = {"me": ACTOR, "state": nodes[ACTOR]["state"], "run": nodes[ACTOR]["run"], "roster": roster,
             "target": TARGET, **words}  # fmt: skip
    options = [f"--{name}={value}" for name, value in given.items()]
    return int(lab.module("bench.inside.foe", kind, *options)["done"])


def state(lab: Lab) -> dict[str, Any]:
    """All of `TARGET` that an announcement could change."""
    told = status(lab, TARGET)
    names = ("roster", "roll", "enrolled", "fault", "day_key", "day_keys", "remembered", "announced", "leases")
    found: dict[str, Any] = {name: told["mesh"][name] for name in names}
    found |= {name: told[name] for name in ("joined", "homes", "guests")}
    rules = [str(rule) for rule in _listed(lab, "rule")]
    maps = {one["name"]: one.get("elem", []) for one in _listed(lab, "map")}
    members = {key["elem"]["val"]: mark for key, mark in maps["member"]}
    found["households"] = json.loads(lab.exec(TARGET, ["meshctl", "household", "list", "--json"]).stdout)
    return found | {"members": members, "marks": [maps["announced4"], maps["announced6"]], "rules": rules}


def _listed(lab: Lab, kind: str) -> list[dict[str, Any]]:
    listing = json.loads(lab.exec(TARGET, ["nft", "-j", "list", "table", "inet", "meshctl"]).stdout)["nftables"]
    return [entry[kind] for entry in listing if kind in entry]


def refused(lab: Lab) -> dict[str, int]:
    """How many announcements `TARGET` refused so far, by the word it counts them under."""
    found: dict[str, int] = status(lab, TARGET)["mesh"]["refused"]
    return found
