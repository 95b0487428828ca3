"""With all that a volunteer may write at its longest, pages stay as small as promised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meshctl.config import load_node
from meshctl.portal.agent_client import AgentClient
from meshctl.portal.app import create_portal
from meshctl.portal.languages import LANGUAGES
from tests.portal.fake_agent import FakeAgent
from tests.portal.test_every_page import LIMIT, SCENES, Pages

LONGEST = """
node.name = "elm-1"
network.name = "{name}"
paths.run = "{folder}"
portal.help = "{help}"
portal.help_place = "{place}"
[[access]]
device = "br-lan"
ipv4 = "10.44.0.1/22"
ipv6 = "fd44::1/64"
"""


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    file = tmp_path / "meshctl.toml"
    words = {"name": "न" * 32, "help": "न" * 100, "place": "न" * 80}
    file.write_text(LONGEST.format(folder=tmp_path, **words), encoding="utf-8")
    config = load_node(file)
    fake = FakeAgent(Path(config.socket))
    fake.start()
    with AgentClient(config.socket) as client:
        app = create_portal(client, config)
        yield Pages(app, app.test_client(), fake)
    fake.stop()


def test_every_page_is_small_however_much_is_written_on_it(pages: Pages) -> None:
    sizes = {}
    for language in (one for one in LANGUAGES if one.tag in ("ar", "hi")):  # the longest two
        for scene in SCENES:
            reply = pages.see(scene, language)
            head = sum(len(name) + len(value) + 4 for name, value in reply.headers)
            sizes[scene.path, language.tag] = head + len(reply.data)
    assert {where: size for where, size in sizes.items() if size > LIMIT} == {}
