from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doctor.planted import Planted, planted_in


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    with planted_in(tmp_path_factory.mktemp("planted")) as one:
        yield one
