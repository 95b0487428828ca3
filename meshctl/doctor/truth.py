"""Whether what clients conclude is true: replies that are faked, a network that is open, the way out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from meshctl.doctor.judge import is_true
from meshctl.doctor.observed import Finding, Findings, Heard, Phase
from meshctl.doctor.probing import Visit


def captive_heards(visits: Sequence[Visit]) -> list[Heard]:
    """Replies over plain http that are not what the client's own server answers."""
    return [
        heard
        for visit in visits
        for way, heard in visit.heards.items()
        if urlsplit(way.url).scheme == "http" and not heard.trouble and not is_true(visit.client, way, heard)
    ]


def is_captive(visits: Sequence[Visit]) -> bool | None:
    """What the clients together say; ``None`` where they do not agree."""
    states = {visit.verdict.state for visit in visits}
    if states <= {"portal", "blank"}:
        return True
    return False if states == {"online"} else None


def _true4(visits: Sequence[Visit]) -> list[Heard]:
    """True replies over plain http that did not come by IPv6."""
    return [
        heard
        for visit in visits
        for way, heard in visit.heards.items()
        if urlsplit(way.url).scheme == "http" and ":" not in heard.address and is_true(visit.client, way, heard)
    ]


def judge_truth(visits: Sequence[Visit], secure: Sequence[Heard], phase: Phase, *, unrestricted: bool) -> Findings:
    """Compare true replies over http, which can be faked, with ``secure`` ones over https, which cannot."""
    told = Findings()
    true, works = _true4(visits), any(one.status == 204 for one in secure)
    why = next((one.summary for one in secure if one.status != 204), "")
    if phase == "before" and true and not works:
        told.found.append(Finding(
            "faked-success", "fault",
            f"{true[0].ask.url} is answered as if it were the internet, before joining; https: {why}.",
            "Redirect it: a phone that hears the true reply never opens the sign-in page.", "RFC 8952, 1", phase,
        ))  # fmt: skip
    elif phase == "before" and true and not unrestricted:
        told.found.append(Finding(
            "already-online", "fault", f"{true[0].ask.url} and https reach the internet before joining.",
            "Look from a device that has not joined; a network without a portal says so by RFC 8910 "
            "(urn:ietf:params:capport:unrestricted).", "RFC 8910, 2", phase,
        ))  # fmt: skip
    elif phase == "after" and true and secure and not works:
        told.found.append(Finding(
            "faked-success", "fault", f"http says that the internet is there, and https does not reach it: {why}.",
            "Let the real probes out instead of answering them.", "AOSP NetworkMonitor.java", phase,
        ))  # fmt: skip
    elif true and works:
        told.right.append(f"{phase} joining, http and https agree that the internet is there")
    told.add(_intercepted(secure, phase))
    return told


def _intercepted(secure: Sequence[Heard], phase: Phase) -> Findings:
    caught = [one for one in secure if one.trouble == "certificate"]
    if not caught:
        return Findings()
    return Findings([Finding(
        "https-intercepted", "fault" if phase == "after" else "warning",
        f"{urlsplit(caught[0].ask.url).hostname} over https shows a certificate not its own: {caught[0].detail}.",
        "Reset port 443 for visitors and let members through: nobody can redirect https.", "RFC 8952, 1", phase,
    )])  # fmt: skip
