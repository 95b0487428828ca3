"""The nouns of an examination: what is asked, what is heard, and what is found. Nothing here acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Headers = tuple[tuple[str, str], ...]
Family = Literal[0, 4, 6]
"""0 is either: IPv6 first where the name and this machine have it."""

Trouble = Literal[
    "", "name", "resolver", "local", "refused", "prohibited", "silence", "late", "cut", "certificate", "tls", "garbled"
]
"""Why no reply came; empty where one did.

*name*: it has no address. *resolver*: nobody answered for it. *local*: this machine has no way there.
*refused*: a TCP reset. *prohibited*: an ICMP error. *silence*: nothing answered the connection.
*late*: connected, and no reply in time. *cut*: the connection ended before a reply. *certificate*,
*tls*, *garbled*: a reply that cannot be believed, or is no HTTP.
"""

WORDS: dict[Trouble, str] = {
    "name": "the name has no address",
    "resolver": "the resolver does not answer",
    "local": "this machine has no way there",
    "refused": "the connection is reset",
    "prohibited": "the way is refused",
    "silence": "no answer at all, the packets are dropped",
    "late": "connected, but no reply in time",
    "cut": "the connection ends without a reply",
    "certificate": "the certificate is not valid",
    "tls": "TLS fails",
    "garbled": "the reply is no HTTP",
}


@dataclass(frozen=True)
class Ask:
    """One HTTP request. ``seconds`` bounds all of it; after ``step`` the other family's address is tried."""

    url: str
    headers: Headers = ()
    seconds: float = 10.0
    family: Family = 0
    step: float = 10.0
    version: Literal["1.0", "1.1"] = "1.1"
    method: Literal["GET", "POST"] = "GET"
    body: bytes = b""


@dataclass(frozen=True)
class Heard:
    """What came of an `Ask`. ``address`` is whom it was asked of; ``detail`` is the fault's own words."""

    ask: Ask
    status: int = 0
    headers: Headers = ()
    body: bytes = b""
    trouble: Trouble = ""
    detail: str = ""
    address: str = ""
    took: float = 0.0
    closed: bool = True
    """Whether the server ended the connection with this reply."""

    def header(self, name: str) -> str:
        """The values of that header, joined by commas; empty where there is none."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    @property
    def summary(self) -> str:
        """A few words: status and target, or why no reply came."""
        if self.trouble:
            return WORDS[self.trouble] + (f" ({self.detail})" if self.detail else "")
        target = self.header("location")
        return f"{self.status} to {target}" if target else f"{self.status} with {len(self.body)} bytes"


Phase = Literal["before", "after"]
"""Before or after joining."""

Severity = Literal["fault", "warning", "note"]
"""A *fault* makes a phone misbehave, a *warning* breaks a rule that phones forgive, a *note* is for whoever reads."""


def and_others(first: str, others: int) -> str:
    """``first`` for all of them: "www.apple.com and 2 others"."""
    return first + (f" and {others} other{'s' if others > 1 else ''}" if others else "")


@dataclass(frozen=True)
class Finding:
    """One thing found. ``code`` never changes; ``source`` is where the rule stands."""

    code: str
    severity: Severity
    says: str
    remedy: str = ""
    source: str = ""
    phase: Phase | Literal[""] = ""


@dataclass(frozen=True)
class Unchecked:
    """What could not be looked at, and why. It is neither good nor bad."""

    what: str
    why: str
    phase: Phase | Literal[""] = ""


@dataclass
class Findings:
    """What one check says: what it found, what it could not look at, and what it looked at and found right."""

    found: list[Finding] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    right: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Take over what another check says."""
        self.found += other.found
        self.unchecked += other.unchecked
        self.right += other.right
