"""How properties are drawn in every test: the same tree has the same verdict, however busy the machine is.

With ``MESHCTL_EXAMPLES=5000`` each property is checked on so many examples, other ones every time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("MESHCTL_EXAMPLES")

# A machine that stands still for a moment proves nothing of what is tested: time has no say in it.
settings.register_profile(
    "meshctl",
    deadline=None,
    derandomize=EXAMPLES is None,
    max_examples=int(EXAMPLES or 100),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("meshctl")
