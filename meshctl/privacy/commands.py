"""`meshctl privacy scan`: nothing found, found, or cannot say."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import click

from meshctl.privacy import swap
from meshctl.privacy.control import check
from meshctl.privacy.digests import keys_from
from meshctl.privacy.findings import Finding, Findings
from meshctl.privacy.forms import octets_of, of_address, of_text
from meshctl.privacy.matcher import Matcher
from meshctl.privacy.needles import Needle, ScanError
from meshctl.privacy.streams import BLOCK
from meshctl.privacy.tree import Scan

_SHOWN = 200
"""Findings that are printed; all of them are in --json."""


@click.group()
def privacy() -> None:
    """Look for what should not be kept."""


@privacy.command()
@click.argument("trees", nargs=-1, metavar="TREE...")
@click.option("--address", "addresses", multiple=True, help="A hardware address to look for, in every encoding.")
@click.option("--text", "texts", multiple=True, help="A text to look for, such as a handle, a pass or a mark.")
@click.option(
    "--from", "lists", multiple=True, type=click.File("r"), metavar="FILE",
    help="Addresses to look for, one a line, or 'text …'; - is standard input. Leaves none in the shell's history.",
)  # fmt: skip
@click.option("--key", "keys", multiple=True, help="A key that hashes may be made with: hexadecimal, or a file.")
@click.option("--swap", "with_swap", is_flag=True, help="Look into the swap areas too (as root).")
@click.option("--unpack-limit", default=256, show_default=True, help="MB that one file may unfold to.")
@click.option("--self-test", is_flag=True, help="Only run the control that runs before every scan.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def scan(
    trees: tuple[str, ...],
    addresses: tuple[str, ...],
    texts: tuple[str, ...],
    lists: tuple[Iterable[str], ...],
    keys: tuple[str, ...],
    with_swap: bool,  # click hands it over by name
    unpack_limit: int,
    self_test: bool,
    as_json: bool,
) -> None:
    """Search files and folders for hardware addresses, whatever they are written as.

    TREE is a file, a folder, a block device, or - for standard input. Exit codes: 0 nothing found, 1 found,
    2 the call is wrong or something could not be read.
    """
    planted = check()
    if self_test:
        click.echo(json.dumps({"planted": planted, "found": planted}) if as_json else _control_line(planted))
        return
    needles = _needles(addresses, texts, lists, keys)
    if not trees:
        raise ScanError("no TREE to search: name a folder, such as /var/lib/meshctl")
    findings, began = Findings(), time.monotonic()
    run = Scan(Matcher(needles), findings, unpack_limit << 20, Progress().advance)
    for tree in trees:
        _search(run, tree)
    said = swap.look(run, wanted=with_swap)
    seconds = time.monotonic() - began
    if as_json:
        click.echo(json.dumps({**findings.as_json(), "seconds": round(seconds, 3), "swap": said, "planted": planted}))
    else:
        _print(findings, seconds, said, planted)
    sys.exit(findings.exit_code())


def _search(run: Scan, tree: str) -> None:
    if tree == "-":
        run.blocks("standard input", iter(lambda: sys.stdin.buffer.read(BLOCK), b""))
        return
    try:
        run.tree(tree)
    except OSError as fault:
        run.findings.could_not(f"not there or not readable: {fault.strerror}", tree)


def _needles(
    addresses: Iterable[str], texts: Iterable[str], lists: Iterable[Iterable[str]], keys: Iterable[str]
) -> list[Needle]:
    addresses, texts = list(addresses), list(texts)
    for line in (line.strip() for lines in lists for line in lines):
        if line.startswith("text "):
            texts.append(line.removeprefix("text "))
        elif line:
            addresses.append(line)
    if not addresses and not texts:
        raise ScanError("nothing to look for: give --address, --text or --from")
    known = keys_from(keys)
    found = [one for n, text in enumerate(addresses, 1) for one in of_address(f"address {n}", octets_of(text), known)]
    return found + [one for n, text in enumerate(texts, 1) for one in of_text(f"text {n}", text, known)]


@dataclass
class Progress:
    """Says on stderr how far it is, every two seconds, or every thirty where nobody watches."""

    told: float = 0.0

    def __post_init__(self) -> None:
        self.told = time.monotonic()

    def advance(self, findings: Findings) -> None:
        """Say how far it is, if it is time to."""
        now = time.monotonic()
        if now - self.told >= (2 if os.isatty(2) else 30):
            self.told = now
            click.echo(f"… {findings.files} files, {findings.octets >> 20} MB", err=True)


def _control_line(planted: int) -> str:
    return f"control: {planted} of {planted} planted traces found"


def _print(findings: Findings, seconds: float, swap_said: str, planted: int) -> None:
    for title, found in (("FOUND", findings.strong), ("weak, may be chance", findings.weak)):
        for one in found[:_SHOWN]:
            click.echo(f"{title}: {_line(one)}")
        if len(found) > _SHOWN:
            click.echo(f"{title}: {len(found) - _SHOWN} more, see --json")
    for why, files in findings.unread.items():
        click.echo(f"NOT SEARCHED, {why}: {_some(files)}")
    for what, files in findings.noted.items():
        click.echo(f"left out, {what}: {_some(files)}")
    speed = findings.octets / 1e6 / max(seconds, 0.001)
    click.echo(f"{findings.files} files, {findings.octets / 1e6:.1f} MB in {seconds:.1f} s, {speed:.0f} MB/s")
    click.echo(swap_said)
    click.echo(_control_line(planted))
    having = len({one.file for one in findings.strong})
    nothing = "nothing found in what was searched" if findings.unread else "nothing found"
    click.echo(f"found in {having} {'file' if having == 1 else 'files'}" if having else nothing)


def _line(one: Finding) -> str:
    places = [f"at {place['offset']}" + (f" ({place['where']})" if "where" in place else "") for place in one.places]
    text = f"{one.file}: {one.of}, {one.form}" + (f", in {one.within}" if one.within else "")
    more = f" and {one.count - len(places)} more" if places and one.count > len(places) else ""
    return f"{text} {', '.join(places)}{more}".rstrip()


def _some(files: list[str]) -> str:
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
