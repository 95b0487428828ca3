"""Draws a trial as SVG: what each kind of home gets, and how far its use of the busy hours is from its slice.

The picture is one file of text: no script, no font and no address of anything else; light or dark as the reader's
screen is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from meshctl.quota.days import DAY
from meshctl.share_table import Kind, Trial, kinds

_WIDTH, _LEFT, _RIGHT = 720, 150, 600
_ROW, _TOP, _CURVES = 30, 92, 210
_MOST_KINDS = 12
_GONE = 40
"""A curve that ends so far from the right is of a home that left; its name stands where it ends."""

_ROOM = 0.8
"""Beyond this part there is no room for words on the right."""

_LIGHT = ("#1c6549", "#2a5d87", "#a8500c", "#a3261c", "#566159", "#1f2a24")
_DARK = ("#7ed0a7", "#93c4ec", "#f2a863", "#ff9488", "#a8b7ad", "#e9f0ea")


def _style() -> str:
    """Return the style sheet; without variables, which not every viewer of SVG knows."""
    return f"""
svg {{ font: 14px system-ui, sans-serif; font-variant-numeric: tabular-nums }}
.soft {{ font-size: 12px }} .title {{ font-size: 17px; font-weight: 600 }}
.line, .ring {{ stroke-width: 1.6 }} .line, .rule, .level {{ fill: none }} .level {{ stroke-dasharray: 3 4 }}
{_tinted("#faf6ee", "#1f2a24", "#566159", "#e2d9c8", _LIGHT)}
@media (prefers-color-scheme: dark) {{
{_tinted("#121c17", "#e9f0ea", "#a8b7ad", "#2d3e35", _DARK)}
}}
"""


def _tinted(ground: str, ink: str, soft: str, rule: str, colours: Sequence[str]) -> str:
    lines = [
        f".ground, .ring {{ fill: {ground} }} text {{ fill: {ink} }} .soft {{ fill: {soft} }}",
        f".rule {{ stroke: {rule} }} .level {{ stroke: {soft} }}",
    ]
    for number, one in enumerate(colours):
        at = f".k{number}"
        lines.append(f"{at} .line, {at} .ring {{ stroke: {one} }} {at} .dot, {at} .name {{ fill: {one} }}")
    return "\n".join(lines)


def paint(trial: Trial) -> str:
    """Return the picture of a trial."""
    found = kinds(trial)
    shown = sorted(found, key=lambda kind: -abs(kind.points))[:_MOST_KINDS] if len(found) > _MOST_KINDS else found
    bottom = _TOP + _ROW * len(shown)
    height = bottom + _CURVES + 130
    title = f"{trial.name}: {trial.title}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(_described(trial, shown))}</desc>',
        f"<style>{_style()}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
        _text(16, 28, title, "title"),
        _text(16, 48, _against(trial), "soft"),
        *_parts(shown),
        *_ratios(trial, shown, bottom + 76),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _described(trial: Trial, shown: Sequence[Kind]) -> str:
    parts = [f"{_name(one)} {100 * one.against:.1f} to {100 * one.part:.1f} percent" for one in shown]
    return f"What each gets of what it asks for, {_against(trial)}: {'; '.join(parts)}."


def _against(trial: Trial) -> str:
    return f"ring: {trial.words[1]}; dot: {trial.words[0]}"


def _name(kind: Kind) -> str:
    return kind.name if kind.homes == 1 else f"{kind.name} ({kind.homes})"


def _parts(shown: Sequence[Kind]) -> Iterator[str]:
    bottom = _TOP + _ROW * len(shown)
    yield _text(16, _TOP - 18, "What comes of what is asked for", "soft")
    for percent in (0, 25, 50, 75, 100):
        x = _across(percent / 100)
        yield f'<path class="rule" d="M{x} {_TOP - 8}V{bottom}"/>'
        yield _text(x, bottom + 16, f"{percent} %", "soft", "middle")
    for number, kind in enumerate(shown):
        y = _TOP + _ROW * number + 12
        one, two = _across(kind.against), _across(kind.part)
        yield f'<g class="k{number % len(_LIGHT)}">'
        yield _text(_LEFT - 14, y + 5, _name(kind), "name", "end")
        yield f'<path class="line" d="M{one} {y}H{two}"/>'
        yield f'<circle class="ring" cx="{one}" cy="{y}" r="4.5"/><circle class="dot" cx="{two}" cy="{y}" r="4.5"/>'
        yield "</g>"
        words = f"{100 * kind.against:.1f} → {100 * kind.part:.1f} ({kind.points:+.1f})"
        right = max(kind.part, kind.against) < _ROOM
        x, anchor = (max(one, two) + 12, "start") if right else (min(one, two) - 12, "end")
        yield _text(x, y + 5, words, "soft", anchor)


def _across(part: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * part, 1)


def _ratios(trial: Trial, shown: Sequence[Kind], top: float) -> Iterator[str]:
    curves = [_curve(trial, kind) for kind in shown]
    above = trial.kept.policy.level_above
    most = max([value for curve in curves for _, value in curve] + [above[0] if above else 1.0]) * 1.12
    days = trial.kept.seconds / DAY
    bottom = top + _CURVES

    def at(day: float, value: float) -> tuple[float, float]:
        return round(_LEFT + (_RIGHT - _LEFT) * day / days, 1), round(bottom - _CURVES * value / most, 1)

    yield _text(16, top - 18, "Use of the busy hours over one's slice of them (ratio r), from day to day", "soft")
    yield f'<path class="rule" d="M{_LEFT} {bottom}H{_RIGHT}"/>'
    step = max(1, round(days / 4))
    for day in range(0, int(days) + 1, step):
        yield _text(at(day, 0)[0], bottom + 18, f"day {day}", "soft", "middle")
    for value, words in [(1.0, "one's slice: 1"), *((one, f"level {n + 1}: {one:g}") for n, one in enumerate(above))]:
        if value < most:
            y = at(0, value)[1]
            yield f'<path class="level" d="M{_LEFT} {y}H{_RIGHT}"/>'
            yield _text(_LEFT - 14, y + 4, words, "soft", "end")
    for number, curve in enumerate(curves):
        points = " ".join(f"{x},{y}" for x, y in (at(*point) for point in curve))
        yield f'<g class="k{number % len(_LIGHT)}"><polyline class="line" points="{points}"/></g>'
    ends = [(at(*curve[-1]), number) for number, curve in enumerate(curves) if curve]
    for (x, y), number in ends:
        if x < _RIGHT - _GONE:
            yield f'<g class="k{number % len(_LIGHT)}">{_text(x + 6, y - 8, _name(shown[number]), "name")}</g>'
    staying = [(y, number) for (x, y), number in ends if x >= _RIGHT - _GONE]
    for y, number in _apart(staying, bottom):
        yield f'<g class="k{number % len(_LIGHT)}">{_text(_RIGHT + 8, y + 4, _name(shown[number]), "name")}</g>'


def _curve(trial: Trial, kind: Kind) -> list[tuple[float, float]]:
    """Return the mean ratio of a kind's homes, by day."""
    sums: dict[float, list[float]] = {}
    for one in kind.differences:
        for second, value in trial.kept.homes[one.name].trail:
            sums.setdefault(second / DAY, []).append(value)
    return [(day, sum(values) / len(values)) for day, values in sums.items()]


def _apart(ends: Sequence[tuple[float, int]], bottom: float) -> Iterator[tuple[float, int]]:
    """Move labels apart that would lie on each other, upwards from the bottom."""
    limit = bottom
    for y, number in sorted(ends, reverse=True):
        placed = min(y, limit)
        yield placed, number
        limit = placed - 15


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
