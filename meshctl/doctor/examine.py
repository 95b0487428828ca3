"""The whole examination: before joining, joining, after joining."""

from __future__ import annotations

import http.cookiejar
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from meshctl.doctor import findings, login
from meshctl.doctor.api import Replies, judge_api, page_of, says_captive
from meshctl.doctor.catalogue import BROWSER, Client
from meshctl.doctor.fetch import Kept, Net, Untold, fetch, fetch_and_keep, has_way
from meshctl.doctor.judge import Verdict, Visit, judge
from meshctl.doctor.names import RELAY, lies, relay
from meshctl.doctor.observed import Ask, Findings, Heard, Phase, Unchecked
from meshctl.doctor.probing import visit_all
from meshctl.doctor.provisioned import Provisioned
from meshctl.doctor.redirects import BROKEN, captive_answers, page
from meshctl.doctor.refusal import by_family, judge_leak, leaks6, refusals
from meshctl.doctor.report import Report, Seen, expected_state
from meshctl.doctor.resolver import EACH, Resolver
from meshctl.doctor.truth import captive_heards, is_captive, judge_truth
from meshctl.doctor.web import joined, where

CHECK = "http://connectivitycheck.gstatic.com/generate_204"
_KEEP = (*(one for one in BROWSER if one[0] != "Accept-Encoding"), ("Connection", "keep-alive"))


MOST_PAGES = 4
"""Further pages that are looked at, where clients are sent to several."""

IDLE = 10.0
"""Seconds after which a server may well have ended a connection that nobody used."""


@dataclass(frozen=True)
class Plan:
    """What was asked for. ``api`` is where the captive portal API is, where the caller knows it."""

    clients: tuple[Client, ...]
    servers: tuple[str, ...]
    tls: ssl.SSLContext
    device: str = ""
    most: float | None = None
    api: str = ""
    let_in_within: float = 5.0
    """Seconds that the portal has to let in who pressed its button."""


class Examination:
    """One run. ``say`` hears how far it is."""

    def __init__(self, plan: Plan, say: Callable[[str], None] = lambda _: None) -> None:
        self._plan, self._say = plan, say
        self.report = Report()
        self._began = time.monotonic()
        self._steps: list[Heard] = []
        self._sign_in, self._unrestricted = "", False
        self._kept: tuple[Heard, Kept | None] | None = None
        self._kept_at = 0.0
        self._api = Provisioned(plan.api)

    def before(self) -> None:
        """Look as a device that has not joined."""
        net = self._net()
        with ThreadPoolExecutor(2) as pool:
            refused, over6 = pool.submit(refusals, net), pool.submit(by_family, net, 6)
            seen, over4 = self._look(net, "before")
            checks = over6.result()
            if any(one.status != 204 for one in over4):  # else all is open, and that is told of as such
                seen.told.add(judge_leak(checks, over4))
                seen.told.add(refused.result())
        seen.told.add(self._truth(net, seen, over4, leaks6=leaks6(checks, over4)))
        if seen.expected == "online" and not self._api.is_unrestricted:
            seen.told.found.append(findings.let_in_already())
        seen.told.add(captive_answers(captive_heards(seen.visits)))
        self._find_page(net, seen)
        seen.told.add(self._names(net))
        self._rest(net, seen)
        seen.told.add(relay([net.resolver.look(name, "A") for name in RELAY]))
        self._kept = fetch_and_keep(net, Ask(CHECK, _KEEP, 10.0, step=0.3))
        self._kept_at = time.monotonic()

    def after(self) -> None:
        """Look as a device that has joined."""
        net = self._net()
        told = self._stale()
        seen, over4 = self._look(net, "after")
        seen.told.add(self._truth(net, seen, over4))
        seen.told.add(told)
        if not self._steps:
            seen.told.add(self._names(net))
        caught = [one for one in seen.visits if _again(one, "").verdict.state in ("portal", "blank")]
        if caught:
            seen.told.found.append(findings.still_captive(caught))
        self._rest(net, seen)

    def join(self) -> bool:
        """Press the page's button; whether that let this device in."""
        if not self._steps or self._steps[-1].trouble or self._steps[-1].status != 200:
            self.report.gave_up = "No sign-in page was found, so nothing was pressed."
            return False
        net = self._net()
        offer = login.read_page(self._steps[-1])
        if offer.form is None:
            self._cannot_press(offer)
            return False
        began = time.monotonic()
        login.press(net, self._steps[-1], offer.form)
        if self._is_in(net):
            self.report.join = f"Pressed the button: let in after {time.monotonic() - began:.1f} s."
            return True
        return self._with_cookies(net, offer)

    def close(self) -> Report:
        """End what is open, and give the report."""
        if self._kept and self._kept[1]:
            self._kept[1].close()
        self.report.took = time.monotonic() - self._began
        return self.report

    def _net(self) -> Net:
        plan = self._plan
        each = EACH if plan.most is None else min(EACH, plan.most)
        return Net(Resolver(plan.servers, plan.device, each), plan.tls, plan.device, plan.most)

    def _look(self, net: Net, phase: Phase) -> tuple[Seen, tuple[Heard, Heard]]:
        """Visit as all clients, and give Android's check over IPv4 too."""
        with ThreadPoolExecutor(2) as pool:
            api, over4 = pool.submit(self._ask_api, net), pool.submit(by_family, net, 4)
            visits = visit_all(net, self._plan.clients, "", lambda words: self._say(f"{phase}: {words}"))
            replies, told = api.result()
        self._sign_in = page_of(replies.plain) if replies else ""
        visits = [_again(one, self._sign_in) for one in visits]
        has_none = self._api.is_unrestricted
        unrestricted = has_none or bool(replies and says_captive(replies.plain) is False)
        self._unrestricted = unrestricted
        seen = Seen(phase, visits, expected_state(phase, visits, unrestricted=unrestricted), told)
        captive = is_captive([_again(one, "") for one in visits])
        if replies:
            seen.told.add(judge_api(replies, phase, captive))
        if has_none and captive is not False:
            seen.told.found.append(findings.unrestricted_lie(phase))
        self.report.phases.append(seen)
        return seen, over4.result()

    def _truth(self, net: Net, seen: Seen, over4: tuple[Heard, Heard], *, leaks6: bool = False) -> Findings:
        checks = by_family(net, 6) if over4[0].trouble in ("local", "name") else over4
        return judge_truth(seen.visits, checks, seen.phase, unrestricted=self._unrestricted, leaks6=leaks6)

    def _rest(self, net: Net, seen: Seen) -> None:
        """Name what makes a client misbehave where nothing has named it yet."""
        servers = [one for one in net.resolver.servers if has_way(one, net.device)]
        looked = net.resolver.looked
        if servers and looked and all(one.trouble == "resolver" for one in looked):
            seen.told.found.append(findings.resolver_silent(servers, seen.phase))
        bad = [one for one in seen.visits if one.verdict.state != seen.expected]
        if bad and not seen.is_blind and not any(one.severity == "fault" for one in seen.told.found):
            seen.told.found.append(findings.astray(bad, seen.expected, seen.phase))

    def _ask_api(self, net: Net) -> tuple[Replies | None, Findings]:
        told = self._api.find(self._plan.device)
        self.report.api, self.report.announced = self._api.uri, self._api.told
        return self._api.ask(net), told

    def _find_page(self, net: Net, seen: Seen) -> None:
        """Follow the way to each page that clients would open, and mark those whose page shows nothing."""
        caught = [one for one in seen.visits if _again(one, "").verdict.state in ("portal", "blank")]
        start = next((heard.ask.url for one in caught for heard in one.heards.values()), self._sign_in)
        if not start:
            return
        self._steps = login.walk(net, start)
        told = self._without_cookies(net, start, page(self._steps))
        pages = {_place(one.ask.url): told for one in self._steps}
        targets = {_place(one): one for one in (self._sign_in, *map(_target, seen.visits)) if one}
        others = [place for place in targets if place not in pages]
        for place in others[:MOST_PAGES]:
            pages[place] = page(login.walk(net, targets[place]))
        seen.visits = [_broken(one, pages.get(_place(_target(one)), told)) for one in seen.visits]
        for one in {id(one): one for one in pages.values()}.values():
            seen.told.add(one)

    def _without_cookies(self, net: Net, start: str, told: Findings) -> Findings:
        """What the page's way says; a circle that ends for who keeps a cookie is told of as that."""
        if any(one.code == "redirect-loop" for one in told.found):
            with_cookies = login.walk(net, start, http.cookiejar.CookieJar())
            if not any(one.code == "redirect-loop" for one in page(with_cookies).found):
                self._steps = with_cookies
                return Findings([findings.needs_cookie("the sign-in page opens")])
        return told

    def _names(self, net: Net) -> Findings:
        """Judge every look-up so far, but those of the portal's own names."""
        own_hosts = {where(address).host for address in (self.report.api, *(one.ask.url for one in self._steps[1:]))}
        own = [a for one in net.resolver.looked if one.name in own_hosts for a in one.addresses]
        return lies([one for one in net.resolver.looked if one.name not in own_hosts], own)

    def _stale(self) -> Findings:
        """Ask again on the connection of before joining."""
        if self._kept is None:
            return Findings()
        first, kept = self._kept
        if kept is None or first.closed:
            return Findings(right=["the portal ends its connections, so none is asked again after joining"])
        try:
            again = kept.hear(first.ask, time.monotonic() + 5.0)
        except Untold as fault:
            if fault.trouble == "late":
                return Findings([findings.stale(Heard(first.ask, trouble="late"))])
            if time.monotonic() - self._kept_at > IDLE:
                why = "joining took so long that the connection ended by itself"
                return Findings(unchecked=[Unchecked("whether a kept connection still sees the portal", why, "after")])
            return Findings(right=["a connection of before joining is ended by joining"])
        if again.status == 204:
            return Findings(right=["a connection of before joining reaches the internet after it"])
        return Findings([findings.stale(again)])

    def _is_in(self, net: Net) -> bool:
        until = time.monotonic() + self._plan.let_in_within
        while True:
            heard = fetch(net, Ask(CHECK, (("Connection", "close"),), 3.0, step=0.3))
            if heard.status == 204:
                return True
            if time.monotonic() > until:
                return False
            time.sleep(0.2)

    def _with_cookies(self, net: Net, offer: login.SignIn) -> bool:
        jar = http.cookiejar.CookieJar()
        steps = login.walk(net, self._steps[0].ask.url, jar)
        again = login.read_page(steps[-1])
        if jar and again.form is not None:
            login.press(net, steps[-1], again.form, jar)
            if self._is_in(net):
                self.report.join = "Pressed the button: let in, with a cookie only."
                self.report.told.found.append(findings.needs_cookie("joining works"))
                return True
        if offer.has_script:
            self.report.told.found.append(findings.needs_script())
        self.report.told.found.append(findings.join_fails(self._plan.let_in_within))
        self.report.gave_up = "The button was pressed, and this device is not in."
        return False

    def _cannot_press(self, offer: login.SignIn) -> None:
        if offer.asks:
            self.report.gave_up = (
                f"The sign-in page asks for {', '.join(offer.asks[:4])}: join by hand, without --join."
            )
        elif offer.has_script:
            self.report.told.found.append(findings.needs_script())
            self.report.gave_up = "The sign-in page has no button that works without script."
        else:
            self.report.gave_up = "The sign-in page has no form: join by hand, without --join."


def _target(visit: Visit) -> str:
    """The page that a client is sent to, made whole; empty where it shows what came in place of the true reply."""
    asked = [heard.ask.url for heard in visit.heards.values()]
    return joined(asked[0], visit.verdict.page) if visit.verdict.page and visit.verdict.page not in asked else ""


def _place(address: str) -> str:
    """An address without what portals write into it."""
    return address.partition("?")[0]


def _broken(visit: Visit, told: Findings) -> Visit:
    """The visit of a client that would open the page of which that was told."""
    broken = [one.says for one in told.found if one.code in BROKEN]
    if visit.verdict.state != "portal" or not broken:
        return visit
    return replace(visit, verdict=Verdict("blank", broken[0].rstrip("."), visit.verdict.page))


def _again(visit: Visit, sign_in: str) -> Visit:
    return replace(visit, verdict=judge(visit.client, visit.heards, visit.looked, sign_in))
