"""Finds out where the captive portal API is, and asks it as phones and browsers do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from meshctl.doctor.announced import UNRESTRICTED, Method, Told, judge_announced, scheme_and_name
from meshctl.doctor.api import ACCEPTS, JSON, Replies
from meshctl.doctor.fetch import Net, fetch
from meshctl.doctor.link import ask_link, default_device
from meshctl.doctor.observed import Ask, Family, Findings, Heard, Unchecked

_STEP = 0.3
_FAMILIES: tuple[Family, ...] = (4, 6)


@dataclass
class Provisioned:
    """What the network says of its API. ``uri`` is empty where there is none."""

    uri: str = ""
    told: dict[Method, Told] = field(default_factory=dict)
    is_asked: bool = False

    @property
    def is_unrestricted(self) -> bool:
        """Whether the network says that it has no portal."""
        return self.uri == UNRESTRICTED

    def find(self, device: str) -> Findings:
        """Ask the link, once; an address that was given goes first."""
        found = Findings()
        if self.is_asked:
            return found
        self.is_asked = True
        self.told = ask_link(device or default_device())
        found.add(judge_announced(self.told))
        said = [one.uri for one in self.told.values() if one.raw is not None]
        self.uri = self.uri or next(iter(said), "")
        if self.uri and not self.is_unrestricted:
            found.add(scheme_and_name(self.uri))
        if not self.uri:
            why = "none is announced here; name one with --api"
            found.unchecked.append(Unchecked("the captive portal API (RFC 8908)", why))
        return found

    def ask(self, net: Net) -> Replies | None:
        """Ask for each of `ACCEPTS`, and by each family alone; ``None`` where there is nobody to ask."""
        if not self.uri or self.is_unrestricted:
            return None

        def asked(accept: str, family: Family = 0) -> Heard:
            return fetch(net, Ask(self.uri, (("Accept", accept),), family=family, step=_STEP))

        with ThreadPoolExecutor(len(ACCEPTS) + len(_FAMILIES)) as pool:
            alone = [pool.submit(asked, JSON, family) for family in _FAMILIES]
            replies = dict(zip(ACCEPTS, pool.map(asked, ACCEPTS.values()), strict=True))
            return Replies(**replies, alone=tuple(one.result() for one in alone))
