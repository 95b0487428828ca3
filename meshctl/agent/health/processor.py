"""How busy the processor is."""

from __future__ import annotations

import psutil

from meshctl.config import Config
from meshctl.wire import Fact

_TOO_MUCH = 2.0


def probe(config: Config) -> Fact:  # noqa: ARG001  # every probe is called alike
    """Load of the last five minutes per core; above 2 the node is late with everything."""
    load = psutil.getloadavg()[1] / (psutil.cpu_count() or 1)
    if load > _TOO_MUCH:
        return Fact(ok=False, value=round(load, 2), unit="per core", error="The processor is overloaded.")
    return Fact(ok=True, value=round(load, 2), unit="per core")
