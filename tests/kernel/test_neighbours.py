"""Who is behind which address: what the agent reads is what ip(8) shows, of its doors and of nothing else."""

from __future__ import annotations

import json

import pytest

from tests.kernel.street import ADDRESSES, HARDWARE, Street

pytestmark = pytest.mark.kernel


def test_the_agent_reads_what_ip_shows_of_its_doors(street: Street) -> None:
    four, six = ADDRESSES["far"]
    assert street.reaches("access", four)
    assert street.reaches("access", six)
    nobody = street.run("access", "ping", "-n", "-c1", "-W1", "10.44.8.99").returncode
    street.reaches("access", "10.44.4.1")
    found = street.access.do(street.access.kernel.neighbours)
    shown = json.loads(street.run("access", "ip", "-json", "neigh", "show", "dev", "lan0").stdout)

    assert nobody
    assert found[four] == found[six] == HARDWARE["far"]
    assert found == {row["dst"]: row["lladdr"] for row in shown if "lladdr" in row}
