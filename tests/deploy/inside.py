"""The story, told in namespaces of its own: when this process ends, all that it raised ends with it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from tests.deploy import claims
from tests.deploy.image import Image
from tests.deploy.machine import Machine
from tests.deploy.play import PORTAL, Playbook
from tests.deploy.steps import StepError, claim, last_lines, run, step, until
from tests.deploy.steward import Steward
from tests.deploy.street import Street


def main() -> int:
    """Tell the story. Exit codes: 0 every claim holds, 1 one does not."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _own_run_folder()
    street = Street(arguments.folder)
    machine = Machine(Image(arguments.root, arguments.packages), arguments.folder)
    try:
        steward = Steward(arguments.python, arguments.folder, PORTAL)
        playbook = Playbook(machine, arguments.folder, arguments.bundles, steward)
        _tell(street, machine, playbook, steward)
        if arguments.stay:
            _stay(machine)
    except KeyboardInterrupt:
        return 1
    except StepError as fault:
        sys.stdout.write(f"\n{fault}\n")
        _show_journal(machine)
        return 1
    return 0


def _tell(street: Street, machine: Machine, playbook: Playbook, steward: Steward) -> None:
    with step("build the street: a laptop, an internet, a phone"):
        street.build()
    with step("boot a fresh Debian 12") as now:
        machine.flash()
        now.say(machine.boot())
    with step("look what the playbook would do (check mode)") as now:
        now.say(f"{playbook.run('--check').changed} changes foreseen")
        traces = machine.inside(
            "sh", "-c", "ls -d /opt/meshctl /etc/meshctl /etc/systemd/system/meshctl* 2>/dev/null || :"
        )
        claim(traces == "", f"check mode left {traces}")
    with step("run the playbook") as now:
        recap = playbook.run()
        now.say(f"ok={recap.ok} changed={recap.changed} failed={recap.failed}")
    with step("run it again: nothing changes") as now:
        recap = playbook.run()
        now.say(f"ok={recap.ok} changed={recap.changed} failed={recap.failed}")
        claim(recap.changed == 0, f"the second run changed: {playbook.changed()}")
    claims.services_run(machine)
    claims.services_have_only_what_they_need(machine)
    claims.nodes_next_door_are_routed_to(street)
    claims.phone_joins(street)
    claims.phones_are_told_of_an_api(street, machine, str(steward.root))
    claims.no_change_is_missed(machine)
    claims.only_enrolled_nodes_are_believed(street, machine, playbook, steward)
    boot = claims.hub_lists_the_node(street)
    claims.nothing_about_phones_is_on_the_card(machine)
    key = machine.inside("cat", "/var/lib/meshctl/node.pub")
    with step("pull the power cord, plug it in again") as now:
        machine.cut_power()
        street.unplug_board()
        street.plug_board()
        now.say(machine.boot())
    claim(machine.inside("cat", "/var/lib/meshctl/node.pub") == key, "the node has lost its key")
    claims.services_run(machine)
    claims.nodes_next_door_are_routed_to(street)
    claims.phone_joins(street)
    claims.hub_lists_the_node(street, after_boot=boot)
    claims.going_back_and_forth_keeps_the_phone_online(street, machine, playbook)
    claims.babeld_goes_with_the_links(machine, playbook)


def _own_run_folder() -> None:
    # `ip netns` keeps its names in /run: a private one leaves the host's alone.
    run(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    run(["ip", "link", "set", "lo", "up"])


def _show_journal(machine: Machine) -> None:
    ask = ["journalctl", "--no-pager", "--boot", "--lines=80", "--unit=meshctl-*", "--output=short-monotonic"]
    try:
        sys.stdout.write(last_lines(machine.inside(*ask, check=False), 80) + "\n")
    except (StepError, AssertionError):
        sys.stdout.write("the machine does not run\n")


def _stay(machine: Machine) -> None:
    options = " ".join(machine.ssh_options())
    sys.stdout.write(f"nsenter -t {os.getpid()} -a ssh {options} volunteer@192.0.2.2\nCtrl-C ends it.\n")
    sys.stdout.flush()
    until(lambda: False, bool, "Ctrl-C", seconds=3600)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("folder", "root", "packages", "bundles"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--stay", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
