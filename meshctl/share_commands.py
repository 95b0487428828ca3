"""`meshctl share`: what a policy would do, tried on a street before it is in force.

It works on files and needs neither an agent nor a network; nothing anywhere changes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from meshctl.config import DEFAULT_NODE, load_node
from meshctl.files import write_whole
from meshctl.model import Capacity, MeshctlError, Policy
from meshctl.picture import paint
from meshctl.policy_words import two
from meshctl.quota.compare import compare
from meshctl.quota.days import BYTES, Days, Scenario, live, stretches
from meshctl.quota.simulate import simulate
from meshctl.recorded import STATED, STATED_FINE, read_record, spread
from meshctl.scenariofile import MAX_DAYS, load_scenario, lots, shipped
from meshctl.settings import Config, ConfigError
from meshctl.share_table import Trial, all_told, as_table, told

_PATIENCE = 1.0
"""After so many seconds a command says how far it is."""

_path = click.Path(path_type=Path, dir_okay=False)


class PlotError(MeshctlError):
    """The picture cannot be written."""

    exit_code = 2


@dataclass(frozen=True)
class _Call:
    """What was said: two policies and their words, and how to live the days."""

    policies: tuple[Policy, Policy]
    words: tuple[str, str]
    seed: int
    turn: float
    line: str | None
    days: int | None


@click.group()
def share() -> None:
    """Try a policy of the fair share before it is in force."""


@share.command("simulate")
@click.argument("scenario", required=False)
@click.option("--list", "listing", is_flag=True, help="List the scenarios that come with meshctl.")
@click.option("--all", "everything", is_flag=True, help="Try all scenarios that come with meshctl.")
@click.option("--recorded", type=_path, help="Days that were lived: CSV, or households shown as JSON.")
@click.option("--policy", "changes", multiple=True, metavar="KEY=VALUE", help="Try this value; may be repeated.")
@click.option(
    "--against", multiple=True, metavar="KEY=VALUE", help="Compare with this value, or with: plain, in-force."
)
@click.option("--days", type=click.IntRange(1, MAX_DAYS), help="So many days.  [default: as the scenario says]")
@click.option("--seed", type=int, default=1, show_default=True, help="Which lot bursts fall by.")
@click.option("--turn", type=click.FloatRange(1, 600), default=60, show_default=True, help="Seconds of a turn.")
@click.option("--line", help="What the line carries in Mbit/s, such as 20/5.  [default: as the scenario or node says]")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Draw it as SVG into this file; with --all, into this folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
@click.option("--config", "config_file", type=_path, help=f"The node's file.  [default: {DEFAULT_NODE}, if readable]")
def share_simulate(
    scenario: str | None,
    listing: bool,
    everything: bool,
    recorded: Path | None,
    changes: Sequence[str],
    against: Sequence[str],
    days: int | None,
    seed: int,
    turn: float,
    line: str | None,
    plot: Path | None,
    as_json: bool,
    config_file: Path | None,
) -> None:
    """Say who would be slowed, by how much and when, if a policy were in force in SCENARIO: a name or a TOML file."""
    if listing:
        _list(as_json)
        return
    own = _own(config_file)
    base, said = (own.policy, f"as in force on {own.node.name}") if own else (Policy(), "meshctl's defaults")
    tried, other, *words = two(base, said, changes, against)
    call = _Call((tried, other), (words[0], words[1]), seed, turn, line, days)
    if everything:
        trials = _every(call, plot)
        _say([json.dumps([as_table(one) for one in trials], indent=2)] if as_json else all_told(trials))
        return
    trial = _lived(recorded, scenario, own, call) if recorded else _imagined(scenario or "evenings", call)
    if plot is not None:
        _write(plot, paint(trial))
    _say([json.dumps(as_table(trial), indent=2)] if as_json else told(trial))


def _say(lines: Sequence[str] | Iterator[str]) -> None:
    for line in lines:
        click.echo(line)


def _list(as_json: bool) -> None:
    found = {name: load_scenario(name) for name in shipped()}
    if as_json:
        click.echo(json.dumps({name: asdict(one) for name, one in found.items()}, indent=2))
        return
    width = max(map(len, found))
    for name, one in found.items():
        click.echo(f"{name:<{width}}  {one.title}")


def _own(file: Path | None) -> Config | None:
    """Return the node's configuration, if there is one to read or one is named."""
    if file is None and not os.access(DEFAULT_NODE, os.R_OK):
        return None
    return load_node(file or DEFAULT_NODE)


def _imagined(named: str, call: _Call) -> Trial:
    street = _with_line(load_scenario(named), call.line)
    lived = live(street, lots(call.seed), call.days)
    kinds = {one: home.name for home in street.home for one in home.names}
    return _try(Path(named).stem, street.title, lived, call, kinds, ())


def _every(call: _Call, folder: Path | None) -> Iterator[Trial]:
    for name in shipped():
        trial = _imagined(name, call)
        if folder is not None:
            _write(folder / f"{name}.svg", paint(trial))
        yield trial


def _lived(file: Path, scenario: str | None, own: Config | None, call: _Call) -> Trial:
    """Live recorded days on the scenario's line, or the node's, or the one that is said."""
    if call.days is not None:
        raise ConfigError("--days", str(call.days), "recorded days are as many as the file has", "Leave it away.")
    if scenario:
        street = load_scenario(scenario)
    elif own and own.line:
        street = Scenario("", own.line[0].down_mbit, own.line[0].up_mbit, ())
    elif call.line:
        street = Scenario("", 1, 1, ())
    else:
        raise ConfigError("--recorded", "line", "what the line carries is not known", "Say it: --line 20/5.")
    street = _with_line(street, call.line)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(file, "file", f"it cannot be read: {fault}", "Check its name, owner and encoding.") from fault
    record = read_record(text, str(file))
    capacity = Capacity(street.down_mbit * BYTES, street.up_mbit * BYTES)
    lived = spread(record, capacity, street.sag, lots(call.seed))
    stated = STATED_FINE if record.fine else STATED
    return _try(file.stem, f"days recorded in {file.name}", lived, call, {}, (stated,))


def _with_line(street: Scenario, line: str | None) -> Scenario:
    if line is None:
        return street
    down, _, up = line.partition("/")
    try:
        mbit = (float(down), float(up or down))
    except ValueError:
        mbit = (0.0, 0.0)
    if not all(0.1 <= one <= 100_000 for one in mbit):
        raise ConfigError("--line", line, "a line carries 0.1 to 100000 Mbit/s each way", "Write it as 20/5.")
    return replace(street, down_mbit=mbit[0], up_mbit=mbit[1])


def _try(name: str, title: str, lived: Days, call: _Call, kinds: dict[str, str], notes: tuple[str, ...]) -> Trial:
    cut = list(stretches(lived))
    progress = _Progress(name, lived.seconds * len(call.policies))
    kept = simulate(cut, call.policies[0], call.turn, progress.at)
    against = simulate(cut, call.policies[1], call.turn, lambda second: progress.at(lived.seconds + second))
    progress.end()
    differences = compare(kept, against)
    return Trial(
        name, title, call.seed, call.turn, lived.capacity, kinds, call.words, kept, against, differences, notes
    )


class _Progress:
    """Says on stderr how far it is, once that takes longer than a second: in place on a terminal, else now and then."""

    def __init__(self, name: str, whole: float) -> None:
        self._name, self._whole = name, whole
        self._live = sys.stderr.isatty()
        self._next = time.monotonic() + _PATIENCE
        self._said = False

    def at(self, second: float) -> None:
        """Say which second of the days is reached, if it is time to."""
        now = time.monotonic()
        if now >= self._next:
            self._next, self._said = now + (0.2 if self._live else 5 * _PATIENCE), True
            text = f"{self._name}: {100 * second / self._whole:.0f} %"
            click.echo(f"\r{text} " if self._live else text, err=True, nl=not self._live)

    def end(self) -> None:
        """Leave a clean line."""
        if self._said and self._live:
            click.echo("\r\x1b[K", err=True, nl=False)


def _write(file: Path, text: str) -> None:
    try:
        write_whole(file, text, 0o644)
    except OSError as fault:
        raise PlotError(f"{file}: {fault.strerror}. Name another place with --plot.") from None
