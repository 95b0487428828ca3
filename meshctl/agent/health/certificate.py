"""Whether the portal's certificate is good, and for how long: a renewal that failed is seen before phones see it."""

from __future__ import annotations

from meshctl.wire import Fact

SOON = 7.0
"""Days before its end at which somebody should look: what renews it does so weeks earlier."""

QUARTER = 0.25
"""The part of a short life that is `SOON`: programs that renew do so at a half or a third of it, or earlier."""

_DAY = 86_400.0


def judge(left: float | None, lifetime: float | None = None, *, silent: bool) -> Fact:
    """Return the fact of a certificate that is valid for ``left`` seconds; ``None`` where no phone could use it.

    ``lifetime`` is for how many seconds it was made, ``None`` where that is unknown. ``silent`` says that the portal,
    which alone can tell, has not done so lately.
    """
    if silent:
        return Fact(ok=False, error="The portal does not say whether its certificate is good: is it running?")
    if left is None:
        return Fact(ok=False, error="Phones cannot use it: the portal's log says why. Nobody is told of the API.")
    days = left / _DAY
    if days < (SOON if lifetime is None else min(SOON, QUARTER * lifetime / _DAY)):
        ends = f"in {days:.0f} days" if days >= 1.5 else f"in {left / 3600:.0f} hours"
        return Fact(ok=False, value=round(days, 1), unit="days left", error=f"It ends {ends} and was not renewed.")
    return Fact(ok=True, value=round(days, 1), unit="days left")
