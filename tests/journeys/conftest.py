"""Labs for the acceptance claims: one per module, told apart from every other run's."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshctl.lab.handle import Lab, raise_lab

NODE = "elm"
PORTAL4, PORTAL6 = "10.44.0.1", "[2001:db8:44::1]"
SITE4, SITE6 = "198.51.100.1", "2001:db8:feed::1"
TICK = 1.0

TOPOLOGY = f"""
[[node]]
name = "{NODE}"
hub = true
[node.uplink]
down_mbit = 20
up_mbit = 20
[node.policy]
tick_seconds = {TICK}
[node.report]
seconds = 2

[[phone]]
name = "p"
at = "{NODE}"
count = 4
"""


class Street:
    """A lab with the few words that the claims need."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def run(self, member: str, *argv: str, check: bool = False, timeout: float = 60.0) -> tuple[int, str]:
        """Exit code and what was printed."""
        done = self.lab.exec(member, argv, check=check, timeout=timeout)
        return done.returncode, done.stdout + done.stderr

    def fetch(self, phone: str, url: str, *words: str) -> str:
        """Status and size of one request, or curl's exit code after a minus."""
        code, out = self.run(phone, "curl", "-sS", "-g", "-m", "10", "-o", "/dev/null", *words, "-w",
                             "%{http_code} %{size_download}", url)  # fmt: skip
        return out.strip() if code == 0 else f"-{code}"

    def press(self, phone: str, button: str) -> None:
        """Press a button on the node's pages."""
        assert self.fetch(phone, f"http://{PORTAL4}/{button}", "-X", "POST").startswith("303")

    def ask(self, *words: str) -> Any:
        """What `meshctl … --json` says on the node."""
        return json.loads(self.lab.exec(NODE, ["meshctl", *words, "--json"]).stdout)

    def home(self, phone: str) -> str:
        """A new household with this phone in it; its handle."""
        made = self.ask("household", "add")
        words = ("--data-urlencode", f"pass={made['pass']}")
        assert self.fetch(phone, f"http://{PORTAL4}/pass", *words).startswith("303")
        return str(made["handle"])

    def carried(self, handle: str, direction: str = "down") -> int:
        """Bytes the ledger has for a household."""
        rows = self.ask("household", "list")["households"]
        return int(next(row["bytes"][direction] for row in rows if row["handle"] == handle))

    def counter(self, phone: str, side: str = "rx_bytes") -> int:
        """The phone's own count of frame bytes."""
        return int(self.run(phone, "cat", f"/sys/class/net/eth0/statistics/{side}", check=True)[1])

    def flows(self, *words: str) -> dict[str, Any]:
        """Real flows, measured on the phones' interfaces."""
        found: dict[str, Any] = self.lab.module("meshctl.lab.traffic", "flows", *words)
        return found


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    file: Path = tmp_path_factory.mktemp("topology") / "street.toml"
    file.write_text(TOPOLOGY, encoding="utf-8")
    with raise_lab(file, f"t{secrets.token_hex(3)}") as lab:
        yield Street(lab)
