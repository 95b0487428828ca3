"""The pictures of docs/portal.md: all there, all shown, all said in words, and small."""

from __future__ import annotations

import re
import zlib

from tests.browser.paint import small_png
from tests.browser.pictures import FOLDER, MEMBER, MOST, VISITOR

PAGE = FOLDER.parents[1] / "portal.md"


def test_each_picture_is_shown_with_words_for_it_and_all_are_small() -> None:
    shown = re.findall(
        r'<img src="pictures/portal/([a-z-]+\.png)" width="\d+" alt="[^"]{5,}">', PAGE.read_text("utf-8")
    )
    there = {file.name: file.stat().st_size for file in FOLDER.glob("*.png")}
    assert sorted(shown) == sorted(there)
    assert sorted(there) == sorted(picture.file.name for picture in VISITOR + MEMBER)
    assert sum(there.values()) < MOST


def test_a_picture_made_small_is_the_same_picture() -> None:
    first = next(iter(sorted(FOLDER.glob("*.png")))).read_bytes()
    assert first[25] == 3  # a palette
    rows = [b"\0" + bytes((200, 10, 10, 10, 200, 10)), b"\2" + bytes((0, 5, 0, 246, 56, 246))]
    chunk = zlib.compress(b"".join(rows))
    head = (2).to_bytes(4) * 2 + bytes((8, 2, 0, 0, 0))
    whole = b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
        for kind, body in ((b"IHDR", head), (b"IDAT", chunk), (b"IEND", b""))
    )
    small = small_png(whole)
    palette = small[small.index(b"PLTE") + 4 :][:12]
    colours = {palette[at : at + 3] for at in range(0, 12, 3)}
    assert colours == {bytes((200, 10, 10)), bytes((10, 200, 10)), bytes((200, 15, 10)), bytes((0, 0, 0))}
