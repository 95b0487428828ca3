"""What devices are told of the portal when they ask for an address (RFC 8910), in step with what holds.

The portal alone can read its key, so it says whether its certificate is good, again and again; what is told is made
from the agent's own configuration. It lies in a file in RAM, which the resolver reads for DHCP and the watch for
router advertisements, so that all three say the same. Another file beside it is there for as long as a change waits
for the resolver to be asked to read it: systemd may miss that a file changes, and never that one is there.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

from meshctl.agent.clock import Clock
from meshctl.agent.files import write_whole
from meshctl.agent.health import certificate
from meshctl.agent.replies import Reply, Request, no
from meshctl.agent.verbs import Verb
from meshctl.captivity import CHANGED, OPTIONS, options_text, provisioned
from meshctl.config import Config
from meshctl.wire import Fact

log = logging.getLogger(__name__)

BELIEVED = 90.0
"""Seconds for which the portal's word holds; it repeats it several times meanwhile."""


class Provisioning:
    """The verb `secure-door`, and the file. ``keep`` at the start, each turn and after the verb."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._file = Path(config.paths.run) / OPTIONS
        self._written: str | None = None
        # What a former agent of this boot was told holds until the portal speaks again.
        self._until = clock.read().monotonic + BELIEVED if self._there() else 0.0
        self._heard, self._spoken = clock.read().monotonic, False
        self._left: float | None = None
        self._lifetime: float | None = None

    def table(self) -> dict[str, Verb]:
        """Return the verb that the portal has for it."""
        return {"secure-door": Verb(frozenset({"portal", "operator"}), self.tell)}

    def tell(self, request: Request) -> Reply:
        """Take in whether phones may be sent to the portal's door of TLS."""
        usable, left, lifetime = (request.get(key) for key in ("usable", "left", "lifetime"))
        if not isinstance(usable, bool) or not (_is_seconds(left) and _is_seconds(lifetime)):
            return no("bad-request", "usable is true or false, left and lifetime are seconds.")
        self._heard, self._spoken = self._clock.read().monotonic, True
        self._until = self._heard + BELIEVED if usable else 0.0
        self._left = float(left or 0.0) if usable else None
        self._lifetime = float(lifetime) if lifetime else None
        self.keep()
        return {"ok": True}

    def fact(self) -> Fact:
        """Return what a report says of the certificate; "not here" without one, or before the portal can know."""
        since = self._clock.read().monotonic - self._heard
        if not self._config.portal.certificate or (not self._spoken and since < BELIEVED):
            return Fact(ok=False, error="not here")
        left = None if self._left is None else self._left - since
        return certificate.judge(left, self._lifetime, silent=since >= BELIEVED)

    def keep(self) -> None:
        """Bring the file to what holds now, and leave it alone where it says that already."""
        uri = provisioned(self._config.portal, usable=self._clock.read().monotonic < self._until)
        text = options_text(uri)
        if text == self._written:
            return
        if text != self._there():
            write_whole(self._file, text, 0o644)
            # After what it speaks of: whoever takes it away reads what is there then.
            self._file.with_name(CHANGED).touch(mode=0o644)
            log.info("devices are told of the portal: %s", uri or "nothing")
        self._written = text

    def _there(self) -> str:
        try:
            return self._file.read_text(encoding="ascii")
        except (OSError, ValueError):
            return ""


def _is_seconds(value: object) -> bool:
    return value is None or (isinstance(value, float | int) and math.isfinite(value))
