"""The verbs a person or script calls on a node."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from meshctl.agent.services import dnsmasq_text, sysctl_text
from meshctl.config import DEFAULT_NODE, load_node

_config = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), default=DEFAULT_NODE, show_default=True
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


@click.group()
def config() -> None:
    """Check a configuration and print what follows from it."""


@config.command()
@_config
def check(config_file: Path) -> None:
    """Say whether a node's file can be used; exit code 2 and the remedy where not."""
    loaded = load_node(config_file)
    lines = ", ".join(f"{one.name} on {one.device}" for one in loaded.line) or "none"
    doors = ", ".join(f"{one.device} {one.ipv4} {one.ipv6}" for one in loaded.access)
    click.echo(f"{config_file}: node {loaded.node.name}; neighbours on {doors}; line {lines}. Fine.")


@config.command()
@_config
def show(config_file: Path) -> None:
    """Print the whole configuration as understood, defaults included, as JSON."""
    click.echo(json.dumps(dataclasses.asdict(load_node(config_file)), indent=2))


@config.command()
@_config
def dnsmasq(config_file: Path) -> None:
    """Print the dnsmasq.conf that belongs to this configuration."""
    click.echo(dnsmasq_text(load_node(config_file)), nl=False)


@config.command()
@_config
def sysctl(config_file: Path) -> None:
    """Print the sysctl.d file that belongs to this configuration."""
    click.echo(sysctl_text(load_node(config_file)), nl=False)
