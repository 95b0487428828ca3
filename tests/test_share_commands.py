"""A steward tries policies at his desk: what he is told, what is refused and how."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from meshctl.model import MeshctlError
from meshctl.scenariofile import load_scenario, shipped
from meshctl.share_commands import share

SMALL = """
title = "A few homes and a guest"
days = 4
down_mbit = 10
up_mbit = 2
[[home]]
name = "all"
count = 2
want = [{ mbit = 20, hours = [17, 24] }]
[[home]]
name = "some"
count = 6
want = [{ mbit = 5, hours = [17, 24], part = 0.3 }]
[[guests]]
count = 1
want = [{ mbit = 1, hours = [18, 20] }]
"""


def says(*words: str) -> str:
    done = CliRunner().invoke(share, ["simulate", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refuses(*words: str) -> str:
    with pytest.raises(MeshctlError) as fault:
        CliRunner().invoke(share, ["simulate", *words], catch_exceptions=False)
    assert fault.value.exit_code == 2
    return str(fault.value)


@pytest.fixture
def small(tmp_path: Path) -> str:
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    return str(file)


Write = Callable[[str], str]


@pytest.fixture
def lived(tmp_path: Path) -> Write:
    def write(text: str) -> str:
        file = tmp_path / "lived"
        file.write_text(text)
        return str(file)

    return write


def test_every_scenario_that_comes_along_is_listed_and_sound() -> None:
    lines = says("--list").splitlines()
    assert [line.split()[0] for line in lines] == list(shipped())
    assert len(lines) >= 9
    assert json.loads(says("--list", "--json"))["evenings"]["days"] == 28
    assert all(load_scenario(name).story for name in shipped())


def test_people_get_a_table_of_eighty_columns(small: str) -> None:
    text = says(small)
    assert max(map(len, text.splitlines())) <= 80
    assert "small: A few homes and a guest" in text
    assert "some (6)" in text
    assert "guests, all" in text
    assert "Slowed: all (2 of 2 homes), by" in text


def test_scripts_get_every_home_in_bytes_and_seconds(small: str) -> None:
    found = json.loads(says(small, "--json"))
    assert [home["home"] for home in found["homes"]] == ["all-1", "all-2", *(f"some-{n}" for n in range(1, 7))]
    one = found["homes"][0]
    assert one["asked"]["down"] == 2.5e6 * 7 * 3600 * 4
    assert sum(one["seconds_at_level"]) == pytest.approx(4 * 86_400)
    assert one["slowed"]
    assert one["slowed_hours_of_day"]
    assert found["policy"]["values"]["half_life_days"] == 7
    assert found["against"]["values"]["level_above"] == []
    assert found["policy"]["guests"]["asked"] == 125_000 * 2 * 3600 * 4


def test_the_same_seed_is_the_same_street_and_another_one_is_not(small: str) -> None:
    assert says(small, "--seed", "4") == says(small, "--seed", "4")
    assert says(small, "--seed", "4") != says(small, "--seed", "5")


def test_two_policies_are_compared(small: str) -> None:
    def words(*more: str) -> tuple[Any, Any]:
        found = json.loads(says(small, "--days", "1", "--json", *more))
        return found["policy"]["values"], found["against"]["values"]

    tried, against = words("--policy", "half_life_days=14", "--policy", "level_weight=1, 0.5, 0.5, 0.5")
    assert (tried["half_life_days"], against["half_life_days"]) == (14, 7)
    assert tried["level_weight"] == [1, 0.5, 0.5, 0.5]
    tried, against = words("--policy", "half_life_days=14", "--against", "plain")
    assert (against["level_above"], against["half_life_days"]) == ([], 14)
    tried, against = words("--against", "busy=0.8")
    assert (tried["busy"], against["busy"]) == (0.9, 0.8)
    tried, against = words("--policy", "busy=0.85", "--against", "in-force")
    assert (tried["busy"], against["busy"]) == (0.85, 0.9)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--policy", "half_life_days=90"), "--policy: half_life_days: 90 is outside the charter's bounds"),
        (("--policy", "level_weight=1,0.5,0.25,0.1"), "nobody steps back below an eighth"),
        (("--against", "guest_share=0.9"), "--against: guest_share: 0.9 is outside"),
        (("--policy", "half_live_days=9"), "unknown key. Did you mean 'half_life_days'?"),
        (("--policy", "busy"), "it is no KEY=VALUE"),
        (("--policy", "busy=much"), "'much' is no value"),
        (("--policy", 'busy="0.9"'), "is not a number"),
        (("--line=-3/2",), "0.1 to 100000 Mbit/s"),
        (("--line", "fast"), "Write it as 20/5"),
        (("nowhere",), "there is none of that name. Name a file, or one of: alike, evenings"),
        (("--recorded", "lived.csv"), "what the line carries is not known. Say it: --line 20/5."),
        (("--recorded", "lived.csv", "--line", "20/5"), "cannot be read"),
        (("--recorded", "lived.csv", "--days", "3"), "as many as the file has"),
        (("--config", "/nonexistent/meshctl.toml"), "it does not exist"),
        (("evenings", "--days", "1", "--plot", "/nonexistent/p.svg"), "Name another place with --plot"),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(words: tuple[str, ...], told: str) -> None:
    assert told in refuses(*words)


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("down_mbit = 10", "down_mbit = -10", "down_mbit: -10 is out of bounds. Use 0.1 to 100000."),
        ("count = 6", "count = 0", "home[1].count: 0 is out of bounds"),
        ("hours = [17, 24], part", "hours = [17, 25], part", "home[1].want[0].hours: [17.0, 25.0] are not two hours"),
        ("part = 0.3", "part = 1.5", "home[1].want[0].part: 1.5 is out of bounds"),
        ("part = 0.3", "weekdays = ['tag']", "'tag' is no weekday"),
        ("part = 0.3", "days = [7, 2]", "are not two days"),
        ("part = 0.3", "parts = 0.3", "Did you mean 'part'?"),
        ('"some"\ncount = 6', '"all-1"', "home[1].name: 'all-1' is also home[0]. Give each home its own name."),
        ("days = 4", "days = 3000", "days: 3000 is out of bounds"),
        ("[[home]]", "[[home]", "it is not TOML"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(lived: Write, was: str, becomes: str, told: str) -> None:
    assert was in SMALL
    assert told in refuses(lived(SMALL.replace(was, becomes, 1)))


def test_exit_code_and_one_line_without_a_trace() -> None:
    command = [sys.executable, "-m", "meshctl", "share", "simulate", "--policy", "busy=0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "meshctl: --policy: busy: 0.1 is outside the charter's bounds: use that holds nobody back is free. "
        "Use 0.8 to 1."
    ]


def test_the_picture_is_one_file_that_asks_nobody_for_anything(small: str, tmp_path: Path) -> None:
    says(small, "--plot", str(tmp_path / "small.svg"))
    text = (tmp_path / "small.svg").read_text()
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert not {"script", "image", "a", "use"} & {one.tag.rpartition("}")[2] for one in root.iter()}
    assert "prefers-color-scheme: dark" in text
    assert "some (6)" in text


ROWS = "day,home,direction,bytes\n2026-03-02,A,down,20000000000\n2026-03-03,B,down,9000000000\n2026-03-03,B,up,5000\n"


def test_recorded_days_are_spread_and_nothing_is_lost(lived: Write) -> None:
    file = lived(ROWS)
    text = says("--recorded", file, "--line", "20/5")
    assert "lower bound" in " ".join(text.split())
    found = json.loads(says("--recorded", file, "--line", "20/5", "--json"))
    assert found["days"] == 2
    assert {home["home"]: round(sum(home["asked"].values())) for home in found["homes"]} == {
        "A": 20_000_000_000, "B": 9_000_005_000,
    }  # fmt: skip
    assert "17 to 23 h" in found["notes"][0]


def test_finer_rows_are_taken_as_they_are(lived: Write) -> None:
    file = lived("start,seconds,home,direction,bytes\n2026-03-02T17:00,3600,A,down,3600000\n")
    found = json.loads(says("--recorded", file, "quiet", "--json"))
    assert found["line"]["down"] == 250 * 125_000
    assert found["homes"][0]["worst_hour"] == {"hour": 17, "asked": 3_600_000, "got": 3_600_000}


def test_what_household_show_printed_is_a_record(lived: Write) -> None:
    def home(handle: str, shares: int) -> str:
        days = [{"day": "2026-03-02", "down": 10**10, "up": 10**9}, {"day": "", "down": 5, "up": 1}]
        return json.dumps({"handle": handle, "shares": shares, "since": None, "days": days}, indent=2)

    found = json.loads(says("--recorded", lived(f"{home('7KQ2', 1)}\n{home('9XYZ', 2)}\n"), "--line", "20/5", "--json"))
    assert [(one["home"], one["shares"]) for one in found["homes"]] == [("7KQ2", 1), ("9XYZ", 2)]
    assert [round(sum(one["asked"].values())) for one in found["homes"]] == [11 * 10**9] * 2


def test_every_bad_row_is_named_with_its_line_and_a_remedy(lived: Write) -> None:
    bad = [
        "2026-03-02,A,down,-5", "2026-13-02,A,down,5", "2026-03-02,A,sideways,5", "2026-03-02,B,down,5",
        "2026-03-02,B,down,6", "2026-03-02,B,down", "2026-03-03,B,up,x", "2026-03-03,,up,1", "tomorrow,B,up,1",
    ]  # fmt: skip
    told = refuses("--recorded", lived("\n".join(["day,home,direction,bytes", *bad])), "--line", "20/5").splitlines()
    assert [line.partition(": line ")[2] for line in told] == [
        "2: '-5' are no bytes. Write a whole number, 0 or more.",
        "3: '2026-13-02' is no day. Write one such as 2026-03-02.",
        "4: 'sideways' is no direction. Write down or up.",
        "7: 3 columns. Write 4: day,home,direction,bytes.",
        "8: 'x' are no bytes. Write a whole number, 0 or more.",
        "9: '' is no home. Write a name of 1 to 40 characters.",
        "10: 'tomorrow' is no day. Write one such as 2026-03-02.",
        "6: that time of B down is in line 5 too. Keep one.",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("home,bytes\nA,5\n", "line 1: 'home,bytes' is no heading. Write day,home,direction,bytes or"),
        ("day,home,direction,bytes\n", "it has no rows"),
        ("", "is no heading"),
        ("day,home,direction,bytes\n2026-03-02,A,down,999999999999\n", "are more than the line carries in 86400 s."),
        ("day,home,direction,bytes\n2026-03-02,A,up,1\n2028-03-02,A,up,1\n", "732 days from the first row to the last"),
        ("start,seconds,home,direction,bytes\n2026-03-02T10:00+01:00,60,A,up,1\n", "names a time zone"),
        ("start,seconds,home,direction,bytes\n2026-03-02T10:00,-60,A,up,1\n", "'-60' are no seconds of a day"),
        ("start,seconds,home,direction,bytes\n2026-03-02T10:00,nan,A,up,1\n", "'nan' are no seconds of a day"),
        (
            "start,seconds,home,direction,bytes\n2026-03-02T10:00,600,A,up,1\n2026-03-02T10:09,60,A,up,1\n",
            "line 3: that time of A up is in line 2 too",
        ),
        ('{"handle": "7KQ2", "shares": 1, "days": null}', "this node has no line"),
        ('{"households": []}', "it is no household"),
        ('{"handle": "7KQ2", "shares": 1, "days": [{"day": "2026-03-02"}]}', "a day has no day, down and up"),
        ('{"handle": "7KQ2", "shares": 1, "days": [', "it is not JSON"),
    ],
)
def test_a_record_that_cannot_be_is_refused(lived: Write, text: str, told: str) -> None:
    assert told in refuses("--recorded", lived(text), "--line", "20/5")


def test_a_long_run_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch, small: str) -> None:
    monkeypatch.setattr("meshctl.share_commands._PATIENCE", 0.0)
    done = CliRunner().invoke(share, ["simulate", small, "--json"], catch_exceptions=False)
    assert "small: " in done.stderr
    assert json.loads(done.stdout)["scenario"] == "small"
