"""What programs may read of a node is as docs/openapi/portal.json says, whatever they send."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from schemathesis import Case

from meshctl.agent.passes import draw_verified
from meshctl.lab.authority import Authority
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.certificate import Certificate
from tests.agent.small_agent import NOW, SmallAgent, small_agent
from tests.conformance import breaches, described

HERE, NAME, KIND = "10.44.0.9", "mesh.home", "application/captive+json"
AT = 1_800_000_000.0


class _Node:
    """One node with a home whose pass is known; time goes on with each request, so that nothing is too often."""

    def __init__(self, agent: SmallAgent, client: AgentClient, certificate: Certificate) -> None:
        self._agent, self.drawn, self._asked = agent, draw_verified(), 0
        agent.do(lambda one: one.store.add_household(self.drawn.handle, 1, self.drawn.kept, NOW))
        portal = replace(agent.config.portal, host=NAME, certificate="chain.pem", key="key.pem")
        self._pages = create_portal(client, replace(agent.config, portal=portal), certificate)
        environ = {"wsgi.url_scheme": "https", "REMOTE_ADDR": HERE, "HTTP_HOST": NAME}
        self.api = described("portal", self, **environ)
        self.asked_as_phones_do = described("portal", self, HTTP_ACCEPT=KIND, **environ).include(path="/captive")

    def join(self) -> None:
        """Let the device join."""
        self._agent.do(lambda one: one.verbs.join([{"address": HERE}]))

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        self._asked += 1
        self._agent.clock.now = replace(NOW, monotonic=NOW.monotonic + 30 * self._asked)
        return self._pages(environ, start)


@contextmanager
def _standing(folder: Path) -> Iterator[_Node]:
    files = (folder / "chain.pem", folder / "key.pem")
    Authority(folder / "authority").issue(NAME, *files)
    certificate = Certificate(*files, NAME)
    certificate.look(AT, 0.0)
    with small_agent(folder) as agent, AgentClient(agent.config.socket) as client:
        agent.callers[os.getuid()] = "portal"
        agent.kernel.around = {HERE: "02:00:00:00:00:09"}
        yield _Node(agent, client, certificate)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Node]:
    with _standing(tmp_path_factory.mktemp("node")) as standing:
        yield standing


def test_every_answer_is_as_described(node: _Node) -> None:
    for api, least in ((node.api, 50), (node.asked_as_phones_do, 4)):
        requests, found = breaches(api)
        assert not found, "\n\n".join(found[:5])
        assert requests >= least


def test_who_knows_the_api_and_who_has_the_pass_get_what_is_described(node: _Node) -> None:
    for state in ("visitor", "guest"):
        found = _answered(node.api["/captive"]["GET"].Case(headers={"Accept": KIND}))
        assert (found["captive"], found["venue-info-url"]) == (state == "visitor", f"https://{NAME}/network")
        node.join()
    case = node.api["/mine-download"]["POST"].Case(
        headers={"Sec-Fetch-Site": "same-origin"},
        body={"key": node.drawn.text},
        media_type="application/x-www-form-urlencoded",
    )
    assert _answered(case)["home"] == node.drawn.handle


def _answered(case: Case[Any]) -> dict[str, object]:
    reply = case.call()
    case.validate_response(reply)
    assert reply.status_code == 200
    table: dict[str, object] = json.loads(reply.content)
    return table
