"""One street for all tests of the mesh, brought back to its beginning before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.street import Street, raised


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with raised(tmp_path_factory.mktemp("street")) as street:
        yield street


@pytest.fixture
def street(standing: Street) -> Street:
    standing.reset()
    return standing
