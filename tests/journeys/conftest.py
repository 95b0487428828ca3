"""The labs stand as long as claims ask for them: see `tests.journeys.labs`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import pytest

from tests.journeys import labs
from tests.journeys.street import RING, TOPOLOGY, Street

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {f"test_{name}": place for place, name in enumerate(labs.ORDER)}
    items.sort(key=lambda item: order.get(item.path.stem, -1))


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[labs.Labs]:
    made = labs.Labs(tmp_path_factory.mktemp("topology"))
    yield made
    made.drop()


@pytest.fixture
def stand(standing: labs.Labs, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Street]]:
    """Gives the lab of a topology. One in which a claim failed is not used again."""
    yield lambda topology: standing.stand(topology, request.module.__name__)
    if request.node.stash.get(_FAILED, False):
        standing.drop()


@pytest.fixture
def street(stand: Callable[[str], Street]) -> Street:
    """One node with four phones."""
    return stand(TOPOLOGY)


@pytest.fixture
def last_ring(stand: Callable[[str], Street], standing: labs.Labs) -> Iterator[Street]:
    """The ring for the last time: nobody else has it after what is done to it here."""
    yield stand(RING)
    standing.drop()


@pytest.fixture
def ring(stand: Callable[[str], Street], standing: labs.Labs, request: pytest.FixtureRequest) -> Iterator[Street]:
    """The ring, healed after each claim."""
    yield stand(RING)
    if not request.node.stash.get(_FAILED, False):
        standing.heal()
