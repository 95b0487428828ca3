"""One lab and one browser for all claims."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshctl.portal.languages import LANGUAGES
from tests.browser.phone import Stage, raised
from tests.journeys.street import Street
from tests.portal.test_every_page import pages

__all__ = ["pages"]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with raised(tmp_path_factory.mktemp("browser")) as stage:
        yield stage


@pytest.fixture
def street(stage: Stage) -> Street:
    return stage.street


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "language" in metafunc.fixturenames:
        metafunc.parametrize("language", LANGUAGES, ids=lambda language: language.tag)
