"""Makes the figures and pictures of docs/fair-share.md, by the commands that stand there: ``make docs-figures``.

A fenced block that begins with ``$ meshctl share simulate …`` holds what that prints. In a table, a first column with
such a command and a second one with a kind of home say what the other columns hold.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click.testing import CliRunner

from meshctl.share_commands import share

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURES = ROOT / "docs" / "fair-share.md", ROOT / "docs" / "pictures"

_BLOCK = re.compile(r"^```\n\$ (meshctl share simulate[^\n]*)\n.*?^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `(meshctl share simulate [^`]*)` \| ([a-z]+) \|.*$", re.MULTILINE)


def made() -> dict[Path, str]:
    """Return what each file should hold."""
    with TemporaryDirectory() as folder:
        page = _BLOCK.sub(lambda one: _block(one[1], Path(folder)), PAGE.read_text("utf-8"))
        page = _ROW.sub(lambda one: _row(one[1], one[2]), page)
        pictures = {PICTURES / file.name: file.read_text("utf-8") for file in sorted(Path(folder).glob("*.svg"))}
    return {PAGE: page, **pictures}


def _block(command: str, folder: Path) -> str:
    words = ["--plot", str(folder)] if "--all" in command else []
    return f"```\n$ {command}\n{printed(command, *words)}```"


def _row(command: str, kind: str) -> str:
    trial = json.loads(printed(command, "--json"))
    homes = [home for home in trial["homes"] if home["kind"] == kind]
    asked, got, other = (sum(_bytes(home[key]) for home in homes) for key in ("asked", "got", "got_against"))
    last = max((home for home in trial["homes"] if home["kind"] == "evening"), key=lambda home: home["ratio"])
    figures = (f"{100 * other / asked:.1f}", f"{100 * got / asked:.1f}", f"{100 * (got - other) / asked:+.1f}")
    return " | ".join([f"| `{command}`", kind, *figures, str(last["level"]), f"{last['ratio']:.2f} |"])


def _bytes(amounts: dict[str, Any]) -> float:
    return float(sum(amounts.values()))


def printed(command: str, *more: str) -> str:
    """Return what a command prints."""
    _, _, *words = shlex.split(command)
    done = CliRunner().invoke(share, [*words, *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def changes(was: dict[Path, str], now: dict[Path, str]) -> Iterator[str]:
    """Return the files that differ by more than rounding on another machine."""
    for file, text in now.items():
        before = was.get(file, "")
        if _words(before) != _words(text) or not all(
            abs(one - two) <= 0.15 + 0.01 * abs(two) for one, two in zip(_numbers(before), _numbers(text), strict=True)
        ):
            yield str(file.relative_to(ROOT))


_NUMBER = re.compile(r"(?<![\w#.])[-+]?\d[\d,]*\.?\d*")


def _words(text: str) -> list[str]:
    return _NUMBER.sub("0", text).split()


def _numbers(text: str) -> list[float]:
    return [float(one.replace(",", "").rstrip(".") or 0) for one in _NUMBER.findall(text)]


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for file, text in made().items():
        file.write_text(text, "utf-8")
