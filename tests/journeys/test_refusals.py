"""A configuration that cannot be used stops the agent before it touches anything."""

from __future__ import annotations

import ipaddress
import json
import re

import pytest

from tests.journeys.street import NODE, Street

pytestmark = pytest.mark.patient

FINE = """
[node]
name = "elm"
[[access]]
device = "br-lan"
ipv4 = "10.44.0.1/22"
ipv6 = "2001:db8:44::1/64"
[[line]]
name = "uplink"
device = "wan0"
down_mbit = 20
up_mbit = 20
[users]
watch = "61102"
portal = "61103"
"""


@pytest.mark.parametrize(
    ("wrong", "right", "key"),
    [
        ('name = "elm"', 'name = "elm"\ncolour = "green"', "node.colour"),
        ('device = "wan0"', 'device = "wan7"', "line[0].device"),
        ('device = "br-lan"', 'device = "br-lost"', "access[0].device"),
        ("down_mbit = 20", "down_mbit = 0", "line[0].down_mbit"),
        ('ipv4 = "10.44.0.1/22"', 'ipv4 = "WAN4"', "access[0].ipv4"),
        ('ipv6 = "2001:db8:44::1/64"', 'ipv6 = "WAN6"', "access[0].ipv6"),
        ("[users]", "[users]\nwatch = 5", "file"),
        ('portal = "61103"', 'portal = "nobody-here"', "users.portal"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_remedy_and_nothing_is_touched(
    street: Street, wrong: str, right: str, key: str
) -> None:
    assert wrong in FINE
    for family, word in (("4", "WAN4"), ("6", "WAN6")):
        right = right.replace(word, beside(street, family))
    street.lab.exec(NODE, ["sh", "-c", "cat > /run/wrong.toml"], text=FINE.replace(wrong, right))
    before = looks(street)
    code, out = street.run(NODE, "meshctl", "agent", "--config", "/run/wrong.toml")

    assert code == 2, out
    assert f"meshctl: /run/wrong.toml: {key}: " in out
    assert out.strip().endswith(".")
    assert "Traceback" not in out
    assert looks(street) == before


def beside(street: Street, family: str) -> str:
    """An address in the line's own prefix, which neighbours must not be given."""
    listing = street.run(NODE, "ip", "-json", f"-{family}", "address", "show", "dev", "wan0", check=True)[1]
    own = next(row for row in json.loads(listing)[0]["addr_info"] if row["scope"] == "global")
    network = ipaddress.ip_interface(f"{own['local']}/{own['prefixlen']}").network
    wider = network.supernet(new_prefix=64 if family == "6" else 24)
    return f"{wider.network_address + 9}/{wider.prefixlen}"


def looks(street: Street) -> list[str]:
    """The kernel's rules and queues as configured, without what passing packets count."""
    texts = [street.run(NODE, *words, check=True)[1] for words in LOOKS]
    return [re.sub(r"(direct_packets_stat|refcnt) \d+", "", text) for text in texts]


LOOKS = (
    ["nft", "-s", "-t", "list", "ruleset"],
    ["tc", "qdisc", "show"],
    ["tc", "class", "show", "dev", "br-lan"],
)
