"""Makes the pages' catalogues anew from their sources: ``make catalogues``.

Every text that a neighbour sees is English in the templates, in ``meshctl/portal/*.py`` or in the data register.
Each language has a ``messages.po`` below ``translations``, which people edit, and a ``messages.mo``, which the pages
read.
A changed English text comes back untranslated, never guessed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from meshctl.commons.dataregister import sections
from meshctl.portal.languages import CATALOGUES, LANGUAGES

ROOT = Path(__file__).resolve().parents[1]
PORTAL = ROOT / "meshctl" / "portal"
TEMPLATE = CATALOGUES / "messages.pot"

_ALWAYS = datetime(2026, 1, 1, tzinfo=UTC)
"""The date in every header: a real one would change files in which nothing else changed."""

_METHODS = [("*.py", "python"), ("templates/**.html", "jinja2")]
_OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}


def template() -> Catalog:
    """Every text of the sources, none translated."""
    found = _empty()
    keywords = DEFAULT_KEYWORDS | {"N_": None}
    for file, _line, message, comments, context in extract_from_dir(PORTAL, _METHODS, _OPTIONS, keywords):
        found.add(message, locations=[(f"meshctl/portal/{file}", 0)], auto_comments=comments, context=context)
    for text in _register():
        found.add(text, locations=[("meshctl/commons/dataregister.py", 0)])
    return found


def po(tag: str) -> Path:
    """The file that people edit."""
    return CATALOGUES / tag / "LC_MESSAGES" / "messages.po"


def read(tag: str) -> Catalog:
    """What a language's file says now; nothing where there is none."""
    if not po(tag).exists():
        return _empty(tag)
    with po(tag).open("rb") as file:
        return read_po(file, locale=tag)


def compiled(catalogue: Catalog) -> bytes:
    """What the pages read."""
    made = io.BytesIO()
    write_mo(made, catalogue)
    return made.getvalue()


def main() -> None:
    """Bring every file up to date."""
    texts = template()
    _write(TEMPLATE, texts)
    for tag in (language.tag for language in LANGUAGES):
        catalogue = read(tag)
        catalogue.update(texts, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        _write(po(tag), catalogue)
        po(tag).with_suffix(".mo").write_bytes(compiled(read(tag)))


def _register() -> Iterator[str]:
    for section in sections():
        yield section.heading
        for entry in section.entries:
            yield from filter(None, (entry.what, entry.purpose, entry.kept, entry.seen_by, entry.withheld))


def _empty(tag: str | None = None) -> Catalog:
    return Catalog(locale=tag, project="meshctl", version="1", fuzzy=False)


_HEADER = """# The texts of meshctl's pages for neighbours. Short words, short sentences, no exclamation marks.
# %(name)s stands for something that is filled in; <strong> stays as it is. docs/portal.md says how to help."""


def _write(path: Path, catalogue: Catalog) -> None:
    catalogue.creation_date = catalogue.revision_date = _ALWAYS
    catalogue.header_comment, catalogue.fuzzy = _HEADER, False
    catalogue.last_translator = catalogue.language_team = "meshctl"
    catalogue.msgid_bugs_address = ""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=100, include_lineno=False)


if __name__ == "__main__":
    main()
