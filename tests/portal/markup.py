"""Reads a page as a browser's outline would: headings, links, labels, ids and words."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = {"meta", "link", "input", "br", "circle", "path", "rect"}
_BLOCKS = {"p", "li", "h1", "h2", "dt", "dd", "th", "td", "div", "label", "summary", "title", "button", "a", "tr"}


class Markup(HTMLParser):
    """What one page holds. ``faults`` are breaches of what every page must be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.links: list[tuple[str, dict[str, str]]] = []
        self.forms: list[str] = []
        self.ids: list[str] = []
        self.named: set[str] = set()
        self.labels: set[str] = set()
        self.fields: list[str] = []
        self.landmarks: list[str] = []
        self.html: dict[str, str] = {}
        self.faults: list[str] = []
        self.blocks: list[str] = [""]
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        table = {name: value or "" for name, value in attrs}
        if tag not in _VOID:
            self._inside.append(tag)
        if tag in _BLOCKS:
            self.blocks.append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append(tag)
        if tag in ("header", "main", "nav", "footer"):
            self.landmarks.append(tag)
        if tag == "a":
            self.links.append((table["href"], table))
        self._note(tag, table)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass
        if tag in _BLOCKS:
            self.blocks.append("")

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self._inside):
            self.blocks[-1] += data

    @property
    def words(self) -> str:
        """All that is to be read, one block of text a line."""
        return "\n".join(line for block in self.blocks if (line := " ".join(block.split())))

    def _note(self, tag: str, table: dict[str, str]) -> None:
        if tag == "html":
            self.html = table
        if "id" in table:
            self.ids.append(table["id"])
        for name in ("aria-labelledby", "aria-describedby"):
            self.named.update(table.get(name, "").split())
        if tag == "label":
            self.labels.add(table.get("for", ""))
        if tag in ("input", "textarea", "select") and table.get("type") not in ("hidden", "submit"):
            self.fields.append(table.get("id", ""))
        if tag == "form":
            self.forms.append(table.get("action", ""))
        if tag in ("script", "iframe", "img", "object", "embed", "base", "video", "audio"):
            self.faults.append(f"<{tag}>")
        self.faults += [f"{tag} {name}" for name in table if name == "style" or re.fullmatch(r"on\w+", name)]
