"""Whether the line's cable has a partner."""

from __future__ import annotations

from meshctl.agent.links import has_carrier
from meshctl.config import Config
from meshctl.wire import Fact


def probe(config: Config) -> Fact:
    """Carrier of the line's device, 1 or 0; "not here" on a node without a line."""
    if not config.line:
        return Fact(ok=False, error="not here")
    if has_carrier(config.line[0].device):
        return Fact(ok=True, value=1, unit="carrier")
    return Fact(ok=False, value=0, unit="carrier", error="The line's cable has no partner. Check it and the modem.")
