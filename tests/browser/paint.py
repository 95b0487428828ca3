"""Makes a browser's PNG small (PNG, third edition): few colours, each a byte; no other library is needed for that."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from itertools import accumulate

_HEAD = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256


def small_png(picture: bytes) -> bytes:
    """Return the same picture with at most 256 colours, the nearest of the most frequent where there were more."""
    width, height, pixels = _pixels(picture)
    counted = Counter(pixels)
    palette = [colour for colour, _ in counted.most_common(_COLOURS)]
    place = {colour: at for at, colour in enumerate(palette)}
    for colour in counted.keys() - place.keys():
        place[colour] = min(range(len(palette)), key=lambda at, c=colour: _distance(palette[at], c))  # type: ignore[misc]
    rows = bytes(place[colour] for colour in pixels)
    lines = b"".join(b"\0" + rows[at : at + width] for at in range(0, width * height, width))
    parts = [
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        _chunk(b"PLTE", b"".join(palette)),
        _chunk(b"IDAT", zlib.compress(lines, 9)),
        _chunk(b"IEND", b""),
    ]
    return _HEAD + b"".join(parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _pixels(picture: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and the colours, three bytes each; of eight bits and RGB with or without alpha, not interlaced."""
    at, data, head = len(_HEAD), b"", b""
    while at < len(picture):
        (size,), kind = struct.unpack_from(">I", picture, at), picture[at + 4 : at + 8]
        body = picture[at + 8 : at + 8 + size]
        head, data = (body, data) if kind == b"IHDR" else (head, data + body if kind == b"IDAT" else data)
        at += size + 12
    width, height, depth, kind_of, *_ = struct.unpack(">IIBBBBB", head)
    step = {2: 3, 6: 4}[kind_of]
    assert depth == 8
    raw, line, pixels = zlib.decompress(data), bytes(width * step), []
    for row in range(height):
        begin = row * (width * step + 1)
        line = _line(raw[begin], raw[begin + 1 : begin + 1 + width * step], line, step)
        pixels += [line[x : x + 3] for x in range(0, len(line), step)]
    return width, height, pixels


def _line(how: int, row: bytes, above: bytes, step: int) -> bytes:
    """Undo one line's filter (section 9)."""
    if how == 0:
        return row
    if how == 1:
        bands = [accumulate(row[band::step], lambda a, b: (a + b) & 255) for band in range(step)]
        return bytes(value for pixel in zip(*bands, strict=True) for value in pixel)
    if how == 2:
        return bytes((a + b) & 255 for a, b in zip(row, above, strict=True))
    line = bytearray(row)
    for at, value in enumerate(row):
        left, up = (line[at - step] if at >= step else 0), above[at]
        corner = above[at - step] if at >= step else 0
        line[at] = (value + ((left + up) >> 1 if how == 3 else _paeth(left, up, corner))) & 255
    return bytes(line)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))
