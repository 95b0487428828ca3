"""`meshctl privacy scan` says where, says what it left out, and proves first that it can find."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from meshctl.agent.mesh.daykeys import DayKey
from meshctl.privacy import control, swap
from meshctl.privacy.commands import privacy
from meshctl.privacy.findings import Findings
from meshctl.privacy.forms import octets_of, of_address
from meshctl.privacy.matcher import Matcher
from meshctl.privacy.tree import Scan

ADDRESS = "02:1f:22:33:a4:55"


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str

    @property
    def json(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.out)
        return read

    def places(self) -> dict[str, set[str]]:
        """What was said of each file's findings."""
        said: dict[str, set[str]] = {}
        for one in self.json["found"]:
            said.setdefault(Path(one["file"]).name, set()).update(p.get("where", "") for p in one["places"])
        return said


def scan(*words: object, stdin: bytes = b"") -> Outcome:
    done = CliRunner().invoke(privacy, ["scan", *map(str, words)], input=stdin)
    return Outcome(done.exit_code, done.stdout if "--json" in words else done.output)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


def test_a_clean_tree_is_clean_and_the_control_and_swap_are_spoken_of(tree: Path) -> None:
    (tree / "log").write_text("joined one device\n")
    done = scan(tree, "--address", ADDRESS)

    assert done.code == 0, done.out
    assert done.out.endswith("nothing found\n")
    assert "11 of 11 planted traces found" in done.out
    assert "swap" in done.out


def test_a_finding_names_file_form_and_place_and_never_the_address(tree: Path) -> None:
    (tree / "log").write_text(f"joined\n{ADDRESS.upper()} again\n" * 9)
    done = scan(tree, "--address", "02:00:00:00:00:07", "--address", ADDRESS)

    assert done.code == 1
    assert f"{tree}/log: address 2, colons at 7, at 38" in done.out
    assert "and 4 more" in done.out
    assert ADDRESS not in done.out.lower()


def test_addresses_come_from_a_list_so_that_no_history_keeps_them(tree: Path) -> None:
    (tree / "log").write_text(f"{ADDRESS.replace(':', '-')} AB7K\n")
    done = scan(tree, "--from", "-", "--json", stdin=f"{ADDRESS}\ntext AB7K\n".encode())

    assert {(one["of"], one["form"]) for one in done.json["found"]} == {("address 1", "hyphens"), ("text 1", "text")}


def test_a_stolen_key_shows_the_tokens_made_with_it(tree: Path, tmp_path: Path) -> None:
    key = DayKey("", 1, secrets.token_bytes(32), 0.0)
    stolen = tmp_path / "day-keys.json"
    stolen.write_text(json.dumps({"at": 1.0, "keys": [{"secret": key.secret.hex(), "epoch": 1, "age": 0.5}]}))
    (tree / "node.db").write_text(key.token(ADDRESS))

    assert scan(tree, "--address", ADDRESS).code == 0
    for words in (stolen, key.secret.hex()):
        (found,) = scan(tree, "--address", ADDRESS, "--key", words, "--json").json["found"]
        assert found["form"] == "meshctl's device hash of raw, hexadecimal"
    assert scan(tree, "--address", ADDRESS, "--key", tree / "none").code != 0


def test_standard_input_is_searched_as_well() -> None:
    assert scan("-", "--address", ADDRESS, stdin=f"MAC={ADDRESS}".encode()).code == 1
    assert scan("-", "--address", ADDRESS, stdin=b"MAC=").code == 0


def test_names_links_and_attributes_are_searched_and_links_not_followed(tree: Path) -> None:
    outside = tree.parent / "outside"
    outside.write_text(ADDRESS)
    (tree / "link").symlink_to(outside)
    (tree / "named").symlink_to(f"/sys/{ADDRESS}")
    (tree / ADDRESS).mkdir()
    found = scan(tree, "--address", ADDRESS, "--json").json["found"]

    assert {(one["file"], one["within"]) for one in found} == {
        (f"{tree}/{ADDRESS}", "its name"),
        (f"{tree}/named", "what it links to"),
    }


@pytest.fixture
def socket_in(tree: Path) -> Iterator[Path]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "agent.sock"))
        yield tree


def test_what_holds_nothing_is_named_and_what_cannot_be_opened_makes_the_answer_unsure(socket_in: Path) -> None:
    os.mkfifo(socket_in / "pipe")
    (socket_in / "packed").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(99))
    (socket_in / "cut.gz").write_bytes(b"\x1f\x8b\x08\x00" + bytes(9))
    done = scan(socket_in, "--address", ADDRESS)

    assert done.code == 2
    for words in ("sockets, which hold nothing", "pipes, which hold nothing", "a part packed by zstd cannot be opened",
                  "gzip is damaged or ends early"):  # fmt: skip
        assert words in done.out


def test_a_folder_whose_files_nobody_may_look_at_is_not_called_clean() -> None:
    code = "import os, sys; os.setgid(65534); os.setuid(65534); from meshctl.cli import main; main()"
    with tempfile.TemporaryDirectory() as folder:  # pytest's own lie in folders that nobody else enters
        (Path(folder) / "log").write_text(ADDRESS)
        Path(folder).chmod(0o444)
        words = [sys.executable, "-c", code, "privacy", "scan", folder, "--address", ADDRESS]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert "NOT SEARCHED, not readable: Permission denied" in done.stdout


def test_the_kernels_own_folders_are_not_called_clean() -> None:
    outcome = scan("/proc", "--address", ADDRESS)
    assert outcome.code == 2
    assert "the kernel's own, not searched" in outcome.out


def test_the_tree_itself_has_a_name_and_attributes(tree: Path) -> None:
    file = tree / f"of {ADDRESS}"
    file.touch()
    assert scan(file, "--address", ADDRESS).code == 1


def test_a_tree_that_is_not_there_or_nothing_to_look_for_is_code_two(tree: Path) -> None:
    assert scan(tree / "none", "--address", ADDRESS).code == 2
    assert "neither a file nor a folder nor a disk: /dev/null" in scan("/dev/null", "--address", ADDRESS).out
    for words in ((tree,), ("--address", ADDRESS)):
        done = CliRunner().invoke(privacy, ["scan", *map(str, words)])
        assert getattr(done.exception, "exit_code", None) == 2


def test_the_middle_of_a_hole_is_skipped_and_counted_and_what_follows_it_found(tree: Path) -> None:
    with (tree / "sparse").open("wb") as file:
        file.seek(1 << 30)
        file.write(b"\0\0" + octets_of(ADDRESS) + b"\0")
        file.seek(3 << 30)
        file.truncate()
    done = scan(tree, "--address", ADDRESS, "--json").json

    assert done["found"][0]["places"] == [{"offset": (1 << 30) + 2}]
    assert done["bytes"] < 64 << 20
    assert done["holes"] + done["bytes"] >= 3 << 30


def database(file: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(file, isolation_level=None)
    opened.execute("PRAGMA secure_delete = OFF")
    opened.execute("PRAGMA journal_mode = WAL")
    opened.execute("PRAGMA wal_autocheckpoint = 0")
    return opened


def test_a_database_tells_live_free_and_log_apart(tree: Path) -> None:
    with closing(database(tree / "node.db")) as node:
        node.execute("CREATE TABLE gone (a)")
        node.execute("CREATE TABLE kept (a)")
        node.execute("INSERT INTO gone VALUES (?)", (f"in gone {ADDRESS}",))
        node.execute("INSERT INTO kept VALUES (?)", (octets_of(ADDRESS),))
        node.execute("DROP TABLE gone")
        node.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        node.execute("CREATE TABLE fresh (a)")
        node.execute("INSERT INTO fresh VALUES (?)", (ADDRESS.upper(),))
        places = scan(tree, "--address", ADDRESS, "--json").places()

    assert places["node.db"] == {"free page 2", "live page 3"}
    assert {text.split(",")[0] for text in places["node.db-wal"]} == {"write-ahead log"}


def test_a_value_that_lies_across_pages_is_found(tree: Path) -> None:
    # A row of 5081 octets keeps its first 989 in the leaf (fileformat2, 1.6), four of them its header.
    value = "." * 977 + ADDRESS + "." * (5081 - 4 - 977 - len(ADDRESS))
    with closing(sqlite3.connect(tree / "hub.db", isolation_level=None)) as hub:
        hub.execute("CREATE TABLE long (a)")
        hub.execute("INSERT INTO long VALUES (?)", (value,))
    assert ADDRESS.encode() not in (tree / "hub.db").read_bytes()
    (found,) = scan(tree, "--address", ADDRESS, "--json").json["found"]

    assert (found["form"], found["within"]) == ("colons", "a value that lies across pages")


def test_the_control_fails_where_a_form_is_not_found(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    def blind(of: str, octets: bytes, keys: tuple[bytes, ...]) -> list[Any]:
        return [needle for needle in of_address(of, octets, keys) if needle.form != "hyphens"]

    monkeypatch.setattr(control, "of_address", blind)
    done = CliRunner().invoke(privacy, ["scan", str(tree), "--address", ADDRESS])

    assert getattr(done.exception, "exit_code", None) == 2
    assert "a file, hyphens, a write-ahead log" in str(done.exception)


@pytest.mark.parametrize(
    ("listing", "wanted", "said"),
    [
        ("", False, "no swap in use"),
        ("{file} file 2048 0 -2", False, "swap was not looked at: {file} (2 MB); --swap does"),
        ("{file} file 2048 0 -2", True, "swap was looked at"),
        ("/dev/zram9 partition 2048 0 100", False, "/dev/zram9 (in RAM, 2 MB)"),
        ("/dev/zram9 partition 2048 0 100", True, "swap could not be read whole"),
    ],
)
def test_it_is_always_said_whether_swap_was_looked_at(tree: Path, listing: str, *, wanted: bool, said: str) -> None:
    (tree / "swapfile").write_bytes(bytes(5000) + octets_of(ADDRESS))
    listed = tree / "swaps"
    listed.write_text("Filename Type Size Used Priority\n" + listing.format(file=tree / "swapfile"))
    findings = Findings()
    run = Scan(Matcher(of_address("a", octets_of(ADDRESS), ())), findings, 1 << 20, lambda _: None)

    assert said.format(file=tree / "swapfile") in swap.look(run, wanted=wanted, listing=listed)
    assert bool(findings.strong) == (said == "swap was looked at")


def test_a_tree_that_is_not_there_is_not_called_clean(tree: Path) -> None:
    done = scan(tree / "elsewhere", "--address", ADDRESS)

    assert done.code == 2
    assert done.out.endswith("nothing found in what was searched\n")
