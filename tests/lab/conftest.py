from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.lab.handle import Lab, raise_lab

SMALL = """
[[node]]
name = "elm"
hub = true
[node.uplink]
down_mbit = 20
up_mbit = 20
[node.policy]
tick_seconds = 2

[[phone]]
name = "amal"
at = "elm"

[[phone]]
name = "bo"
at = "elm"
client = "static"
eui64 = true
"""

_RUN = secrets.token_hex(3)


def lab_name(word: str) -> str:
    """A name that no other run of the tests has."""
    return f"t{_RUN}-{word}"


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("topology") / "small.toml"
    file.write_text(SMALL, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def lab(small: Path) -> Iterator[Lab]:
    with raise_lab(small, lab_name("small")) as raised:
        yield raised
