"""Reads a QR code off its modules (ISO/IEC 18004): one block, byte mode, no damage. Knows nothing of who drew it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Matrix = list[list[bool]]

_MASKS: list[Callable[[int, int], bool]] = [
    lambda i, j: (i + j) % 2 == 0,
    lambda i, j: i % 2 == 0,
    lambda i, j: j % 3 == 0,
    lambda i, j: (i + j) % 3 == 0,
    lambda i, j: (i // 2 + j // 3) % 2 == 0,
    lambda i, j: i * j % 2 + i * j % 3 == 0,
    lambda i, j: (i * j % 2 + i * j % 3) % 2 == 0,
    lambda i, j: ((i + j) % 2 + i * j % 3) % 2 == 0,
]
_STEP = re.compile(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+)|(-[\d.]+))?")


def modules(svg: str) -> Matrix:
    """Return the dark modules that the strokes of an SVG path paint, without the quiet zone."""
    (side,) = {int(n) for n in re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0]}
    (path,) = re.findall(r' d="([^"]+)"', svg)
    dark: set[tuple[int, int]] = set()
    x = y = 0.0
    for kind, first, second, joined in _STEP.findall(path):
        if kind == "h":
            dark |= {(int(y), int(x) + step) for step in range(int(first))}
            x += float(first)
        else:
            x, y = (float(first) if kind == "M" else x + float(first)), y * (kind == "m") + float(second or joined)
    edge = min(row for row, _ in dark)
    assert edge >= 4, "the quiet zone is four modules wide"
    size = side - 2 * edge
    return [[(row + edge, column + edge) in dark for column in range(size)] for row in range(size)]


def read(code: Matrix) -> str:
    """Return the text of a code of version 2 to 5."""
    size = len(code)
    assert size in range(25, 38, 4)
    shown = [code[8][column] for column in (0, 1, 2, 3, 4, 5, 7)]
    format_bits = sum(bit << (14 - at) for at, bit in enumerate(shown)) ^ 0b101010000010010
    mask = _MASKS[format_bits >> 10 & 0b111]
    bits = "".join("01"[code[i][j] ^ mask(i, j)] for i, j in _path(size))
    assert bits[:4] == "0100", "byte mode"
    length = int(bits[4:12], 2)
    return bytes(int(bits[at : at + 8], 2) for at in range(12, 12 + 8 * length, 8)).decode()


def _path(size: int) -> Iterator[tuple[int, int]]:
    """Yield the places of the bits, two columns at a time from the right, up and down."""
    upwards = True
    for right in [*range(size - 1, 6, -2), 5, 3, 1]:
        for row in range(size - 1, -1, -1) if upwards else range(size):
            for column in (right, right - 1):
                if not _is_pattern(size, row, column):
                    yield row, column
        upwards = not upwards


def _is_pattern(size: int, row: int, column: int) -> bool:
    finder = (row < 9 and (column < 9 or column >= size - 8)) or (row >= size - 8 and column < 9)
    alignment = abs(row - (size - 7)) <= 2 and abs(column - (size - 7)) <= 2
    return finder or alignment or 6 in (row, column)
