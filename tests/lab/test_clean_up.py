from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from meshctl.lab import place as places
from meshctl.lab.handle import find_lab, raise_lab, start_lab
from tests.lab.conftest import lab_name

pytestmark = pytest.mark.lab

KEPT_BY = """
import sys, time
from pathlib import Path
from meshctl.lab.handle import raise_lab
with raise_lab(Path(sys.argv[1]), sys.argv[2]):
    print("up", flush=True)
    time.sleep(600)
"""


def wait_until(claim: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_in(space: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if str((folder / "ns/pid").readlink()) == space:
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def space_of(init: int) -> str:
    return str(Path(f"/proc/{init}/ns/pid").readlink())


def test_two_labs_stand_side_by_side_and_nothing_of_either_is_left(small: Path) -> None:
    with raise_lab(small, lab_name("one")) as one, raise_lab(small, lab_name("two")) as two:
        spaces = [space_of(one.init), space_of(two.init)]
        folders = [one.place.folder, two.place.folder]
        assert spaces[0] != spaces[1]
        assert all(processes_in(space) for space in spaces)
        assert not set(one.status()["urls"].values()) & set(two.status()["urls"].values())
        one.exec("amal", ["ping", "-c", "1", "10.44.0.1"])
        two.exec("amal", ["ping", "-c", "1", "10.44.0.1"])
    assert not any(processes_in(space) for space in spaces)
    assert not any(folder.exists() or folder.with_name(f"{folder.name}.lock").exists() for folder in folders)


def test_a_killed_lab_leaves_no_process_and_down_clears_the_rest(small: Path) -> None:
    lab = start_lab(small, lab_name("killed"))
    space, outer = space_of(lab.init), os.getpgid(lab.init)
    os.kill(outer, signal.SIGKILL)
    wait_until(lambda: not processes_in(space))
    assert not places.lives(lab.place)
    assert lab.place.folder.exists()
    argv = [sys.executable, "-m", "meshctl", "lab", "down", "--name", lab.name]
    assert "cleared what it left" in subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert not lab.place.folder.exists()
    lab.down()


def test_a_lab_goes_with_the_process_that_held_it(small: Path) -> None:
    name = lab_name("held")
    with subprocess.Popen([sys.executable, "-c", KEPT_BY, str(small), name], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        lab = find_lab(name)
        space = space_of(lab.init)
        holder.kill()
        wait_until(lambda: not processes_in(space))
    wait_until(lambda: not lab.place.folder.exists())
    places.clear(lab.place)


def test_a_lab_in_the_foreground_ends_with_ctrl_c(small: Path) -> None:
    name = lab_name("front")
    argv = [sys.executable, "-m", "meshctl", "lab", "up", "--foreground", "--name", name, "--topology", str(small)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as front:
        assert front.stdout is not None
        assert any("until Ctrl-C" in line for line in front.stdout)
        place = find_lab(name).place
        front.send_signal(signal.SIGINT)
        assert front.wait(20) == 0
    assert not place.folder.exists()
    assert not place.lock.exists()


def test_a_lab_outlives_the_command_that_raised_it_until_down(small: Path) -> None:
    name = lab_name("stays")
    meshctl = [sys.executable, "-m", "meshctl", "lab"]
    subprocess.run([*meshctl, "up", "--name", name, "--topology", str(small)], check=True, capture_output=True)
    lab = find_lab(name)
    space = space_of(lab.init)
    told = subprocess.run([*meshctl, "down", name], check=True, capture_output=True, text=True).stdout
    assert told == f"{name}: ended\n"
    assert not processes_in(space)
    assert not lab.place.folder.exists()


def test_what_cannot_start_is_told_with_its_log_and_leaves_nothing(small: Path, tmp_path: Path) -> None:
    name = lab_name("broken")
    file = tmp_path / "broken.toml"
    file.write_text(small.read_text().replace("tick_seconds = 2", "tick_seconds = 2000"))
    argv = [sys.executable, "-m", "meshctl", "lab", "up", "--name", name, "--topology", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "policy.tick_seconds: 2000 is outside the charter's bounds" in done.stderr
    place = places.place_of(name)
    assert not place.folder.exists()
    assert not places.lives(place)
