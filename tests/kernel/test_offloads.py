"""Devices that hand over several frames as one are seen, ports of a bridge too, and can be told not to."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from meshctl.lab.kernel import ip
from tests.kernel.street import ROOT

pytestmark = pytest.mark.kernel

PROOF = """
from meshctl.agent.links import offloads, switch_offloads_off
from meshctl.lab.kernel import switch_offloads

switch_offloads("port0", on=True)
switch_offloads("lan0", on=False)
assert offloads(["lan0"])
switch_offloads_off(["lan0", "radio0"])
assert not offloads(["lan0", "port0", "radio0"])
assert offloads(["phone0"])
"""
"""Of a bridge, its port, the port's far end, and a device that is not there."""


@pytest.fixture
def place() -> Iterator[str]:
    name = f"kt-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        ip([f"netns add {name}"])
        stack.callback(ip, [f"netns del {name}"])
        lines = ["link add lan0 type bridge", "link add port0 type veth peer name phone0"]
        ip([*lines, "link set port0 master lan0"], name)
        yield name


def test_offloads_of_a_device_and_of_its_ports_are_seen_and_switched_off(place: str) -> None:
    words = ["ip", "netns", "exec", place, sys.executable, "-c", PROOF]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
