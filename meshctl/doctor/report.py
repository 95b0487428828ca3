"""What an examination says, for people in 80 columns and for scripts. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from meshctl.doctor.announced import Method, Told
from meshctl.doctor.judge import EXPECTED, SHOWN, State, Visit
from meshctl.doctor.observed import Finding, Findings, Phase

SHAPE = 1
"""Of the JSON; it grows only where a key changes its meaning or goes."""

WIDTH = 80
_NAME = 29
Colour = Literal["green", "red", "yellow", ""]


@dataclass(frozen=True)
class Line:
    """One line of text; ``word`` is the part of it that may be coloured."""

    text: str
    word: str = ""
    colour: Colour = ""


@dataclass
class Seen:
    """One phase. ``expected`` is what a client should conclude there."""

    phase: Phase
    visits: list[Visit]
    expected: State
    told: Findings = field(default_factory=Findings)

    @property
    def is_blind(self) -> bool:
        """Whether no client got any answer for want of a way or a resolver; one that is there and silent is a fault."""
        if any(one.code == "resolver-silent" for one in self.told.found):
            return False
        heards = [heard for visit in self.visits for heard in visit.heards.values()]
        return all(heard.trouble in ("local", "resolver") for heard in heards)


@dataclass
class Report:
    """All of it. ``join`` says how joining went, empty where nobody joined."""

    phases: list[Seen] = field(default_factory=list)
    told: Findings = field(default_factory=Findings)
    announced: Mapping[Method, Told] = field(default_factory=dict)
    api: str = ""
    join: str = ""
    gave_up: str = ""
    """Why a phase that was asked for could not be looked at."""
    took: float = 0.0

    @property
    def all_told(self) -> Findings:
        """What every check of every phase says."""
        everything = Findings()
        for one in (self.told, *(seen.told for seen in self.phases)):
            everything.add(one)
        return everything

    @property
    def code(self) -> int:
        """The exit code: 2 where it could not look, 1 where something misbehaves, else 0."""
        if not self.phases or any(seen.is_blind for seen in self.phases):
            return 2
        bad = any(visit.verdict.state != seen.expected for seen in self.phases for visit in seen.visits)
        if bad or any(one.severity == "fault" for one in self.all_told.found):
            return 1
        return 2 if self.gave_up else 0


def shows(visit: Visit) -> str:
    """What the client shows, in words."""
    return visit.client.portal if visit.verdict.state == "portal" else SHOWN[visit.verdict.state]


def as_json(report: Report) -> dict[str, Any]:
    """The documented shape (docs/doctor.md)."""
    told = report.all_told
    return {
        "shape": SHAPE,
        "verdict": {0: "good", 1: "bad", 2: "blind"}[report.code],
        "clients": [_client(seen, visit) for seen in report.phases for visit in seen.visits],
        "findings": [asdict(one) for one in told.found],
        "unchecked": [asdict(one) for one in told.unchecked],
        "right": told.right,
        "api": report.api,
        "announced": {
            method: {"asked": one.asked, "uri": None if one.raw is None else one.uri, "why": one.why}
            for method, one in report.announced.items()
        },
        "join": report.join,
        "gave_up": report.gave_up,
        "seconds": round(report.took, 3),
    }


def _client(seen: Seen, visit: Visit) -> dict[str, Any]:
    return {
        "key": visit.client.key, "group": visit.client.group, "name": visit.client.name, "phase": seen.phase,
        "state": visit.verdict.state, "expected": seen.expected, "good": visit.verdict.state == seen.expected,
        "shows": shows(visit), "reason": visit.verdict.reason, "page": visit.verdict.page,
        "seconds": round(visit.took, 3),
        "probes": [
            {
                "role": way.role, "url": way.url, "family": way.family, "status": heard.status,
                "location": heard.header("location"), "bytes": len(heard.body), "trouble": heard.trouble,
                "detail": heard.detail, "address": heard.address, "seconds": round(heard.took, 3),
            }
            for way, heard in visit.heards.items()
        ],
        "names": [
            {"name": one.name, "kind": one.kind, "addresses": list(one.addresses), "expects": one.expects}
            for one in visit.looked
        ],
    }  # fmt: skip


def as_lines(report: Report) -> Iterator[Line]:
    """The table, then what is wrong with its remedy, then what was not checked, then one line in sum."""
    for seen in report.phases:
        yield Line(f"{seen.phase.capitalize()} joining a phone shows")
        yield from _rows(seen)
        yield Line("")
    if report.join:
        yield from _wrapped(report.join, "  ")
        yield Line("")
    told = report.all_told
    for title, one in (("Wrong", "fault"), ("Could be better", "warning"), ("Notes", "note")):
        found = _merged(finding for finding in told.found if finding.severity == one)
        if found:
            yield Line(title, title, "red" if one == "fault" else "yellow" if one == "warning" else "")
            for finding in found:
                yield from _wrapped(f"{finding.code}: {finding.says} {finding.remedy}", "  ", "    ")
            yield Line("")
    if told.unchecked or report.gave_up:
        yield Line("Not checked", "Not checked", "yellow")
        for words in dict.fromkeys(f"{one.what}: {one.why}" for one in told.unchecked):
            yield from _wrapped(words, "  ", "    ")
        if report.gave_up:
            yield from _wrapped(report.gave_up, "  ", "    ")
        yield Line("")
    yield from _sum(report)


def _merged(found: Iterator[Finding]) -> list[Finding]:
    return list({(one.code, one.says): one for one in found}.values())


def _rows(seen: Seen) -> Iterator[Line]:
    older = [one for one in seen.visits if one.client.name.startswith("Older Apple")]
    are_alike = len(older) > 1 and len({one.verdict.state for one in older}) == 1
    for visit in seen.visits:
        name = visit.client.name
        if are_alike and visit in older:
            if visit is not older[0]:
                continue
            name = f"Older Apple, {len(older)} hosts"
        yield _row(name, visit, seen.expected)
        if visit.verdict.state != seen.expected:
            yield from _wrapped(f"because {visit.verdict.reason}", " " * (_NAME + 8))


def _row(name: str, visit: Visit, expected: State) -> Line:
    good = visit.verdict.state == expected
    word = "ok  " if good else "BAD "
    label = textwrap.shorten(name, _NAME - 1, placeholder="…")
    return Line(f"  {label:<{_NAME}} {word} {shows(visit)}", word, "green" if good else "red")


def _sum(report: Report) -> Iterator[Line]:
    count = sum(len(seen.visits) for seen in report.phases)
    bad = sum(visit.verdict.state != seen.expected for seen in report.phases for visit in seen.visits)
    faults = len(_merged(one for one in report.all_told.found if one.severity == "fault"))
    if report.code == 2 and not report.gave_up:
        yield Line(
            "This machine could not look: it has no way or no resolver here. Connect it first.",
            "could not look",
            "yellow",
        )
        return
    words = "Good" if report.code == 0 else "Not good" if report.code == 1 else "Not whole"
    right = len(dict.fromkeys(report.all_told.right))
    faults_in_words = f"{faults} fault{'' if faults == 1 else 's'}"
    text = (
        f"{words}: {count - bad} of {count} behave, {right} checks are right, {faults_in_words}, {report.took:.1f} s."
    )
    yield Line(text, words, "green" if report.code == 0 else "red" if report.code == 1 else "yellow")


def _wrapped(text: str, first: str, more: str = "") -> Iterator[Line]:
    # Web addresses have hyphens and are not broken there. A portal's own words may hold a terminal's commands.
    plain = "".join(one if one.isprintable() else "?" for one in text)
    yield from map(Line, textwrap.wrap(plain, WIDTH, initial_indent=first, subsequent_indent=more or first,
                                       break_on_hyphens=False))  # fmt: skip


def expected_state(phase: Phase, visits: Sequence[Visit], *, unrestricted: bool) -> State:
    """What a client should conclude: a portal before joining, but where the network says that it has none."""
    if unrestricted and all(visit.verdict.state == "online" for visit in visits):
        return "online"
    return EXPECTED[phase]
