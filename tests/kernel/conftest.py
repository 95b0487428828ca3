"""One street for all tests of the mesh, brought back to its beginning before each, and one terrace for all shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.street import Street, raised
from tests.kernel.terrace import Terrace
from tests.kernel.terrace import raised as terraced


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with raised(tmp_path_factory.mktemp("street")) as street:
        yield street


@pytest.fixture
def street(standing: Street) -> Street:
    standing.reset()
    return standing


@pytest.fixture(scope="session")
def terrace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terrace]:
    with terraced(tmp_path_factory.mktemp("terrace")) as terrace:
        yield terrace
