"""What is wrong with the answers that visitors get in place of what they asked for, and with the page behind. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meshctl.doctor.judge import SMALL
from meshctl.doctor.names import is_literal
from meshctl.doctor.observed import Finding, Findings, Heard, and_others
from meshctl.doctor.web import Where, joined, where

BROKEN = {"redirect-loop", "page-certificate", "page-unreachable", "page-empty"}
"""Findings of `page` that leave whoever opens it with nothing to press."""

MOST_REDIRECTS = 10
SLOW, TOO_SLOW = 2.0, 5.0
"""Seconds: Android tries its other addresses after 3 (PROBE_TIMEOUT_MS), and Firefox is silent after 5."""

_GOOD = (302, 303, 307)
_OUTSIDE = re.compile(
    rb"""<(?:script|img|iframe|source|link(?=[^>]*stylesheet))\b[^>]*?\b(?:src|href)\s*=\s*["']?(https?:)?//([^"'/>\s]+)""",
    re.IGNORECASE,
)


def captive_answers(heards: Sequence[Heard]) -> Findings:
    """Judge the answers, all of port 80, that are not the true ones."""
    told = Findings()
    replies = [one for one in heards if not one.trouble and where(one.ask.url).scheme == "http"]
    if not replies:
        return told
    for check in (_status, _no_store, _small, _target, _slow):
        told.add(check(replies))
    return told


def _named(heards: Sequence[Heard]) -> str:
    hosts = list(dict.fromkeys(where(one.ask.url).host for one in heards))
    return and_others(hosts[0], len(hosts) - 1)


def _finding(code: str, says: str, remedy: str, source: str) -> Findings:
    return Findings(found=[Finding(code, "fault", says, remedy, source, "before")])


def _status(replies: Sequence[Heard]) -> Findings:
    told = Findings()
    permanent = [one for one in replies if one.status in (301, 308)]
    page = [one for one in replies if one.status == 200]
    demanding = [one for one in replies if one.status == 511]
    other = [one for one in replies if one.status not in (200, 204, 301, 308, 511, *_GOOD)]
    if permanent:
        told.add(_finding(
            "permanent-redirect", f"{_named(permanent)}: a {permanent[0].status}, which browsers remember for ever.",
            "Redirect with 302.", "RFC 9110, 15.4",
        ))  # fmt: skip
    if page:
        told.add(_finding(
            "page-in-place", f"{_named(page)}: a page with status 200 in place of a redirect.",
            "Answer 302 with the page's own address: a page under a foreign name is only suspected to be a portal by "
            "some, and its buttons lead to that name.", "RFC 8952, 1; ChromiumOS portal_detector.cc",
        ))  # fmt: skip
    if demanding:
        told.add(_finding(
            "only-511", f"{_named(demanding)}: status 511, which Android and Firefox take for a broken line.",
            "Answer 302 with the page's address.", "RFC 6585, 6; AOSP NetworkMonitor.java",
        ))  # fmt: skip
    if other:
        told.add(_finding("no-redirect", f"{_named(other)}: status {other[0].status} in place of a redirect.",
                          "Answer 302 with the page's address.", "RFC 8952, 1"))  # fmt: skip
    if not told.found:
        told.right.append("visitors' requests are redirected by a status that nobody remembers")
    return told


def _no_store(replies: Sequence[Heard]) -> Findings:
    lax = [one for one in replies if "no-store" not in one.header("cache-control").lower()]
    if not lax:
        return Findings(right=["the answers to visitors forbid storing them"])
    return _finding(
        "no-store-missing", f"{_named(lax)}: the answer has no Cache-Control: no-store.",
        "Send it: who stores the answer sees the sign-in page again after joining.", "RFC 9111, 5.2.2.5",
    )  # fmt: skip


def _small(replies: Sequence[Heard]) -> Findings:
    small = [one for one in replies if one.status != 204 and len(one.body) <= SMALL]
    if not small:
        return Findings(right=["the answers to visitors have a body"])
    told = _finding(
        "small-body", f"{_named(small)}: a body of {len(small[0].body)} bytes with status {small[0].status}.",
        "Send a short page of more than four bytes: some take less for a broken proxy.", "AOSP NetworkMonitor.java",
    )  # fmt: skip
    return told if any(one.status == 200 for one in small) else _softened(told)


def _softened(told: Findings) -> Findings:
    mild = [Finding(one.code, "warning", one.says, one.remedy, one.source, one.phase) for one in told.found]
    return Findings(mild, told.unchecked, told.right)


def _target(replies: Sequence[Heard]) -> Findings:
    """Judge one target of each host: portals write into it what was asked for."""
    told = Findings()
    targets: dict[tuple[bool, str, str], str] = {}
    for one in replies:
        if one.status in (*_GOOD, 301, 308):
            parts = where(one.header("location"))
            targets.setdefault((bool(one.header("location")), parts.scheme, parts.host), one.header("location"))
    for target in targets.values():
        parts = where(target)
        if not target:
            told.add(_finding("no-location", "a redirect says not where to.", "Send a Location.", "RFC 9110, 15.4"))
        elif not parts.scheme:
            told.add(_finding(
                "relative-location", f"a redirect leads to {target!r}, {_lack(parts)}.",
                "Name the page's whole address.", "RFC 9110, 10.2.2",
            ))  # fmt: skip
        elif is_literal(parts.host):
            literal = _finding(
                "literal-location", f"a redirect leads to {target}, which is an address and no name.",
                "Give the page a name: only a name can have a certificate.", "RFC 8910, 2",
            )  # fmt: skip
            told.add(literal if parts.scheme == "https" else _softened(literal))
    return told


def _lack(relative: Where) -> str:
    return "which says neither http: nor https:" if relative.host else "below the foreign name"


def _slow(replies: Sequence[Heard]) -> Findings:
    fastest = min(one.took for one in replies)
    if fastest < SLOW:
        return Findings()
    told = _finding(
        "slow-answer", f"the portal takes {fastest:.0f} s to answer a visitor.",
        "Answer within a second: Android asks elsewhere after 3 s, Firefox gives up after 5 s, others after 10 s.",
        "AOSP NetworkMonitor.java; Firefox, CaptiveDetect",
    )  # fmt: skip
    return told if fastest >= TOO_SLOW else _softened(told)


def page(steps: Sequence[Heard]) -> Findings:
    """Judge the way to the sign-in page; ``steps`` are its replies, the last one is the page itself."""
    told = Findings()
    last = steps[-1]
    seen = [one.ask.url for one in steps]
    if len(set(seen)) < len(seen) or len(steps) > MOST_REDIRECTS:
        return _finding("redirect-loop", f"the way to the sign-in page leads in a circle, by {last.ask.url}.",
                        "Answer the page itself with 200.", "RFC 9110, 15.4")  # fmt: skip
    if last.trouble == "certificate":
        return _finding(
            "page-certificate", f"{last.ask.url}: {last.detail or 'the certificate is not valid'}.",
            "Give the page a certificate for its name that phones believe, or serve it over http.", "RFC 9110, 4.3.4",
        )  # fmt: skip
    if last.trouble:
        return _finding("page-unreachable", f"the sign-in page {last.ask.url}: {last.summary}.",
                        "Let visitors reach it.", "RFC 8952, 2.4")  # fmt: skip
    in_place = len(steps) == 1  # its status is judged where the answers are
    is_redirect = 300 <= last.status < 400
    if (last.status != 200 and (is_redirect or not in_place)) or len(last.body.strip()) <= SMALL:
        return _finding("page-empty", f"the sign-in page {last.ask.url} answers {last.summary}.",
                        "Answer with a page.", "RFC 8952, 2.4")  # fmt: skip
    if "html" not in last.header("content-type").lower():
        told.add(_finding("page-not-html", f"the sign-in page is of type {last.header('content-type') or 'nothing'!r}.",
                          "Send Content-Type: text/html.", "RFC 9110, 8.3"))  # fmt: skip
    if not re.search(r"no-store|no-cache|max-age=0", last.header("cache-control").lower()):
        told.add(_softened(_finding("page-stored", "the sign-in page may be stored.",
                                    "Send Cache-Control: no-store.", "RFC 9111, 5.2.2.5")))  # fmt: skip
    host = where(last.ask.url).host.encode()
    outside = sorted({found[1].decode("ascii", "replace") for found in _OUTSIDE.findall(last.body) if found[1] != host})
    if outside:
        told.add(_softened(_finding(
            "page-needs-outside", f"the sign-in page loads from {', '.join(outside[:3])}, which visitors cannot reach.",
            "Serve everything that it needs beside it.", "Wireless Broadband Alliance, captive network portal notes",
        )))  # fmt: skip
    if not told.found:
        told.right.append(f"the sign-in page {last.ask.url} opens after {len(steps) - 1} redirects")
    return told


def next_address(heard: Heard) -> str:
    """Where a reply leads, made whole; empty where it leads nowhere."""
    target = heard.header("location")
    return joined(heard.ask.url, target) if target and 300 <= heard.status < 400 else ""
