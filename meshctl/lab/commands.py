"""`meshctl lab …`: what a person types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click

from meshctl.lab import place as places
from meshctl.lab.demo import TOPOLOGY, tell
from meshctl.lab.entry import system_environment
from meshctl.lab.fault import LabError, TopologyError
from meshctl.lab.handle import Lab, find_lab, raise_lab, start_lab

_NAME = click.option("--name", default="lab", show_default=True, help="Which lab.")


@click.group()
def lab() -> None:
    """Raise a neighbourhood in network namespaces: real services, real clients, no hardware."""


@lab.command()
@click.option("--topology", type=click.Path(path_type=Path), help="A TOML file; without it, three nodes in a ring.")
@click.option("--name", default=None, help='What to call it; "lab" unless the topology says.')
@click.option("--foreground", is_flag=True, help="Stay until Ctrl-C, then end the lab.")
def up(topology: Path | None, name: str | None, foreground: bool) -> None:
    """Raise a lab and return when all of it is ready."""
    try:
        if not foreground:
            _show(start_lab(topology, name, say=_say).status())
            return
        with raise_lab(topology, name, say=_say) as raised:
            _show_until_interrupt(raised)
    except TopologyError as fault:
        click.echo(f"meshctl: {fault}", err=True)
        sys.exit(2)


@lab.command()
@_NAME
@click.option("--json", "as_json", is_flag=True, help="For a script.")
def status(name: str, as_json: bool) -> None:
    """List members, addresses, processes and URLs."""
    found = find_lab(name).status()
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        _show(found)


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_NAME
@click.argument("member")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(name: str, member: str, command: tuple[str, ...]) -> None:
    """Run a command inside a node, a phone or "internet"; its exit code is passed on."""
    command = command[1:] if command[:1] == ("--",) else command
    found = find_lab(name)
    found.member(member)
    code = subprocess.call(found.command(member, command), env=system_environment())
    sys.exit(code if code >= 0 else 128 - code)


@lab.command()
@_NAME
@click.argument("a")
@click.argument("b")
@click.argument("change", type=click.Choice(["cut", "heal", "loss"]))
@click.argument("percent", type=click.FloatRange(0, 100), required=False)
@click.option("--silent", is_flag=True, help="Cut without taking the carrier away.")
def link(name: str, a: str, b: str, change: str, percent: float | None, silent: bool) -> None:
    """Cut the link between nodes A and B, heal it, or let it lose PERCENT of the frames."""
    if (change == "loss") != (percent is not None):
        raise click.UsageError("Write a percentage after loss, and nowhere else: `meshctl lab link A B loss 30`.")
    if silent and change != "cut":
        raise click.UsageError("Only a cut can be silent.")
    found = find_lab(name)
    if change == "cut":
        found.cut_link(a, b, silent=silent)
    elif percent is not None:
        found.lose_on_link(a, b, percent)
    else:
        found.heal_link(a, b)


@lab.command()
@_NAME
@click.argument("node")
@click.argument("change", type=click.Choice(["cut", "heal"]))
def uplink(name: str, node: str, change: str) -> None:
    """Cut a gateway's line to the internet, or heal it."""
    found = find_lab(name)
    (found.cut_uplink if change == "cut" else found.heal_uplink)(node)


@lab.command()
@_NAME
@click.argument("node")
@click.argument("change", type=click.Choice(["off", "on"]))
def power(name: str, node: str, change: str) -> None:
    """Cut a node's power, or give it back and return when all of it is ready again."""
    found = find_lab(name)
    (found.power_off if change == "off" else found.power_on)(node)


@lab.command()
@_NAME
@click.argument("phone")
@click.argument("node")
def roam(name: str, phone: str, node: str) -> None:
    """Let a phone leave its node and come to another; returns when it has addresses there."""
    find_lab(name).roam(phone, node)


@lab.command()
@_NAME
@click.argument("node")
@click.argument("change", type=click.Choice(["issue", "withdraw"]))
@click.option("--seconds", type=click.FloatRange(1), help="For how long the new one is valid; for ever unless told.")
def certificate(name: str, node: str, change: str, seconds: float | None) -> None:
    """Give the portal of a `secure` NODE a new certificate, or take its certificate away."""
    if seconds is not None and change != "issue":
        raise click.UsageError("Only a new certificate has an end: `meshctl lab certificate NODE issue --seconds 30`.")
    found = find_lab(name)
    if change == "issue":
        found.issue_certificate(node, seconds)
    else:
        found.withdraw_certificate(node)


@lab.command()
@click.argument("name", required=False)
@click.option("--name", "called", help="Which lab, as the other commands have it.")
@click.option("--all", "everything", is_flag=True, help="All labs of yours.")
def down(name: str | None, called: str | None, everything: bool) -> None:
    """End a lab, and clear what a killed one left."""
    name = name or called
    wanted = places.places() if everything else [places.place_of(name or "lab")]
    for place in wanted:
        if places.lives(place):
            Lab(place).down()
            click.echo(f"{place.name}: ended")
        elif place.folder.exists() or place.lock.exists():
            places.clear(place)
            click.echo(f"{place.name}: cleared what it left")
        elif name:
            raise LabError(f"no lab {place.name!r} is running, and none left anything.")
    if not wanted:
        click.echo("no lab is running")


def _say(step: str) -> None:
    click.echo(f"  {step}")


def _show_until_interrupt(raised: Lab) -> None:
    """Who has read that Ctrl-C ends the lab may press it at once: the words themselves are inside."""
    try:
        _show(raised.status())
        click.echo("It stays up until Ctrl-C.")
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("\nending the lab")


def _show(found: dict[str, Any]) -> None:
    click.echo(f"lab {found['name']}: {'ready' if found['ready'] else 'waiting: ' + '; '.join(found['lacking'][:3])}")
    for member in found["members"]:
        services = ", ".join(_service(service) for service in member["services"])
        addresses = " ".join([member["ipv4"] or "-", *member["ipv6"]])
        click.echo(f"  {member['name']:<16} {_kind(member):<14} {addresses:<48} {services}")
    for one in found["links"]:
        lost = f", {one['loss']:g} % lost" if one["loss"] else ""
        click.echo(f"  {one['a']} to {one['b']}: {one['state']}{lost}")
    for name, url in found["urls"].items():
        click.echo(f"  {url:<25} {'the hub' if name == 'hub' else f'the pages as {name} sees them'}")


def _kind(member: dict[str, Any]) -> str:
    if member["kind"] == "phone":
        return f"at {member['at']}" if member["at"] else "out of range"
    if member["kind"] == "node":
        cut = member["uplink"] and member["uplink"]["state"] == "cut"
        return "node, no power" if member["power"] == "off" else "node, no uplink" if cut else "node"
    return str(member["kind"])


def _service(service: dict[str, Any]) -> str:
    restarts = f", {service['restarts']} restarts" if service["restarts"] else ""
    return f"{service['name']} ({service['state']}{restarts})"


@lab.command()
@click.option("--exit", "leave", is_flag=True, help="End after the last step instead of staying up.")
@click.option("--name", default=None, help="What to call the lab; demo and a number unless told.")
def demo(leave: bool, name: str | None) -> None:
    """Tell the whole story on a lab of its own; exit code 0 only when every claim held."""
    began = time.monotonic()
    with raise_lab(TOPOLOGY, name or f"demo-{os.getpid()}", say=_say) as raised:
        held = tell(raised)
        verdict = "Every claim held" if held else "Some claim did not hold"
        click.echo(f"\n{verdict}; {time.monotonic() - began:.0f} s in all.")
        if not leave:
            click.echo()
            _show_until_interrupt(raised)
    sys.exit(0 if held else 1)
