"""Whether what clients conclude is true: replies that are faked, a network that is open, the way out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from meshctl.doctor.judge import Visit, is_true
from meshctl.doctor.observed import Finding, Findings, Heard, Phase, Severity
from meshctl.doctor.web import where


def captive_heards(visits: Sequence[Visit]) -> list[Heard]:
    """Replies over plain http that are not what the client's own server answers."""
    return [
        heard
        for visit in visits
        for way, heard in visit.heards.items()
        if where(way.url).scheme == "http" and not heard.trouble and not is_true(visit.client, way, heard)
    ]


def is_captive(visits: Sequence[Visit]) -> bool | None:
    """What the clients together say; ``None`` where they do not agree."""
    states = {visit.verdict.state for visit in visits}
    if states <= {"portal", "blank"}:
        return True
    return False if states == {"online"} else None


def judge_truth(
    visits: Sequence[Visit], checks: tuple[Heard, Heard], phase: Phase, *, unrestricted: bool, leaks6: bool = False
) -> Findings:
    """Compare what is told over http, which can be faked, with what is told over https, which cannot.

    ``checks`` are Android's, over http and https: by IPv4, or by IPv6 where that is all there is. ``leaks6``:
    IPv6 leads out beside it, which is judged by itself.
    """
    plain, secure = checks
    told = Findings()
    true = [plain] if plain.status == 204 else _true(visits, only4=leaks6 or phase == "after")
    works, why = secure.status == 204, secure.summary
    if phase == "before" and true and not works:
        told.found.append(Finding(
            "faked-success", "fault",
            f"{true[0].ask.url} is answered as if it were the internet, before joining; https: {why}.",
            "Redirect it: a phone that hears the true reply never opens the sign-in page.", "RFC 8952, 1", phase,
        ))  # fmt: skip
    elif phase == "before" and true and not unrestricted:
        told.found.append(Finding(
            "already-online", "fault", f"{true[0].ask.url} and https reach the internet before joining.",
            "Look from a device that has not joined, or with --phase after; a network without a portal says so by "
            "RFC 8910 (urn:ietf:params:capport:unrestricted).", "RFC 8910, 2", phase,
        ))  # fmt: skip
    elif phase == "before" and works and not unrestricted:
        told.found.append(Finding(
            "https-open", "fault", f"{secure.ask.url} is answered before joining, while http is not.",
            "Reset port 443 until the device has joined, for this name too: an Android that hears this first takes "
            "the network for open, and never opens the sign-in page.", "AOSP NetworkMonitor.java", phase,
        ))  # fmt: skip
    elif phase == "after" and true and not works and secure.trouble != "certificate":
        told.found.append(Finding(
            "faked-success", "fault", f"http says that the internet is there, and https does not reach it: {why}.",
            "Let the real probes out instead of answering them.", "AOSP NetworkMonitor.java", phase,
        ))  # fmt: skip
    elif true and works:
        told.right.append(f"{phase} joining, http and https agree that the internet is there")
    elif phase == "before" and plain.trouble in _UNTOLD and not captive_heards(visits):
        told.found.append(_unanswered(plain))
    told.add(_intercepted(secure, phase))
    return told


_UNTOLD = ("refused", "prohibited", "silence", "late", "cut", "garbled", "name")


def _unanswered(plain: Heard) -> Finding:
    """What every client asks first leads nowhere, not even to the portal."""
    if plain.trouble == "name":
        says = f"names are not answered before joining: {where(plain.ask.url).host} has no address."
        remedy = "Answer names truthfully before joining too; where the line is down, look again when it is back."
        return Finding("names-shut", "fault", says, remedy, "RFC 8952, 2.4", "before")
    says = f"a visitor's request over http leads nowhere: {plain.summary}."
    return Finding("http-shut", "fault", says, "Redirect port 80 to the sign-in page.", "RFC 8952, 1", "before")


def _true(visits: Sequence[Visit], *, only4: bool) -> list[Heard]:
    """True replies over plain http."""
    return [
        heard
        for visit in visits
        for way, heard in visit.heards.items()
        if where(way.url).scheme == "http"
        and not (only4 and ":" in heard.address)
        and is_true(visit.client, way, heard)
    ]


def _intercepted(secure: Heard, phase: Phase) -> Findings:
    if secure.trouble != "certificate":
        return Findings()
    host = where(secure.ask.url).host
    says = f"{host} over https shows a certificate that is not its own: {secure.detail}."
    remedy = "Reset port 443 for visitors and let members through: nobody can redirect https."
    severity: Severity = "fault" if phase == "after" else "warning"
    return Findings([Finding("https-intercepted", severity, says, remedy, "RFC 8952, 1", phase)])
