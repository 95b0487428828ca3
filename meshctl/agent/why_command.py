"""`meshctl why`: one chain in words, with numbers that can be recomputed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from meshctl.agent.commands import ask
from meshctl.config import DEFAULT_NODE


@click.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), default=DEFAULT_NODE, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
@click.argument("subject", metavar="ADDRESS|HOUSEHOLD")
def why(config_file: Path, as_json: bool, subject: str) -> None:
    """Say why a device or household has the slice it has, and whether the kernel agrees."""
    reply = ask(config_file, {"verb": "why", "subject": subject})
    reply.pop("ok")
    reply["returns_at"] = _returns_at(reply)
    if as_json:
        click.echo(json.dumps(reply, indent=2))
    else:
        for line in _told(reply):
            click.echo(line)


def _told(reply: Mapping[str, Any]) -> Iterator[str]:
    who = f"household {reply['household']}" if reply["household"] else reply["state"]
    about = "" if reply["household"] == reply["subject"] else f": {who}"
    away = " not here now;" if reply["presence"] == "away" else ""
    yield f"{reply['subject']}{about};{away} asked at node {reply['node']}"
    yield from _explained(reply)
    for direction, one in reply["slice"].items():
        if one:
            rates = f"{_mbit(one['assured_kbit'])} assured, up to {_mbit(one['ceiling_kbit'])}"
            shared = f"; {reply['sharing']['homes']} homes and {reply['sharing']['guests']} guests share the line"
            yield f"  slice {direction:<4}  {rates}" + (
                f"{shared}; floor {one['floor_kbit']} kbit/s" if "floor_kbit" in one else ""
            )
    yield "  chain"
    for step in reply["steps"]:
        wrong = f"   <-- {', '.join(step['disagrees'])}" if step["disagrees"] else ""
        yield f"    {step['name']:<15} {step['found']}{wrong}"
    for one in reply["disagreements"]:
        yield f"  disagrees: {one['name']} ({one['at']}): {one['means']}"
    if not reply["disagreements"]:
        yield "  everything agrees"
    repairs = reply["repairs"]
    if repairs["seconds_ago"] is not None:
        yield f"  last repair, {repairs['seconds_ago']:.0f} s ago: {repairs['last']}"


def _explained(reply: Mapping[str, Any]) -> Iterator[str]:
    found = reply["explanation"]
    if found is None:
        if reply["state"] == "guest":
            yield "  guests share one part of the line equally, and nothing of their use is remembered"
        elif reply["household"] and reply["gateway"]:
            yield f"  only standings of homes here are known here; ask at {reply['gateway']}, which has the line"
        elif reply["household"]:
            yield "  level 0: the full slice; the line has nothing about this household yet"
        return
    slice_words = "the full slice" if found["level"] == 0 else f"{_part(found)} of a slice"
    yield f"  level {found['level']}: {slice_words} when the line is busy (weight {found['weight']:g})"
    for direction in ("down", "up"):
        yield f"    {direction:<5} {_side(found[direction], found['least_contended'])}"
    yield f"    + {found['newcomer']:.3f} for a new household"
    yield f"    r = {found['ratio']:.3f}, {_thresholds(found)}"
    if found["since"] is not None:
        when = f" ({_date(found['wall'])})" if found["wall"] is not None else ""
        yield f"  since {_span(found['since'])} ago{when}, decided at r = {found['decided']:.3f}"
    if found["level"]:
        yield (
            f"  back at level 0 in {_span(found['returns_in'])}, {_date_of(reply)}, without further use in busy hours, "
            f"if the line stays as busy as now: {found['half_life_days']:g} days x "
            f"log2({found['ratio']:.3f} / {found['full_below']:g})"
        )


def _side(side: Mapping[str, float], least: float) -> str:
    by_contended = side["against"] == side["contended"]
    against = "B" if by_contended else f"K x {least:g}"
    held = f"B {_volume(side['contended'])}, K {_volume(side['capacity'])}"
    return f"U {_volume(side['used'])} / {against} {_volume(side['against'])} = {side['ratio']:.3f}   ({held})"


def _thresholds(found: Mapping[str, Any]) -> str:
    parts = []
    if found["above"] is not None:
        parts.append(f"above {found['above']:g}; level {found['level'] - 1} again below {found['below']:g}")
    if found["next_above"] is not None:
        parts.append(f"level {found['level'] + 1} above {found['next_above']:g}")
    return "; ".join(parts) or "and this policy has one level"


def _part(found: Mapping[str, Any]) -> str:
    each = found["weight"] / found["shares"]
    return {0.5: "half", 0.25: "a quarter", 0.125: "an eighth"}.get(each, f"{each:g}")


def _returns_at(reply: Mapping[str, Any]) -> str | None:
    found = reply["explanation"]
    if found is None or not found["level"]:
        return None
    return datetime.fromtimestamp(reply["now"]["wall"] + found["returns_in"], UTC).isoformat(timespec="minutes")


def _date_of(reply: Mapping[str, Any]) -> str:
    sure = "" if reply["now"]["trusted"] else " by this node's clock, which nothing confirms"
    return f"{_date(reply['now']['wall'] + reply['explanation']['returns_in'])}{sure}"


def _date(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).astimezone().strftime("%a %d %b %Y %H:%M %Z")


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _mbit(kbit: float) -> str:
    return f"{kbit / 1000:.3g} Mbit/s"


def _volume(octets: float) -> str:
    return f"{octets / 1e6:,.3f} MB"
