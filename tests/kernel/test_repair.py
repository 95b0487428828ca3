"""Whatever somebody does to the kernel, one turn mends it and the ledger loses nothing.

Each case runs in a network namespace of its own, entered by a child process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).resolve().parent.parent.parent
PROOF = ROOT / "tests" / "kernel" / "proof.py"


@pytest.fixture
def place() -> Iterator[str]:
    name = f"kt-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for device, peer in (("lan0", "phone0"), ("wan0", "isp0")):
            words = ["ip", "-n", name, "link", "add", device, "type", "veth", "peer", "name", peer]
            subprocess.run(words, check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.mark.parametrize(
    "damage",
    [
        "nft flush ruleset",
        "nft delete table inet meshctl",
        "nft flush chain inet meshctl outward",
        "nft flush map inet meshctl member",
        "nft flush map inet meshctl class",
        "tc qdisc del dev lan0 root",
        "tc class del dev lan0 classid 1:8000",
        "tc class change dev wan0 parent 1:3 classid 1:8000 htb rate 9mbit ceil 9mbit",
    ],
)
def test_one_turn_repairs_the_damage_and_keeps_the_ledger(place: str, tmp_path: Path, damage: str) -> None:
    words = ["ip", "netns", "exec", place, sys.executable, str(PROOF), str(tmp_path), damage]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
