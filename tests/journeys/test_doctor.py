"""Before joining every phone would open the page, after it every phone is online: as a node really answers."""

from __future__ import annotations

import json

from tests.journeys.street import Street

DOCTOR = ("meshctl", "doctor", "--portal")


def test_a_nodes_door_is_right_for_every_phone_before_and_after_joining(street: Street) -> None:
    code, out = street.run("p-1", *DOCTOR, "--phase", "both", "--join", "--json")
    report = json.loads(out)

    assert [one for one in report["clients"] if not one["good"]] == []
    assert [one for one in report["findings"] if one["severity"] != "note"] == []
    assert {one["phase"] for one in report["clients"]} == {"before", "after"}
    assert (code, report["verdict"]) == (0, "good")
    assert report["seconds"] < 15
