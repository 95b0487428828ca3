"""What is said once, and said plainly, whatever a portal of another make sends."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from meshctl.doctor.catalogue import CATALOGUE
from meshctl.doctor.findings import astray
from meshctl.doctor.judge import Verdict, Visit
from meshctl.doctor.observed import Ask, Finding, Findings, Heard
from meshctl.doctor.redirects import captive_answers
from meshctl.doctor.refusal import leaks6
from meshctl.doctor.report import Report, Seen, as_lines

TEXT = b"<html>moved</html>"


def to(target: str, *, took: float = 0.1, host: str = "a.test") -> Heard:
    headers = (("Location", target), ("Cache-Control", "no-store"))
    return Heard(Ask(f"http://{host}/"), 302, headers, TEXT, took=took)


def test_a_target_that_holds_what_was_asked_for_is_told_of_once() -> None:
    told = captive_answers([to(f"http://192.0.2.1:8002/?from={number}.test") for number in range(30)])

    assert [(one.code, one.severity) for one in told.found] == [("literal-location", "warning")]


def test_each_host_that_redirects_lead_to_is_told_of() -> None:
    told = captive_answers([to("http://192.0.2.1/"), to("http://192.0.2.2/"), to("/join"), to("/other")])

    assert [one.code for one in told.found] == ["literal-location", "literal-location", "relative-location"]


def test_a_slow_portal_is_called_slow_and_a_very_slow_one_a_fault() -> None:
    quick, slow, late = ([to("http://p.test/", took=took)] for took in (1.9, 3.1, 8.0))

    assert not captive_answers(quick).found
    assert [(one.code, one.severity) for one in captive_answers(slow).found] == [("slow-answer", "warning")]
    assert [(one.code, one.severity) for one in captive_answers(late).found] == [("slow-answer", "fault")]


def test_one_quick_answer_is_enough_for_a_busy_machine() -> None:
    assert not captive_answers([to("http://p.test/", took=6.0), to("http://p.test/", took=0.2)]).found


def test_true_replies_over_http_alone_are_faked_where_both_families_have_them() -> None:
    ask = Ask("http://a.test/")
    true, shut, portal = Heard(ask, 204), Heard(ask, trouble="refused"), Heard(ask, 302)

    assert not leaks6((true, shut), (true, shut))
    assert leaks6((true, shut), (portal, shut))
    assert leaks6((portal, true), (portal, shut))
    assert not leaks6((true, true), (shut, shut))  # no IPv4: what answers is the network itself


def test_a_portals_words_command_no_terminal() -> None:
    report = Report([Seen("before", [], "portal", Findings([Finding("x", "note", "leads to \x1b[31m\x07 red")]))])

    assert not [one for one in "".join(line.text for line in as_lines(report)) if not one.isprintable()]


def test_a_client_that_misbehaves_alone_has_its_own_remedy() -> None:
    steam = next(one for one in CATALOGUE if one.key == "steam")
    way = steam.ways[0]
    verdict = Verdict("silent", "the connection is reset")
    one = Visit(steam, {way: Heard(Ask(way.url), trouble="refused")}, (), verdict, 0.1)
    finding = astray([one, dataclasses.replace(one)], "portal", "before")

    assert finding.severity == "fault"
    assert finding.says == "Steam and 1 other: nothing at all: stays silent, because the connection is reset."
    assert way.url in finding.remedy


ROOT = Path(__file__).resolve().parent.parent.parent


def codes() -> Iterator[str]:
    """The first word of each call that makes a finding."""
    for file in (ROOT / "meshctl" / "doctor").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(word := node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ("Finding", "add", "_finding"):
                    yield str(word.value)


def test_each_code_that_a_script_may_meet_is_documented() -> None:
    table = (ROOT / "docs" / "doctor.md").read_text("utf-8").split("| says that |")[1].split("## ")[0]

    assert sorted(re.findall(r"`([a-z0-9-]+)`", table)) == sorted(set(codes()))
