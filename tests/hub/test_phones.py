"""Phones see what is published, maintainers see the rest."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from meshctl.config import ConfigError, Fleet, HubConfig
from meshctl.hub.app import create_hub
from meshctl.hub.intake import Tally
from meshctl.hub.roster import Roster
from meshctl.hub.store import Store
from tests.hub.fleet import Clock


@pytest.mark.parametrize("peer", ["10.44.0.9", "::ffff:10.44.0.9", "fd44::5"])
@pytest.mark.parametrize(("page", "instead"), [("/", "/public"), ("/api/v1/nodes", "/public.json")])
def test_a_phone_is_led_to_the_public_page(
    store: Store, roster: Roster, tally: Tally, clock: Clock, peer: str, page: str, instead: str
) -> None:
    fleet = Fleet(neighbours=("10.44.0.0/22", "fd44::/64"))
    client = create_hub(store, roster, HubConfig(fleet=fleet), clock, tally).test_client()
    led = client.get(page, environ_base={"REMOTE_ADDR": peer}, headers={"X-Forwarded-For": "127.0.0.1"})

    assert (led.status_code, led.location) == (303, instead)
    assert client.get(page, environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200
    assert client.get("/public", environ_base={"REMOTE_ADDR": peer}).status_code == 200


@pytest.mark.parametrize("peer", ["10.44.4.9", "::ffff:10.44.8.9", "fd44:0:0:1::5", "fd44:0:0:2::5"])
def test_a_phone_at_any_node_of_the_roster_is_one_without_being_told(client: FlaskClient, peer: str) -> None:
    assert client.get("/", environ_base={"REMOTE_ADDR": peer}).location == "/public"
    assert client.get("/", environ_base={"REMOTE_ADDR": "10.44.0.9"}).status_code == 200


def test_a_prefix_that_is_none_stops_the_hub_at_start(store: Store, roster: Roster, tally: Tally, clock: Clock) -> None:
    config = HubConfig(fleet=Fleet(neighbours=("10.44.0.0/22", "10.44.0.1/22")), file="hub.toml")
    with pytest.raises(ConfigError, match=r"hub.toml: fleet.neighbours\[1\]: .*host bits"):
        create_hub(store, roster, config, clock, tally)
