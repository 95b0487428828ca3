"""The verb with which a steward pauses a device that harms others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from meshctl.agent.commands import ask
from meshctl.agent.pauses import checked_hours, checked_reason
from meshctl.config import DEFAULT_NODE


@click.command(short_help="Pause a device that harms others, for a day at most.")
@click.argument("address", required=False)
@click.option("--config", "config_file", type=click.Path(path_type=Path), default=DEFAULT_NODE, show_default=True)
@click.option("--reason", help="What the device did, 3 to 200 characters: its owner reads exactly this.")
@click.option("--hours", type=float, help="How long, above 0 and at most 24.")
@click.option("--end", is_flag=True, help="End it now: by the device's address, or by the pause's name.")
@click.option("--list", "is_list", is_flag=True, help="Show the pauses in force.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def pause(
    address: str | None,
    config_file: Path,
    reason: str | None,
    hours: float | None,
    end: bool,
    is_list: bool,
    as_json: bool,
) -> None:
    """Pause the device at ADDRESS, at every node, because it harms others; never for using much.

    The person is shown the reason, when it ends and whom to ask. It ends by itself. How many pauses there
    were is on the network's public page.
    """
    if (address is None) is not is_list or (end and is_list) or ((end or is_list) and (reason, hours) != (None, None)):
        raise click.UsageError("Give ADDRESS with --reason and --hours, or ADDRESS with --end, or --list alone.")
    if is_list:
        _show(ask(config_file, {"verb": "pauses"}), as_json)
        return
    if end:
        reply = ask(config_file, {"verb": "pause-end", "address": address})
        said = f"Pause {reply['id']} is over."
    else:
        request = {"reason": checked_reason(reason), "hours": checked_hours(hours)}
        reply = ask(config_file, {"verb": "pause", "address": address, **request})
        again = "It was paused already: reason and end are new. " if reply["replaced"] else ""
        said = f"{again}Paused for {hours:g} h. To end it sooner: meshctl pause {reply['id']} --end"
    reply.pop("ok")
    click.echo(json.dumps(reply, ensure_ascii=False) if as_json else said)


def _show(reply: dict[str, Any], as_json: bool) -> None:
    rows = reply["pauses"]
    if as_json:
        click.echo(json.dumps({"pauses": rows}, indent=2, ensure_ascii=False))
        return
    if not rows:
        click.echo("No device is paused.")
        return
    click.echo("pause  ends in    by               reason")
    for one in rows:
        minutes = max(1, round(one["ends_in"] / 60))
        click.echo(f"{one['id']:<5}  {minutes // 60:>2} h {minutes % 60:02} m  {one['node']:<15}  {one['reason']}")
