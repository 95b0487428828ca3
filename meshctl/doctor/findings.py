"""What is wrong with joining, and with what outlasts it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from meshctl.doctor.judge import SHOWN, State, Visit
from meshctl.doctor.observed import Finding, Heard, Phase, and_others

_SHEETS = "Wireless Broadband Alliance, captive network portal notes"


def needs_cookie(what: str) -> Finding:
    """``what`` goes on: "only for who keeps a cookie"."""
    remedy = "Keep state in the form, or by address: the sheets that phones open forget cookies."
    return Finding("needs-cookie", "fault", f"{what} only for who keeps a cookie.", remedy, _SHEETS)


def needs_script() -> Finding:
    """There is no button that works without one."""
    remedy = "Use a plain form that posts: some sheets run no script, and phones look again only when a page loads."
    return Finding("needs-script", "fault", "joining needs a script.", remedy, _SHEETS)


def join_fails(seconds: float) -> Finding:
    """The button does not let in."""
    says = f"the button was pressed, and the portal still answers {seconds:g} s later."
    return Finding(
        "join-fails", "fault", says, "Open the firewall before answering the form.", "RFC 8952, 2.3", "after"
    )


def stale(again: Heard) -> Finding:
    """A connection of before joining still leads to the portal."""
    says = f"a connection of before joining is still caught after it: {again.summary}."
    remedy = "Answer visitors with Connection: close, and forget their redirected connections when they join."
    return Finding("stale-connection", "fault", says, remedy, "RFC 8952, 2.4", "after")


def unrestricted_lie(phase: Phase) -> Finding:
    """The network says by RFC 8910 that it has no portal, and has one."""
    says = "the network says that it has no portal, and has one."
    return Finding("unrestricted-lie", "fault", says, "Announce the API, or nothing.", "RFC 8910, 2", phase)


def let_in_already() -> Finding:
    """Before joining the device is online and its API says that it may be."""
    says = "before joining this device is online, and the API says so: it has joined, or there is nothing to join."
    remedy = "Where there is a sign-in page, look from a device that has not joined, or with --phase after."
    return Finding("already-online", "note", says, remedy, "RFC 8908, 5", "before")


def resolver_silent(servers: Sequence[str], phase: Phase) -> Finding:
    """There is a way to the resolver, and no name is answered."""
    says = f"the resolver {', '.join(servers)} answers nothing {phase} joining."
    remedy = "Let visitors ask it, over UDP and TCP port 53; or name one that answers, with --resolver."
    return Finding("resolver-silent", "fault", says, remedy, "RFC 8952, 2.4", phase)


def still_captive(visits: Sequence[Visit]) -> Finding:
    """Who has joined is sent to the sign-in page all the same."""
    names = and_others(visits[0].client.name, len(visits) - 1)
    says = f"{names}: still answered by the portal after joining: {visits[0].verdict.reason}."
    remedy = "Let out each request of a device that has joined; if this one has not, join first."
    return Finding("still-captive", "fault", says, remedy, "RFC 8952, 2.3", "after")


def astray(visits: Sequence[Visit], expected: State, phase: Phase) -> Finding:
    """Clients that misbehave for a reason of their own, which no rule here names."""
    one = visits[0]
    names = and_others(visits[0].client.name, len(visits) - 1)
    shows = SHOWN.get(one.verdict.state, "a sign-in page")
    says = f"{names}: {shows}, because {one.verdict.reason}."
    then = "as the others are: redirect it with 302" if expected == "portal" else "as the internet would: let it out"
    asked = next(iter(one.heards)).url if one.heards else "its request"
    return Finding("client-astray", "fault", says, f"Have {asked} answered {then}.", one.client.source, phase)
