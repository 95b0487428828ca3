"""Messages that only who has a node's key can send, each with something in it that no agent sends."""

from __future__ import annotations

from nacl.signing import SigningKey

from meshctl.lists import Roster, sign_roster

_ROSTER = sign_roster(Roster(1 << 40), SigningKey.generate()).decode()
_HUGE = 10**400
_RECORD = {"token": "0" * 32, "key": "0" * 16, "household": "", "left": 60, "version": 1}

SHAPES: tuple[object, ...] = (
    {},
    [1, 2, 3],
    "hello",
    {"kind": 5},
    {"kind": "nonsense"},
    {"kind": "hello"},
    {"kind": "hello", "life": "x", "roster": _HUGE, "roll": 1},
    {"kind": "hello", "life": "x", "roster": 1, "roll": 1, "keys": ["0"] * 100},
    {"kind": "addresses", "add": "all"},
    {"kind": "addresses", "add": [["10.46.0.9"]]},
    {"kind": "addresses", "add": [["10.46.0.9", "mark"]]},
    {"kind": "addresses", "drop": [[]] * 9000},
    {"kind": "addresses", "whole": "yes"},
    {"kind": "devices", "records": [{}]},
    {"kind": "devices", "records": [{**_RECORD, "left": -1}]},
    {"kind": "devices", "records": [{**_RECORD, "left": _HUGE}]},
    {"kind": "devices", "records": [{**_RECORD, "token": "G" * 32}]},
    {"kind": "devices", "records": [{**_RECORD, "household": "\ud800"}]},
    {"kind": "keys", "keys": None},
    {"kind": "keys", "keys": [{"secret": "00", "epoch": 1, "age": 0}]},
    {"kind": "keys", "keys": [{"secret": "00" * 32, "epoch": 1, "age": _HUGE}]},
    {"kind": "use", "boot": 1, "sequence": 1, "roll": 1, "rows": [["line", "sideways", "K7QM", 5]]},
    {"kind": "use", "boot": 1, "sequence": 1, "roll": 1, "rows": [["\ud800", "down", "\ud800", 5]]},
    {"kind": "use", "boot": 1, "sequence": 1, "roll": 1, "rows": [["line", "down", "K7QM", _HUGE]]},
    {"kind": "roster", "list": 5},
    {"kind": "roster", "list": "\ud800"},
    {"kind": "roster", "list": _ROSTER},
    {"kind": "roll", "list": "{}"},
)
