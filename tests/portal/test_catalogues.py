"""The languages are whole: every text is translated, and says no less than the English one."""

from __future__ import annotations

import re

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from meshctl.portal.languages import LANGUAGES
from tests.catalogues import TEMPLATE, compiled, po, read, template

TAGS = [language.tag for language in LANGUAGES]
_HOLE = re.compile(r"%\(\w+\)s|</?\w+[^>]*>")
_SENTENCE = re.compile(r"(?<=[.?:\u0964\u061f])\s+")
_JARGON = re.compile(
    r"\b(SSID|MAC|quota|captive|IPv[46]|portal|node|router|bandwidth|household|hash|token)s?\b|[!\u00a1]", re.IGNORECASE
)


def texts(message: Message) -> list[str]:
    """The text, or its plural forms."""
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def _english(message: Message) -> list[str]:
    return [message.id] if isinstance(message.id, str) else list(message.id)


def keys(messages: object) -> set[object]:
    return {(message.id, message.context) for message in messages if message.id}  # type: ignore[attr-defined]


def test_the_template_has_every_text_of_the_sources() -> None:
    with TEMPLATE.open("rb") as file:
        assert keys(read_po(file)) == keys(template()), "run `make catalogues`"


@pytest.mark.parametrize("tag", TAGS)
def test_a_language_has_every_text_of_the_sources(tag: str) -> None:
    assert keys(read(tag)) == keys(template()), "run `make catalogues`"


@pytest.mark.parametrize("tag", TAGS)
def test_what_the_pages_read_is_what_people_edited(tag: str) -> None:
    assert po(tag).with_suffix(".mo").read_bytes() == compiled(read(tag)), "run `make catalogues`"


@pytest.mark.parametrize("tag", TAGS)
def test_what_is_filled_in_is_the_same_in_every_language(tag: str) -> None:
    wrong = []
    for message in read(tag):
        ids = _english(message)
        wanted = {tuple(sorted(_HOLE.findall(text))) for text in ids}
        if isinstance(message.id, tuple):  # a form for "one" or "two" may say the number as a word
            wanted |= {tuple(hole for hole in holes if hole != "%(num)s") for holes in wanted}
        wrong += [t for t in texts(message) if message.id and t and tuple(sorted(_HOLE.findall(t))) not in wanted]
        wrong += [t for t in [*ids, *texts(message)] if message.id and "%" in re.sub(r"%\(\w+\)s", "", t)]
    assert wrong == []


@pytest.mark.parametrize("tag", TAGS)
def test_sentences_are_short_and_words_plain(tag: str) -> None:
    found = template() if tag == "en" else read(tag)
    said = [text for message in found if message.id for text in (_english(message) if tag == "en" else texts(message))]
    sentences = [part.split() for text in said for part in _SENTENCE.split(text)]
    assert sum(map(len, sentences)) / len(sentences) <= 15
    assert [" ".join(words) for words in sentences if len(words) > 20] == []
    assert [text for text in said if _JARGON.search(text)] == []


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag != "en"])
def test_a_language_is_whole(tag: str) -> None:
    found = read(tag)
    assert [m.id for m in found if m.id and (m.fuzzy or not all(texts(m)) or not texts(m))] == []


@pytest.mark.parametrize("tag", TAGS)
def test_two_buttons_of_one_page_are_not_called_the_same(tag: str) -> None:
    said = {text: (read(tag).get(text) or Message(text)).string or text for text in ("Stop it", "Stop remembering it")}
    assert len(set(said.values())) == 2
