"""`meshctl doctor …`: what a person types."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from meshctl.doctor import examine
from meshctl.doctor.announced import UNRESTRICTED
from meshctl.doctor.catalogue import CATALOGUE, choose
from meshctl.doctor.names import is_literal
from meshctl.doctor.report import Report, as_json, as_lines
from meshctl.doctor.resolver import bind_to, configured
from meshctl.doctor.web import where
from meshctl.model import MeshctlError

_WHAT = """meshctl doctor looks at a network from inside, as its neighbours' devices do.

  meshctl doctor --portal                   before joining, what each phone shows
  meshctl doctor --portal --phase both      then asks you to join, and looks again
  meshctl doctor --portal --phase both --join   presses the button by itself

It works on any network with a sign-in page. Run it as root to have DHCP and the
router asked too. `meshctl doctor --help` lists the options."""


STOPPED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the signal."""


class DoctorError(MeshctlError):
    """A call that cannot be followed, with the remedy."""

    exit_code = 2


@click.command()
@click.option("--portal", is_flag=True, help="Ask what phones, laptops and browsers ask, and say what each shows.")
@click.option("--phase", type=click.Choice(["before", "after", "both"]), default="before", show_default=True,
              help="Look before joining, after it, or both.")  # fmt: skip
@click.option(
    "--join", is_flag=True, help="With --phase both: press the sign-in page's button, if it asks for nothing."
)
@click.option("--only", default="", metavar="NAMES", help="Only these clients or groups, such as apple,android.")
@click.option("--interface", "device", default="", metavar="DEV", help="Use this network device only.")
@click.option("--resolver", default="", metavar="ADDRESS", help="Ask this resolver.  [default: those of resolv.conf]")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 120), help="The most seconds for one request.  [default: each client's own]"
)
@click.option("--ca", "authorities", multiple=True, type=click.Path(path_type=Path, dir_okay=False),
              help="Believe these authorities too (PEM); may be said more than once.")  # fmt: skip
@click.option("--api", default="", metavar="URL", help="Where the captive portal API is.  [default: as announced]")
@click.option("--json", "as_json_", is_flag=True, help="Print JSON for a script.")
def doctor(portal: bool, phase: str, join: bool, only: str, device: str, resolver: str, timeout: float | None,
           authorities: tuple[Path, ...], api: str, as_json_: bool) -> None:  # fmt: skip
    """Look at a network as its neighbours' devices do.

    Exit code 0: every client behaves; 1: one would misbehave; 2: the call is wrong, or nothing could be looked at.
    """
    if not portal:
        click.echo(_WHAT)
        return
    if join and phase != "both":
        raise click.UsageError("--join presses the button between two looks: say --phase both.")
    try:
        clients = choose(word.strip() for word in only.split(","))
    except KeyError as fault:
        groups = ", ".join(dict.fromkeys(client.group for client in CATALOGUE))
        raise DoctorError(f"--only: there is no client {fault.args[0]!r}. Groups are {groups}.") from None
    plan = examine.Plan(clients, _servers(resolver), _tls(authorities), _checked(device), timeout, _web(api))
    say = _progress(2 * len(clients) if phase == "both" else len(clients))
    with _stopped_at_once():
        report = _run(examine.Examination(plan, say), phase, join=join)
    say("")
    if as_json_:
        click.echo(json.dumps(as_json(report), indent=1))
    else:
        _print(report)
    sys.exit(report.code)


def _run(one: examine.Examination, phase: str, *, join: bool) -> Report:
    try:
        if phase != "after":
            one.before()
        if phase == "both" and not (one.join() if join else _asked_to_join()):
            return one.close()
        if phase != "before":
            one.after()
    finally:
        report = one.close()
    return report


@contextmanager
def _stopped_at_once() -> Iterator[None]:
    """Have Ctrl-C end it, though requests are under way that may be patient for a minute."""

    def stop(_: int, __: FrameType | None) -> None:
        click.echo("\nStopped; nothing is concluded.", err=True)
        os._exit(STOPPED)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _asked_to_join() -> bool:
    click.echo("\nJoin now, on this device, as a neighbour would; then press Enter here. ", err=True, nl=False)
    if not sys.stdin.readline():
        raise DoctorError("nobody pressed Enter: run it in a terminal, or let it join with --join.")
    return True


def _web(api: str) -> str:
    if api and api != UNRESTRICTED and not where(api).is_web:
        raise DoctorError(f"--api {api!r} is no web address. Write one, such as https://mesh.example/captive.")
    return api


def _servers(resolver: str) -> tuple[str, ...]:
    if resolver and not is_literal(resolver):
        raise DoctorError(f"--resolver {resolver!r} is no IP address. Write one, such as 10.44.0.1.")
    return (resolver,) if resolver else configured()


def _tls(authorities: tuple[Path, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for file in authorities:
        try:
            context.load_verify_locations(file)
        except (OSError, ssl.SSLError) as fault:
            why = getattr(fault, "strerror", None) or "no certificate"
            raise DoctorError(f"--ca {file}: {why}. Name a PEM file.") from None
    return context


def _checked(device: str) -> str:
    if device:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                bind_to(probe, device)
            except OSError as fault:
                raise DoctorError(
                    f"--interface {device}: {fault.strerror}. `ip link` lists the devices here."
                ) from None
    return device


def _progress(count: int) -> Callable[[str], None]:
    """One line that is written over where a person looks, else silence; the empty word clears it."""
    told = 0

    def say(words: str) -> None:
        nonlocal told
        told += bool(words)
        if sys.stderr.isatty():
            line = f"{told}/{count} {words}"[:78] if words else ""
            click.echo(f"\r{line:<78}\r", err=True, nl=False)

    return say


def _print(report: Report) -> None:
    plain = False if os.environ.get("NO_COLOR") else None
    for line in as_lines(report):
        text = line.text
        if line.word and line.colour:
            text = text.replace(line.word, click.style(line.word, fg=line.colour, bold=True), 1)
        click.echo(text, color=plain)
