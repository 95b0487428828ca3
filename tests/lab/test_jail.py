from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

JAIL = [sys.executable, "-m", "meshctl.lab.jail", "--"]


def jailed(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*JAIL, *command], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_is_the_commands(command: str, code: int) -> None:
    assert jailed("sh", "-c", command).returncode == code


def test_namespaces_made_in_a_jail_are_gone_with_it(tmp_path: Path) -> None:
    script = "ip netns add elm && ip link add veth0 netns elm type veth peer name p0 && ip netns && ip -br link show lo"
    done = jailed("sh", "-c", script)
    assert done.stdout.startswith("elm")
    assert "UNKNOWN" in done.stdout
    assert not Path("/run/netns/elm").exists()


def test_a_background_process_ends_with_the_jail() -> None:
    done = jailed("sh", "-c", "sleep 600 >/dev/null 2>&1 & readlink /proc/self/ns/pid")
    space = done.stdout.strip()
    assert space.startswith("pid:")
    assert space not in {
        str(link.readlink()) for link in Path("/proc").glob("[0-9]*/ns/pid") if os.access(link, os.R_OK)
    }


def test_a_jail_stays_in_the_folder_and_reads_the_hosts_etc(tmp_path: Path) -> None:
    done = subprocess.run(
        [*JAIL, "sh", "-c", "pwd; cat /etc/services | wc -c"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    folder, size = done.stdout.split("\n")[:2]
    assert folder == str(tmp_path)
    assert int(size) == Path("/etc/services").stat().st_size


def test_a_program_that_does_not_exist_is_named() -> None:
    done = jailed("no-such-program")
    assert done.returncode == 125
    assert "no-such-program" in done.stderr
