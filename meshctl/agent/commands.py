"""The verbs a person or script calls on a node."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from meshctl.agent.services import babeld_text, dnsmasq_text, sysctl_text
from meshctl.config import DEFAULT_NODE, ConfigError, load_node
from meshctl.model import MeshctlError
from meshctl.wire import LINE_LIMIT, WireError, decode_line, encode_line

config_option = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), default=DEFAULT_NODE, show_default=True
)
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


class AgentError(MeshctlError):
    """The agent refused, or is not there; ``reply`` is what it said, with fields for programs."""

    def __init__(self, message: str, reply: Mapping[str, Any] | None = None) -> None:
        self.reply = reply or {}
        super().__init__(message)


@click.group()
def config() -> None:
    """Check a configuration and print what follows from it."""


@config.command()
@config_option
def check(config_file: Path) -> None:
    """Say whether a node's file can be used; exit code 2 and the remedy where not."""
    loaded = load_node(config_file)
    lines = ", ".join(f"{one.name} on {one.device}" for one in loaded.line) or "none"
    doors = ", ".join(f"{one.device} {one.ipv4} {one.ipv6}" for one in loaded.access)
    click.echo(f"{config_file}: node {loaded.node.name}; neighbours on {doors}; line {lines}. Fine.")


@config.command()
@config_option
def show(config_file: Path) -> None:
    """Print the whole configuration as understood, defaults included, as JSON."""
    click.echo(json.dumps(dataclasses.asdict(load_node(config_file)), indent=2))


@config.command()
@config_option
def dnsmasq(config_file: Path) -> None:
    """Print the dnsmasq.conf that belongs to this configuration."""
    click.echo(dnsmasq_text(load_node(config_file)), nl=False)


@config.command()
@config_option
def sysctl(config_file: Path) -> None:
    """Print the sysctl.d file that belongs to this configuration."""
    click.echo(sysctl_text(load_node(config_file)), nl=False)


@config.command()
@config_option
def babeld(config_file: Path) -> None:
    """Print the babeld.conf that belongs to this configuration."""
    loaded = load_node(config_file)
    if not loaded.mesh.devices:
        remedy = 'Name the devices that face other nodes, such as ["mesh0"].'
        raise ConfigError(config_file, "mesh.devices", "there is none, so nothing to route over", remedy)
    click.echo(babeld_text(loaded), nl=False)


def ask(config_file: Path, request: dict[str, object], seconds: float = 10.0) -> dict[str, Any]:
    """Ask the agent one thing over its socket. Raises `AgentError` with what it said."""
    path = load_node(config_file).socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(seconds)
            channel.connect(str(path))
            channel.sendall(encode_line(request))
            with channel.makefile("rb") as lines:
                reply = decode_line(lines.readline(LINE_LIMIT + 1))
    except (OSError, WireError) as fault:
        raise AgentError(f"the agent does not answer at {path}: {fault}. Is it running?") from fault
    if not reply.get("ok"):
        raise AgentError(str(reply.get("error", {}).get("message", "the agent refused")), reply)
    return reply


@click.command()
@config_option
@as_json_option
def status(config_file: Path, as_json: bool) -> None:
    """Say how this node is: who shares the line, how it is divided, what was repaired."""
    reply = ask(config_file, {"verb": "status"})
    reply.pop("ok")
    if as_json:
        click.echo(json.dumps(reply, indent=2))
        return
    click.echo(f"{reply['node']}  meshctl {reply['version']}")
    click.echo(f"  sharing now   {reply['homes']} homes, {reply['guests']} guests; {reply['joined']} devices joined")
    for direction, tree in reply["trees"].items():
        use = reply["use"].get(direction, {"busy": 0.0})
        click.echo(
            f"  line {direction:<4}     {tree['capacity_kbit'] / 1000:g} Mbit/s, {use['busy']:.0%} in use; "
            f"homes {tree['homes_kbit'] / 1000:g}, guests {tree['guests_kbit'] / 1000:g} assured"
        )
    if reply["offloads"]:
        click.echo("  offloads      on: several frames are one packet, and shares take turns of 64 kB and more")
    for short in reply["below_floor"]:
        who = f"{short['count']} {short['kind']} are assured {short['kbit']} kbit/s each"
        click.echo(f"  below floor   {short['direction']}: {who}; the floor is {reply['floor_kbit']}")
    if reply["trees"]:
        carried = ", ".join(f"{direction} {count / 1e6:,.1f} MB" for direction, count in reply["ledger"].items())
        click.echo(f"  ledger        {carried}")
    for line in mesh_lines(reply["mesh"] or {}):
        click.echo(line)
    for fact, says in reply["ills"].items():
        click.echo(f"  {fact:<13} NOT WELL: {says}")
    last = f", last: {reply['last_repair']}" if reply["last_repair"] else ""
    click.echo(
        f"  turns         {reply['ticks']}, {reply['tick_seconds'] * 1000:.0f} ms; repairs {reply['repairs']}{last}"
    )


def mesh_lines(mesh: Mapping[str, Any]) -> list[str]:
    """Return what `meshctl status` prints of the other nodes; nothing where there is no mesh."""
    if not mesh:
        return []
    roster = f"roster {mesh['roster']}" + ("" if mesh["enrolled"] else ", and this node is not on it: enrol it")
    lines = [f"  network       {roster}; roll {mesh['roll']}; gateway in use: {mesh['gateway'] or 'none'}"]
    for peer in mesh["peers"]:
        roles = ", ".join(role for role in ("gateway", "hub") if peer[role])
        lines.append(
            f"  node          {peer['name']:<14} {'reached' if peer['up'] else 'NOT reached':<12} {roles}".rstrip()
        )
    key = "a key of the day is shared" if mesh["day_key"] else "no key of the day yet: devices that come back must join"
    lines.append(f"  roaming       {mesh['remembered']} devices known to the network; {key}")
    told = ", ".join(f"{count} to {name}" for name, count in mesh["announced"].items())
    lines.append(f"  addresses     announced: {told or 'none'}; heard of: {mesh['leases']}")
    refused = ", ".join(f"{count} {code}" for code, count in mesh["refused"].items())
    if refused:
        lines.append(f"  refused       {refused}")
    if mesh["fault"]:
        lines.append(f"  fault         {mesh['fault']}")
    return lines
