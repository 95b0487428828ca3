"""Runs the playbook as a volunteer does: over ssh, from an inventory, with sudo on the board."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.image import VOLUNTEER
from tests.deploy.machine import Machine
from tests.deploy.steps import StepError, last_lines
from tests.deploy.steward import Steward
from tests.deploy.street import BOARD_MANAGEMENT, INTERNET4, NODE4, NODE6

PROJECT = Path(__file__).resolve().parents[2]
ANSIBLE = PROJECT / "ansible"
NAME = "elm"
PORTAL = "portal.lab.test"
REPORT_SECONDS = 2

VARIABLES = {
    "node_network_name": 'Elm Street "north" & network',
    "node_help": "Ask Ada, Elm Street 4.",
    "node_access": [
        {"device": "br-lan", "ipv4": f"{NODE4}/22", "ipv6": f"{NODE6}/64", "ports": ["lan0"], "open_ports": [8090]}
    ],
    "node_line": {"name": "home", "device": "wan0", "down_mbit": 50, "up_mbit": 10},
    "node_resolver_upstream": [INTERNET4],
    "node_portal_host": PORTAL,
    "node_tick_seconds": 2,
    "node_policy": {"half_life_days": 14, "level_above": [1.5, 2.5, 5.0]},
    "node_mesh_devices": ["mesh0"],
    "node_mesh_hello_seconds": 1,
    "node_hub_url": "http://127.0.0.1:8090",
    "node_report_seconds": REPORT_SECONDS,
    "hub_fleet_name": "Elm Street network",
    "hub_listen": ["[::]:8090"],
}


@dataclass(frozen=True)
class Recap:
    """Ansible's own count of one run."""

    ok: int
    changed: int
    failed: int


class Playbook:
    """site.yml for one board that is node and hub."""

    def __init__(self, machine: Machine, folder: Path, bundles: Path, steward: Steward) -> None:
        self.folder, self.bundles, self.runs = folder, bundles, 0
        self._inventory(machine, steward)

    def run(self, *options: str) -> Recap:
        """Run it; raise `StepError` with the end of its report when a task fails."""
        self.runs += 1
        command = [sys.executable, "-m", "ansible", "playbook", "--diff", "-i", str(self.folder / "hosts.json")]
        extra = json.dumps({"release_bundles": str(self.bundles)})
        done = subprocess.run(
            [*command, "-e", extra, *options, str(ANSIBLE / "site.yml")],
            capture_output=True,
            text=True,
            check=False,
            cwd=ANSIBLE,
            env=self._environment(),
        )
        (self.folder / f"ansible-{self.runs}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
        counts = re.search(rf"^{NAME} +: ok=(\d+) +changed=(\d+) +unreachable=0 +failed=(\d+)", done.stdout, re.M)
        if done.returncode != 0 or counts is None:
            raise StepError(f"ansible-playbook: exit {done.returncode}\n{last_lines(done.stdout + done.stderr, 60)}")
        return Recap(*(int(count) for count in counts.groups()))

    def changed(self) -> str:
        """Return the last run's tasks that changed something."""
        log, task, changed = (self.folder / f"ansible-{self.runs}.log").read_text(encoding="utf-8"), "", []
        for line in log.splitlines():
            if line.startswith(("TASK [", "RUNNING HANDLER [")):
                task = line.partition("[")[2].partition("]")[0]
            elif line.startswith("changed:") and task not in changed:
                changed.append(task)
        return "; ".join(changed)

    def enrolment(self) -> list[str]:
        """Return what the last run said that a steward should type, from the node's name on."""
        log = " ".join((self.folder / f"ansible-{self.runs}.log").read_text(encoding="utf-8").split())
        said = re.search(r"meshctl node enrol (.+?) --roster", log)
        if said is None:
            raise StepError("the playbook does not say how to enrol the node")
        return said[1].split()

    def _inventory(self, machine: Machine, steward: Steward) -> None:
        host = {
            "ansible_host": BOARD_MANAGEMENT,
            "ansible_user": VOLUNTEER,
            "ansible_ssh_common_args": " ".join(machine.ssh_options()),
            **VARIABLES,
            "meshctl_community": steward.public,
            "meshctl_roster": str(steward.roster),
            "node_portal_certificate": str(steward.certificate),
            "node_portal_key": str(steward.certificate_key),
        }
        inventory = {"nodes": {"hosts": {NAME: host}}, "hubs": {"hosts": {NAME: {}}}}
        (self.folder / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        home = {"ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg")}
        # Two stories at once have a board of the same address: they must not share an ssh connection.
        home["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(self.folder / "ssh")
        return {**kept, **home, "NO_COLOR": "1", "PYTHONUTF8": "1"}
