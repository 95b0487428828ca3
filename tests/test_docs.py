"""Documentation is found from one place, and what it points to is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "ansible/*.md", "bench/*.md", "meshctl/*/README.md")
    for page in ROOT.glob(pattern)
)


def targets(page: Path) -> Iterator[str]:
    """Yield each relative link and picture of a page, without what follows a ``#``."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
        path = "".join(target).partition("#")[0]
        if path and "://" not in path:
            yield path


def test_every_link_and_picture_leads_somewhere() -> None:
    assert len(PAGES) > 25
    lost = [
        f"{page.relative_to(ROOT)}: {to}" for page in PAGES for to in targets(page) if not (page.parent / to).exists()
    ]
    assert lost == []


def test_every_page_of_the_documentation_is_found_from_the_readme() -> None:
    found = set(targets(ROOT / "README.md"))
    assert [page.name for page in PAGES if page.parent.name == "docs" and f"docs/{page.name}" not in found] == []
