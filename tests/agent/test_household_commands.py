"""What a volunteer types about households, to a real socket with real tables behind it."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meshctl.agent import passes
from meshctl.agent.household_commands import household
from meshctl.agent.members import Members
from meshctl.model import MeshctlError
from meshctl.quota.meter import Count, meter
from meshctl.quota.plan import FIRST_HOME
from tests.agent import qr
from tests.agent.small_agent import NOW, SmallAgent, small_agent

PHONE = "02:00:00:00:00:01"
PASS = re.compile(r"\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}\b")

Call = Callable[..., Result]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[SmallAgent]:
    with small_agent(tmp_path) as agent:
        yield agent


@pytest.fixture
def call(agent: SmallAgent) -> Call:
    def one(*words: str) -> Result:
        return CliRunner().invoke(household, [*words, "--config", str(agent.file)])

    return one


def refused(result: Result) -> str:
    """Return the sentence that a verb ended with."""
    assert isinstance(result.exception, MeshctlError)
    assert result.exception.exit_code == 1
    return str(result.exception)


def handles(agent: SmallAgent) -> list[str]:
    return agent.do(lambda a: [home.handle for home in a.store.households()])


def use_line(agent: SmallAgent) -> None:
    """Let a phone of the first home be there, and its class carry something."""

    def go(a: SmallAgent) -> None:
        device = a.members.link(PHONE, a.store.households()[0], 1e9, a.clock.now.monotonic)
        a.turns.admit([device], [])
        a.kernel.send("down", FIRST_HOME, 5_000_000)
        a.turns.tick()

    agent.do(go)


def test_a_household_is_added_and_its_pass_is_the_only_one_that_verifies(agent: SmallAgent, call: Call) -> None:
    shown = call("add", "--shares", "2")
    assert shown.exit_code == 0, shown.output
    (text,) = PASS.findall(shown.output)
    handle, secret = passes.split(text)
    known = agent.do(lambda a: a.store.household(handle))
    assert known is not None
    assert (known[0].shares, passes.verify(secret, known[1])) == (2, True)
    made = json.loads(call("add", "--json").output)
    assert set(made) == {"handle", "shares", "pass"}


def test_many_are_added_at_once_or_none(agent: SmallAgent, call: Call) -> None:
    made = json.loads(call("add", "--count", "3", "--json").output)["households"]
    assert sorted(one["handle"] for one in made) == sorted(handles(agent))
    assert call("add", "--count", "201").exit_code == 2
    full = {"verb": "household-add", "homes": [passes.draw_verified().row, [made[0]["handle"], "", ""]]}
    for homes in (full["homes"], [full["homes"][0]] * 2, [["abcd", *full["homes"][0][1:]]], [5], "x", None, []):
        reply = agent.do(lambda a, homes=homes: a.verbs.table["household-add"].run({"homes": homes}))  # type: ignore[misc]
        assert reply["error"]["code"] == "bad-request"
    assert len(handles(agent)) == 3


def test_a_handle_that_is_or_was_taken_is_refused_and_another_pass_is_drawn(
    agent: SmallAgent, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = json.loads(call("add", "--json").output)
    row = [first["handle"], *passes.draw_verified().row[1:]]
    reply = agent.do(lambda a: a.verbs.table["household-add"].run({"homes": [row]}))
    assert (reply["error"]["code"], reply["taken"]) == ("taken", [first["handle"]])
    call("remove", first["handle"], "--yes")
    again = iter([first["pass"], "AAAA-BBBB-CCCC-DDDD", first["pass"], "0000-BBBB-CCCC-DDDD"])
    monkeypatch.setattr(passes, "draw", lambda: next(again))
    assert json.loads(call("add", "--json").output)["handle"] == "AAAA"
    assert handles(agent) == ["AAAA"]


def test_sheets_can_be_scanned_and_stand_alone(agent: SmallAgent, call: Call, tmp_path: Path) -> None:
    file = tmp_path / "sheets.html"
    said = call("add", "--count", "2", "--shares", "3", "--sheet", str(file))
    page = file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASS.findall(said.output) == []
    sheets = page.split('<section class="sheet">')[1:]
    assert len(sheets) == 2
    for sheet, handle in zip(sheets, handles(agent), strict=True):
        read = qr.read(qr.modules(next(svg for svg in re.findall(r"<svg.*?</svg>", sheet, re.S) if "qrline" in svg)))
        shown = "".join(re.findall(r"<span>([0-9A-Z]{4})</span>", sheet))
        assert read == f"http://mesh.home/pass?p={shown}"
        known = agent.do(lambda a, handle=handle: a.store.household(handle))  # type: ignore[misc]
        assert known is not None
        assert passes.verify(shown[4:], known[1])
        assert handle in sheet
        assert "Ask Ana at number 12." in sheet
        assert "counts 3 times" in sheet
    assert not re.search(r"(?:src|href|action)=|url\(|@import|<script|<link", page)


def test_a_file_that_is_there_is_not_overwritten_unasked_and_nothing_is_added(
    agent: SmallAgent, call: Call, tmp_path: Path
) -> None:
    file = tmp_path / "sheets.html"
    file.write_text("mine", encoding="utf-8")
    assert "--force" in refused(call("add", "--sheet", str(file)))
    assert "cannot be written" in refused(call("add", "--sheet", str(tmp_path / "no" / "folder.html")))
    assert (file.read_text(encoding="utf-8"), handles(agent)) == ("mine", [])
    assert call("add", "--sheet", str(file), "--force").exit_code == 0
    assert handles(agent)[0] in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_when_the_agent_refuses_no_sheet_is_left_and_an_old_one_stays(
    agent: SmallAgent, call: Call, tmp_path: Path, force: list[str]
) -> None:
    agent.callers.clear()
    file = tmp_path / "sheets.html"
    if force:
        file.write_text("mine", encoding="utf-8")
    assert "not for you" in refused(call("add", "--sheet", str(file), *force))
    assert [one.read_text() for one in tmp_path.iterdir() if "sheets" in one.name] == (["mine"] if force else [])


def test_a_sheet_is_printed_here_when_asked(call: Call) -> None:
    shown = call("add", "--sheet", "-")
    assert shown.stdout.startswith("<!doctype html>")
    assert shown.stdout.rstrip().endswith("</html>")
    assert call("add", "--sheet", "-", "--json").exit_code == 2


def test_a_household_is_shown_with_its_days(agent: SmallAgent, call: Call) -> None:
    handle = json.loads(call("add", "--json").output)["handle"]
    empty = json.loads(call("show", handle, "--json").output)
    assert (empty["devices"], empty["present"], empty["days"], empty["since"]) == (0, False, [], NOW.wall)
    use_line(agent)
    found = json.loads(call("show", handle.lower(), "--json").output)
    assert found == {
        "handle": handle, "shares": 1, "since": NOW.wall, "devices": 1, "present": True,
        "bytes": {"down": 5_000_000, "up": 0}, "days": [{"day": found["days"][0]["day"], "down": 5_000_000, "up": 0}],
        "note": None, "erased_in": None,
    }  # fmt: skip
    said = call("show", handle).output
    assert re.search(r"devices +1 joined at this node now", said)
    assert re.search(r"2026-09-2\d +5\.0 +0\.0", said)


def test_the_list_says_how_many_there_are(agent: SmallAgent, call: Call) -> None:
    assert "No households" in call("list").output
    call("add", "--count", "2")
    use_line(agent)
    said = call("list").output
    assert said.splitlines()[0].split() == ["household", "shares", "joined", "down", "MB", "up", "MB"]
    assert "2 households" in said
    found = json.loads(call("list", "--json").output)
    assert [one["joined"] for one in found["households"]] == [True, False]


def test_stewards_see_who_left_a_note_and_who_is_to_be_erased(agent: SmallAgent, call: Call) -> None:
    handle = json.loads(call("add", "--json").output)["handle"]
    wishes = agent.do(lambda a: a.rights.wishes)
    agent.do(lambda a: wishes.ask(handle, "note", "The 3rd looks wrong.", "elm", NOW.monotonic))
    agent.do(lambda a: wishes.ask(handle, "erase", "", "elm", NOW.monotonic))
    listed = call("list").output
    assert f"{handle} left a note" in listed
    assert f"{handle} is to be erased" in listed
    shown = call("show", handle).output
    assert re.search(r"its note +The 3rd looks wrong\.", shown)
    assert re.search(r"to be erased +in 24\.0 h", shown)


def test_a_code_is_drawn_for_a_home_that_exists(agent: SmallAgent, call: Call) -> None:
    handle = json.loads(call("add", "--json").output)["handle"]
    drawn = json.loads(call("code", handle.lower(), "--json").output)
    assert (drawn["handle"], drawn["minutes"], len(drawn["code"])) == (handle, 15, 9)
    told = call("code", handle).output
    assert re.search(r"^    \w{4}-\w{4}$", told, re.M)
    assert "It is typed at http://mesh.home/mine, " in told
    assert call("code", "ZZZZ").exit_code == 1


@pytest.mark.parametrize("verb", [["show"], ["remove", "--yes"]])
@pytest.mark.parametrize("handle", ["ZZZZ", "nonsense", "", "guests", "' OR 1"])
def test_an_unknown_household_is_named_with_what_helps(
    agent: SmallAgent, call: Call, verb: list[str], handle: str
) -> None:
    call("add")
    said = refused(call(*verb, handle))
    assert repr(handle) in said
    assert "meshctl household list" in said
    assert len(handles(agent)) == 1


def test_a_removed_household_leaves_its_phone_online_as_a_guest_and_the_sums_as_they_were(
    agent: SmallAgent, call: Call
) -> None:
    made = json.loads(call("add", "--json").output)
    call("add")
    use_line(agent)
    before = agent.do(lambda a: sum(a.store.ledger().values()))
    assert json.loads(call("remove", made["handle"], "--yes", "--json").output) == {
        "handle": made["handle"], "removed": True,
    }  # fmt: skip
    device = agent.do(lambda a: a.members.get(PHONE))
    assert device is not None
    assert device.household is None
    assert agent.do(lambda a: a.kernel.read().table.members[PHONE].mark) == device.mark
    assert agent.do(lambda a: (a.kernel.forgotten, sum(a.store.ledger().values()))) == ([], before)
    found = json.loads(call("list", "--json").output)
    assert made["handle"] not in str(found)
    assert found["guests"]["bytes"]["down"] == 5_000_000
    agent.do(lambda a: a.kernel.around.update({"10.44.0.7": PHONE}))
    link = {"address": "10.44.0.7", "pass": made["pass"]}
    assert agent.do(lambda a: a.verbs.table["link"].run(link))["error"]["code"] == "wrong-pass"


def test_removing_asks_on_a_terminal_and_needs_a_yes_elsewhere(agent: SmallAgent, call: Call) -> None:
    handle = json.loads(call("add", "--json").output)["handle"]
    result = call("remove", handle)
    assert result.exit_code == 2
    assert "--yes" in result.output
    assert handles(agent) == [handle]


@pytest.mark.parametrize(("answer", "left"), [("n", 1), ("y", 0)])
def test_a_person_at_a_terminal_is_asked(agent: SmallAgent, call: Call, answer: str, left: int) -> None:
    handle = json.loads(call("add", "--json").output)["handle"]
    words = [sys.executable, "-m", "meshctl", "household", "remove", handle, "--config", str(agent.file)]
    keyboard, stdin = pty.openpty()
    try:
        os.write(keyboard, f"{answer}\n".encode())
        done = subprocess.run(words, stdin=stdin, capture_output=True, text=True, timeout=20, check=False)
    finally:
        os.close(keyboard)
        os.close(stdin)
    assert f"Household {handle}, counted once; 0 devices" in done.stdout
    assert (done.returncode, len(handles(agent))) == (left, left)


def test_a_restarted_agent_makes_guests_of_whose_home_went_while_it_was_away(agent: SmallAgent) -> None:
    def go(a: SmallAgent) -> Members:
        home = a.store.add_household("AAAA", 1, passes.draw_verified().kept, NOW)
        a.turns.admit([a.members.link(PHONE, home, 1e9, 0.0)], [])
        a.store.remove_household("AAAA")
        again = Members()
        again.adopt(a.kernel.read().table.members, {}, 0.0)
        return again

    assert [device.household for device in agent.do(go).all()] == [None]


def test_a_reading_of_a_class_that_outlives_its_home_counts_as_guests_use(agent: SmallAgent) -> None:
    def go(a: SmallAgent) -> dict[str, int]:
        a.store.add_household("AAAA", 1, passes.draw_verified().kept, NOW)
        first = {("isp", "down", FIRST_HOME): Count("1", 10)}
        a.store.record(meter({}, first), {}, first, NOW)  # type: ignore[arg-type]
        a.store.remove_household("AAAA")
        then = {("isp", "down", FIRST_HOME): Count("1", 14)}
        a.store.record(meter(first, then), first, then, NOW)  # type: ignore[arg-type]
        return {home: count for (_, _, home), count in a.store.ledger().items()}

    assert agent.do(go) == {"guests": 14}
