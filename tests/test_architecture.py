"""The rooms stay apart, small, and say what they must never do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
ROOMS = sorted(path.parent for path in (ROOT / "meshctl").glob("*/__init__.py"))
SOURCES = sorted((ROOT / "meshctl").rglob("*.py"))
EMPTY_WORDS = re.compile(r"utils?|helpers?|managers?|handlers?", re.IGNORECASE)


def test_every_import_contract_is_kept() -> None:
    # In a process of its own: it sets up logging for the whole process, and silences what is there.
    code = (
        f"from importlinter.cli import lint_imports; raise SystemExit(lint_imports({str(ROOT / 'pyproject.toml')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_room_says_in_few_lines_what_it_owns_and_must_never_do(room: Path) -> None:
    lines = (room / "README.md").read_text(encoding="utf-8").splitlines()
    assert 3 <= len(lines) <= 12
    assert "never" in " ".join(lines).lower()


def test_no_file_is_too_long_to_read_in_one_go() -> None:
    long = {str(f.relative_to(ROOT)): n for f in SOURCES if (n := len(f.read_text("utf-8").splitlines())) > 300}
    assert {name: n for name, n in long.items() if name not in KNOWN_LONG or n > KNOWN_LONG[name]} == {}


KNOWN_LONG = {
    "meshctl/lab/handle.py": 310,  # everything a test may do to a lab, one method each
}


def test_no_module_or_class_is_named_with_an_empty_word() -> None:
    bad = []
    for file in SOURCES:
        names = [file.stem]
        names += [n.name for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.ClassDef)]
        for name in names:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).split("_")
            bad += [f"{file.name}: {name}" for word in words if EMPTY_WORDS.fullmatch(word)]
    assert bad == []


@pytest.mark.parametrize("module", ["meshctl.agent.main", "meshctl.agent.watch", "meshctl.portal.main"])
def test_no_daemon_loads_scapy_at_its_start(module: str) -> None:
    probe = f"import sys, {module}; sys.exit(any(n.partition('.')[0] == 'scapy' for n in sys.modules))"
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0


def test_the_portal_loads_neither_a_database_nor_the_agent() -> None:
    probe = (
        "import sys, meshctl.portal.main\n"
        "bad = {'sqlite_utils', 'sqlalchemy', 'psutil', 'netifaces', 'apscheduler', 'nacl'} & set(sys.modules)\n"
        "bad |= {n for n in sys.modules if n.startswith('meshctl.agent')}\n"
        "sys.exit(', '.join(sorted(bad)) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False).returncode == 0


def test_no_property_is_judged_by_how_long_an_example_took() -> None:
    drawing = settings()
    assert drawing.deadline is None
    assert HealthCheck.too_slow in drawing.suppress_health_check
