"""What a page says first where something changed: its title, and a fault that is tied to the field it is about."""

from __future__ import annotations

import re

import pytest

from tests.portal.conftest import HERE, Ask
from tests.portal.fake_agent import FakeAgent
from tests.portal.fake_homes import GOOD_CODE

KEY = f"key={GOOD_CODE}"


def title(text: str) -> str:
    return re.findall(r"<title>(.*?) \u2013 Elm Street network</title>", text)[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/pass", "pass=7KQ2"),
        ("/pass", "pass=0000-0000-0000-0000"),
        ("/home", "key=7KQ2"),
        ("/mine", "key=0000-0000"),
        ("/remember", "number=7KQ2"),
        ("/mine-correct", f"{KEY}&note={'x' * 201}"),
        ("/mine-erase", KEY),
    ],
)
def test_a_fault_is_in_the_title_and_tied_to_its_field(path: str, form: str, ask: Ask) -> None:
    reply = ask("POST", path, form)
    assert reply.status in (403, 422)
    fields = re.findall(r"<(?:input|textarea)(?! type=\"hidden\")[^>]*>", reply.text)
    assert len(fields) == 1
    assert 'aria-invalid="true"' in fields[0]
    assert "fault" in re.findall(r'aria-describedby="([^"]*)"', fields[0])[0].split()
    assert re.search(r'<div class="note stop" id="fault" role="alert">', reply.text)
    before = ask("POST", "/mine", KEY) if path.startswith("/mine-") else ask("GET", path)
    assert title(reply.text) != title(before.text)
    assert 'aria-invalid="true"' not in before.text


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("/mine-correct", f"{KEY}&note=x", "Your note is kept. Home 7KQ2"),
        ("/mine-erase", f"{KEY}&sure=yes", "We will erase your home. Home 7KQ2"),
        ("/mine-keep", KEY, "Your home stays. Home 7KQ2"),
        ("/mine", f"{KEY}&part=why", "Why we have this slice · Home 7KQ2"),
        ("/forget", "", "This device is forgotten."),
        ("/remember", "stop=1", "Done."),
    ],
)
def test_what_a_button_did_is_in_the_title(path: str, form: str, said: str, ask: Ask, fake: FakeAgent) -> None:
    fake.seen[HERE] = "guest"
    assert title(ask("POST", path, form).text) == said


def test_pages_that_are_easily_taken_for_each_other_have_titles_of_their_own(ask: Ask, fake: FakeAgent) -> None:
    paths = ("/keep", "/keep-home", "/keep-network", "/mine", "/network", "/slow", "/remember")
    titles = [title(ask("GET", path).text) for path in paths]
    fake.remembered, fake.uplink = 5e6, False
    fake.seen[HERE] = "guest"
    titles += [title(ask("GET", path).text) for path in ("/network", "/slow", "/remember")]
    assert len(set(titles)) == len(titles)
