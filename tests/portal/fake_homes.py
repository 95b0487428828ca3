"""The fake agent's home: what its verbs about one home answer to the right key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meshctl.history import DayUse, History
from meshctl.household_data import Mine
from meshctl.wire import as_table, failure

GOOD_PASS = "7KQ2-M9XD-0TTR-1V5Z"
GOOD_CODE = "K7QM-X2P9"
TRIES = 3

VERBS = frozenset({"history", "mine", "export", "correct", "erase", "erase-cancel"})

HOME = Mine(
    household="7KQ2",
    shares=1,
    since=1_790_000_000.0,
    devices=2,
    linked=False,
    down=1_234_567_890,
    up=98_700_000,
    days=(),
    standing=None,
    note="",
    erased_in=None,
    keeper="elm",
    keeper_up=True,
    away=(),
)


class FakeHome:
    """One home, in memory; ``wrong`` counts wrong keys."""

    def __init__(self) -> None:
        self.mine, self.wrong = HOME, 0
        self.days: tuple[DayUse, ...] = (
            DayUse("2026-11-21", 1_234_567_890, 98_700_000),
            DayUse("2026-11-20", 5_000_000, 0),
        )

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer as the agent does: the key first."""
        if refusal := self._refusal(request):
            return refusal
        verb = request["verb"]
        if verb == "history":
            return {"ok": True, "history": as_table(History("7KQ2", self.days))}
        if verb == "mine":
            return {"ok": True, "mine": as_table(replace(self.mine, days=self.days))}
        if verb == "export":
            entry = {
                "name": "day",
                "what": "x",
                "purpose": "",
                "kept": "37 days.",
                "seen_by": "",
                "not_here_because": "",
            }
            return {"ok": True, "export": {"format": "meshctl-home", "home": "7KQ2", "register": [entry]}}
        if verb == "correct" and len(request.get("note", "")) > 200:
            return failure("bad-note", "note: it has at most 200 printable characters")
        if verb == "correct":
            self.mine = replace(self.mine, note=request.get("note", self.mine.note), linked=False)
        else:
            self.mine = replace(self.mine, erased_in=86_400.0 if verb == "erase" else None)
        return {"ok": True}

    def _refusal(self, request: dict[str, Any]) -> dict[str, Any] | None:
        if "code" not in request and request.get("secure") is not True:
            return failure("needs-https", "a pass is asked for over https only")
        if self.wrong >= TRIES:
            return failure("too-many-tries", "wait a minute")
        if request.get("pass") == GOOD_PASS or request.get("code") == GOOD_CODE:
            return None
        self.wrong += 1
        return failure("wrong-code" if "code" in request else "wrong-pass", "nothing here has this key")
