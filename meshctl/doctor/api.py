"""What is wrong with a captive portal API (RFC 8908). Pure: replies in, findings out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from meshctl.doctor.observed import Finding, Findings, Heard, Phase, Severity
from meshctl.doctor.web import where

JSON = "application/captive+json"
MOST_CHARACTERS = 4096
"""Android reads no more (NetworkMonitor.java)."""

ACCEPTS: dict[str, str] = {
    "plain": JSON,
    "weighed": f"text/html;q=0.2, {JSON};q=0.9, */*;q=0.1",
    "page": "text/html,application/xhtml+xml;q=0.9",
    "refused": f"{JSON};q=0, text/html",
}
"""What is asked for; by the first two the answer is JSON, by the others a browser's page or a redirect to it."""


@dataclass(frozen=True)
class Replies:
    """What the API answered to each of `ACCEPTS`."""

    plain: Heard
    weighed: Heard
    page: Heard
    refused: Heard
    alone: tuple[Heard, ...] = ()
    """What it answered over IPv4 alone and over IPv6 alone."""


class _Judge:
    def __init__(self, phase: Phase) -> None:
        self.phase, self.told = phase, Findings()

    def add(self, code: str, severity: Severity, says: str, remedy: str, source: str = "RFC 8908, 5") -> None:
        self.told.found.append(Finding(code, severity, says, remedy, source, self.phase))


def page_of(reply: Heard) -> str:
    """The sign-in page that a phone takes from the API's answer; empty where it would ignore the answer."""
    words = _words(reply)
    if (
        reply.trouble
        or reply.status != 200
        or not words
        or len(reply.body.decode("utf-8", "replace")) > MOST_CHARACTERS
    ):
        return ""
    secure = where(reply.ask.url).scheme == "https"
    page = words.get("user-portal-url")
    return page if secure and words.get("captive") is True and isinstance(page, str) else ""


def says_captive(reply: Heard) -> bool | None:
    """What the API says; ``None`` where it says neither."""
    said = (_words(reply) or {}).get("captive") if not reply.trouble else None
    return said if isinstance(said, bool) else None


def judge_api(replies: Replies, phase: Phase, captive: bool | None) -> Findings:
    """Judge the answers; ``captive`` is what the clients' probes say, ``None`` where they do not agree."""
    judge = _Judge(phase)
    plain = replies.plain
    if plain.trouble == "certificate":
        judge.add("api-certificate", "fault", f"the API's certificate is not valid: {plain.detail}.",
                  "Use a certificate for its name, with the whole chain, from an authority that phones know.",
                  "RFC 8908, 4.1")  # fmt: skip
        return judge.told
    if plain.trouble:
        judge.add("api-unreachable", "fault", f"the API does not answer: {plain.summary}.",
                  "Let visitors reach it, by every family that its name has.", "RFC 8952, 2.3")  # fmt: skip
        return judge.told
    if plain.status != 200:
        judge.add("api-status", "fault", f"the API answers {plain.summary}.", "Answer 200.", "RFC 8908, 4")
        return judge.told
    _form(judge, plain)
    words = _words(plain)
    if words is None:
        judge.add("api-not-json", "fault", "the API's answer is no JSON object.", "Answer with one JSON object.")
        return judge.told
    _fields(judge, words)
    _truth(judge, words, captive)
    _negotiation(judge, replies)
    for one in replies.alone:
        if one.trouble not in ("", "local", "name"):
            judge.add("api-one-family", "fault", f"the API does not answer over IPv{one.ask.family}: {one.summary}.",
                      "Let visitors reach it by every family that its name has.", "RFC 8952, 2.3")  # fmt: skip
    if all(one.severity == "note" for one in judge.told.found):
        judge.told.right.append(f"the API's answer {phase} joining is as it should be")
    return judge.told


def _words(reply: Heard) -> dict[str, Any] | None:
    try:
        words = json.loads(reply.body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, dict) else None


def _form(judge: _Judge, reply: Heard) -> None:
    kind = reply.header("content-type")
    if kind.partition(";")[0].strip().lower() != JSON:
        judge.add("api-content-type", "fault", f"the API's answer is of type {kind or 'nothing'!r}.", f"Send {JSON}.")
    charset = re.search(r"charset=\"?([\w-]+)", kind)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        judge.add(
            "api-charset", "fault", f"the API's answer is in {charset[1]}.", "Use UTF-8: Android reads nothing else."
        )
    if len(reply.body.decode("utf-8", "replace")) > MOST_CHARACTERS:
        judge.add("api-long", "fault", f"the API's answer is longer than {MOST_CHARACTERS} characters.",
                  "Shorten it: Android reads no more.", "AOSP NetworkMonitor.java")  # fmt: skip
    if not re.search(r"\b(private|no-store)\b", reply.header("cache-control").lower()):
        judge.add("api-cache", "fault", "the API's answer may be stored and shared: it differs by device.",
                  "Send Cache-Control: private or no-store.", "RFC 8908, 4")  # fmt: skip


def _fields(judge: _Judge, words: dict[str, Any]) -> None:
    captive = words.get("captive")
    if not isinstance(captive, bool):
        said = "is missing" if "captive" not in words else f"is {json.dumps(captive)}"
        judge.add("api-captive", "fault", f"the API's `captive` {said}: it must be true or false.", "Send a boolean.")
    for key, needed in (("user-portal-url", captive is True), ("venue-info-url", False)):
        _url(judge, key, words, needed=needed)
    if words.get("venue-info-url") is None:
        judge.add("api-no-venue", "note", "the API names no `venue-info-url`.",
                  "Name a page about this place: phones offer it after joining too.")  # fmt: skip
    extend = words.get("can-extend-session")
    if extend is not None and not isinstance(extend, bool):
        judge.add("api-type", "fault", f"the API's `can-extend-session` is {json.dumps(extend)}.", "Send a boolean.")
    for key in ("seconds-remaining", "bytes-remaining"):
        value = words.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            judge.add(
                "api-type", "fault", f"the API's `{key}` is {json.dumps(value)}.", "Send a whole number, 0 or more."
            )
        if value is not None and captive is True:
            judge.add(
                "api-remaining", "warning", f"the API sends `{key}` to a captive device.", "Send it after joining."
            )


def _url(judge: _Judge, key: str, words: dict[str, Any], *, needed: bool) -> None:
    value = words.get(key)
    if value is None:
        if needed:
            judge.add(
                "api-no-page", "fault", f"the API names no `{key}` to a captive device.", "Name the sign-in page."
            )
        return
    if not isinstance(value, str) or not where(value).is_web:
        judge.add("api-type", "fault", f"the API's `{key}` is {json.dumps(value)}.", "Name a web address.")
    elif where(value).scheme == "http":
        judge.add("api-page-over-http", "warning", f"the API's `{key}` is {value}.", "Serve it over https.")


def _truth(judge: _Judge, words: dict[str, Any], captive: bool | None) -> None:
    said = words.get("captive")
    if isinstance(said, bool) and captive is not None and said != captive:
        judge.add(
            "api-disagrees", "fault", f"the API says captive is {json.dumps(said)}, and the probes say otherwise.",
            "Answer from the state that the firewall has.", "RFC 8952, 2.3",
        )  # fmt: skip


def _is_json(reply: Heard) -> bool:
    return reply.status == 200 and reply.header("content-type").lower().startswith(JSON)


def _negotiation(judge: _Judge, replies: Replies) -> None:
    if _is_json(replies.plain) and not _is_json(replies.weighed):
        judge.add("api-q-values", "fault", f"asked with `{ACCEPTS['weighed']}` the API answers no JSON.",
                  "Read the weights of Accept.", "RFC 9110, 12.5.1")  # fmt: skip
    others = [one for one in (replies.page, replies.refused) if not one.trouble]
    if any(_is_json(one) for one in others):
        judge.add("api-page", "warning", "a browser that opens the API's address gets JSON.",
                  "Redirect who does not accept JSON to the sign-in page.", "RFC 8910, 2")  # fmt: skip
    if any(not _is_json(one) for one in others):
        lacking = [one for one in (replies.plain, *others) if "accept" not in _listed(one.header("vary"))]
        if lacking:
            judge.add("api-vary", "fault", "the API's answers differ by Accept, and do not say so.",
                      "Send Vary: Accept with each.", "RFC 9110, 12.5.5")  # fmt: skip


def _listed(header: str) -> list[str]:
    return [word.strip().lower() for word in header.split(",")] + (["accept"] if "*" in header else [])
