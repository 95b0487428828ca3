"""`meshctl household`: add with a pass, list, show, open a page by code, remove."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from meshctl.agent import passes
from meshctl.agent.commands import AgentError, as_json_option, ask, config_option
from meshctl.agent.paper import Paper
from meshctl.captivity import plain_address
from meshctl.config import load_node

_DRAWS = 9
"""How often passes whose handles turn out to be taken are drawn anew."""

_SOON = 10
"""Passes that are drawn in less than a second on a board."""


@click.group()
def household() -> None:
    """Add, list, show and remove households, and draw a code that opens one's page."""


@household.command()
@config_option
@as_json_option
@click.option("--shares", type=click.IntRange(1, 8), default=1, show_default=True)
@click.option("--count", type=click.IntRange(1, passes.MOST_AT_ONCE), default=1, show_default=True, help="Add so many.")
@click.option("--sheet", metavar="FILE", help="Write sheets to print, one page for each; - prints them here.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def add(config_file: Path, as_json: bool, shares: int, count: int, sheet: str | None, force: bool) -> None:
    """Add households and print each pass, once: only a verifier of it is kept."""
    if sheet == "-" and as_json:
        raise click.UsageError("--sheet - and --json both write here: give --sheet a file")
    with Paper(sheet, load_node(config_file), shares, force=force) as paper:
        drawn = _add(config_file, shares, count, paper)
    found = [{"handle": one[:4], "shares": shares, **({"sheet": sheet} if sheet else {"pass": one})} for one in drawn]
    if as_json:
        click.echo(json.dumps(found[0] if count == 1 else {"households": found}))
    elif sheet:
        names = ", ".join(one[:4] for one in drawn)
        where = "printed" if sheet == "-" else f"in {sheet}. Print it, then delete the file"
        click.echo(f"Household {names}. The pass of each is on its sheet, {where}.", err=sheet == "-")
    else:
        for one in found:
            click.echo(f"Household {one['handle']}. Its pass, shown only now:\n\n    {one['pass']}\n")


def _add(config_file: Path, shares: int, count: int, paper: Paper) -> list[str]:
    """Return passes that the agent took; it never sees them, only what verifies them."""
    drawn: dict[str, passes.Drawn] = {}
    for _ in range(_DRAWS):
        told = sys.stderr if sys.stderr.isatty() and count > _SOON else io.StringIO()
        with click.progressbar(length=count - len(drawn), label="Drawing passes", file=told) as bar:
            while len(drawn) < count:
                one = passes.draw_verified()
                drawn.setdefault(one.handle, one)
                bar.update(1)
        paper.write([one.text for one in drawn.values()])
        try:
            rows = [one.row for one in drawn.values()]
            ask(config_file, {"verb": "household-add", "shares": shares, "homes": rows}, seconds=30)
        except AgentError as refusal:
            taken = refusal.reply.get("taken")
            if not taken:
                raise
            drawn = {handle: one for handle, one in drawn.items() if handle not in taken}
        else:
            return [one.text for one in drawn.values()]
    raise AgentError("no free handles were drawn: there are too many households")


@household.command("list")
@config_option
@as_json_option
def list_all(config_file: Path, as_json: bool) -> None:
    """List households with what the lines have carried for each."""
    reply = ask(config_file, {"verb": "households"})
    if as_json:
        click.echo(json.dumps({key: reply[key] for key in ("households", "guests")}, indent=2))
        return
    click.echo("household  shares  joined      down MB      up MB")
    for one in reply["households"]:
        _row(one["handle"], one["shares"], "yes" if one["joined"] else "no", one["bytes"])
    _row("guests", "", "", reply["guests"]["bytes"])
    for one in reply["households"]:
        for kind in one["asks"]:
            said = "left a note" if kind == "note" else "is to be erased"
            click.echo(f"{one['handle']} {said}: `meshctl household show {one['handle']}`.")
    count = len(reply["households"])
    click.echo(f"{count or 'No'} household{'' if count == 1 else 's'}; all guests are one row.")


def _row(name: str, shares: object, joined: str, carried: Mapping[str, int]) -> None:
    down, up = (carried[direction] / 1e6 for direction in ("down", "up"))
    click.echo(f"{name:<9}  {shares:>6}  {joined:<6}  {down:>11,.1f}  {up:>9,.1f}")


@household.command()
@click.argument("handle")
@config_option
@as_json_option
def show(handle: str, config_file: Path, as_json: bool) -> None:
    """Show one household: shares, since, devices, and what the lines have carried for it, by day too."""
    found = ask(config_file, {"verb": "household-show", "handle": handle})["household"]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    since = time.strftime("%Y-%m-%d", time.localtime(found["since"])) if found["since"] else "no clock was right then"
    present = {None: "this node has no line", True: "present", False: "not present"}[found["present"]]
    down, up = (found["bytes"][direction] / 1e6 for direction in ("down", "up"))
    click.echo(f"Household {found['handle']}")
    click.echo(f"  shares        {found['shares']}")
    click.echo(f"  since         {since}")
    click.echo(f"  devices       {found['devices']} joined at this node now")
    click.echo(f"  at the line   {present}")
    click.echo(f"  in all        {down:,.1f} MB down, {up:,.1f} MB up")
    _show_wishes(found)
    if found["days"] is None:
        click.echo("  by day        kept at the node that has the line")
        return
    for at, day in enumerate(found["days"]):
        if not at:
            click.echo("  day               down MB      up MB")
        click.echo(f"  {day['day'] or 'no date yet':<12}  {day['down'] / 1e6:>11,.1f}  {day['up'] / 1e6:>9,.1f}")


def _show_wishes(found: Mapping[str, Any]) -> None:
    if found["note"] is not None:
        click.echo(f"  its note      {found['note']}")
    if found["erased_in"] is not None:
        hours = found["erased_in"] / 3600
        click.echo(f"  to be erased  in {hours:.1f} h, unless it is taken back on its page")


@household.command()
@click.argument("handle")
@config_option
@as_json_option
def code(handle: str, config_file: Path, as_json: bool) -> None:
    """Draw a code that opens a household's page for 15 minutes, on one device, at any node, without its pass."""
    reply = ask(config_file, {"verb": "household-code", "handle": handle})
    if as_json:
        click.echo(json.dumps({"handle": reply["handle"], "code": reply["code"], "minutes": 15}))
        return
    click.echo(f"Household {reply['handle']}. Its code for the next 15 minutes:\n\n    {reply['code']}\n")
    where = plain_address(load_node(config_file).portal)
    click.echo(f"It is typed at {where}mine, on the Wi-Fi of any node, and works on the first device that uses it.")
    click.echo("Give it only to somebody of that home whom you know: it shows, corrects and erases what is kept of it.")


@household.command()
@click.argument("handle")
@config_option
@as_json_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(handle: str, config_file: Path, as_json: bool, yes: bool) -> None:
    """Remove a household everywhere: its pass stops, its devices stay online as guests."""
    shown = ask(config_file, {"verb": "household-show", "handle": handle})
    if shown["elsewhere"]:
        raise AgentError(shown["elsewhere"])
    _confirm(shown["household"], yes=yes)
    reply: dict[str, Any] = ask(config_file, {"verb": "household-remove", "handle": handle})
    if as_json:
        click.echo(json.dumps({"handle": reply["handle"], "removed": True}))
        return
    click.echo(
        f"Household {reply['handle']} is removed. Its pass works no more, its devices go on as guests, "
        "and what it used counts as guests' use."
    )


def _confirm(found: Mapping[str, Any], *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is nobody to ask: add --yes to remove it")
    times = "once" if found["shares"] == 1 else f"{found['shares']} times"
    click.echo(f"Household {found['handle']}, counted {times}; {found['devices']} devices joined at this node.")
    click.echo("Its pass will work no more and its history goes. Its devices stay online as guests.")
    click.confirm("Remove it", abort=True)
