"""The table of verbs. Each verb's room is imported only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from meshctl import __version__
from meshctl.config import DEFAULT_HUB, DEFAULT_NODE
from meshctl.model import MeshctlError

VERBS: dict[str, tuple[str, str]] = {
    "agent": ("meshctl.cli:agent", "Run the agent: count, decide, apply, record."),
    "watch": ("meshctl.cli:watch", "Run the watch: who is present, and rogue DHCP or RA."),
    "portal": ("meshctl.cli:portal", "Run the portal: the pages that neighbours see."),
    "hub": ("meshctl.cli:hub", "Run the hub: intake, dashboard, public page."),
    "status": ("meshctl.agent.commands:status", "Say how this node is."),
    "why": ("meshctl.agent.why_command:why", "Say why a device or household has the slice it has."),
    "household": ("meshctl.agent.household_commands:household", "Add, list, show and remove households."),
    "share": ("meshctl.share_commands:share", "Try a policy of the fair share before it is in force."),
    "pause": ("meshctl.agent.pause_commands:pause", "Pause a device that harms others, for a day at most."),
    "config": ("meshctl.agent.commands:config", "Check a configuration and print what follows from it."),
    "privacy": ("meshctl.privacy.commands:privacy", "Search files for hardware addresses, however written."),
    "community": ("meshctl.roster_commands:community", "Make the key that a network's roster is signed with."),
    "node": ("meshctl.roster_commands:node", "Enrol, list and withdraw the network's nodes."),
    "doctor": ("meshctl.doctor.commands:doctor", "Say what each phone shows in this network, and why."),
    "lab": ("meshctl.lab.commands:lab", "Raise a neighbourhood in network namespaces."),
}


class Table(click.Group):
    """A group whose verbs are loaded when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the verbs in the table's order."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load one verb."""
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Print the table without loading any room."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.command(cls=Table, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="meshctl")
def meshctl() -> None:
    """Share a neighbourhood's internet line fairly, openly and for free."""


def config_option(default: Path = DEFAULT_NODE) -> click.Option:
    """Return the ``--config`` option that every verb has."""
    return click.Option(
        ["--config", "config_file"], type=click.Path(path_type=Path), default=default, show_default=True
    )


def _daemon(name: str, module: str, loader: str, default: Path) -> click.Command:
    def run(config_file: Path) -> None:
        from meshctl import config  # noqa: PLC0415  # a daemon loads only its own room

        settings = getattr(config, loader)(config_file)
        sys.exit(importlib.import_module(module).run(settings))

    return click.Command(name, callback=run, params=[config_option(default)], help=VERBS[name][1])


agent = _daemon("agent", "meshctl.agent.main", "load_node", DEFAULT_NODE)
watch = _daemon("watch", "meshctl.agent.watch", "load_node", DEFAULT_NODE)
portal = _daemon("portal", "meshctl.portal.main", "load_node", DEFAULT_NODE)
hub = _daemon("hub", "meshctl.hub.main", "load_hub", DEFAULT_HUB)


def main() -> None:
    """Run a verb. Exit codes: 0 done, 1 it failed, 2 the call, the configuration or a list is wrong."""
    try:
        meshctl(prog_name="meshctl")
    except MeshctlError as fault:
        click.echo(f"meshctl: {fault}", err=True)
        sys.exit(fault.exit_code)
