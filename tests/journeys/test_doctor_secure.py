"""A door with a certificate keeps every standard it speaks of; one that wants no button is none for any phone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from meshctl.lab.internet import AUTHORITY
from tests.journeys.street import Street, node, phones
from tests.journeys.test_captivity import API, NAME, TOPOLOGY, UNRESTRICTED, until_told

DOCTOR = ("meshctl", "doctor", "--portal", "--ca", str(AUTHORITY))

# Nothing is reachable before joining here: in a lab all names have one address, so one opening would open them all.
SECURE = node("elm", 20).replace("[node.uplink]", "secure = true\n[node.uplink]", 1) + (
    f'[node.portal]\nhost = "{NAME}"\n' + phones("e", "elm", 1)
)


@pytest.mark.parametrize(
    ("topology", "phone", "words", "uri"),
    [(TOPOLOGY, "o-1", (), UNRESTRICTED), (SECURE, "e-1", ("--phase", "both", "--join"), API)],
    ids=["without a button", "with one"],
)
def test_every_standard_is_kept_and_every_phone_behaves(
    stand: Callable[[str], Street], topology: str, phone: str, words: tuple[str, ...], uri: str
) -> None:
    street = stand(topology)
    until_told(street, uri, phone)
    code, out = street.run(phone, *DOCTOR, *words, "--json")
    report = json.loads(out)

    assert [one for one in report["clients"] if not one["good"]] == []
    assert [one for one in report["findings"] if one["severity"] != "note"] == []
    assert {one["uri"] for one in report["announced"].values()} == {uri}
    assert report["unchecked"] == []
    assert code == 0
