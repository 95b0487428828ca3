"""A configuration that cannot be used stops the agent before it touches anything."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import NODE, Street

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
        ('ipv4 = "10.44.0.1/22"', 'ipv4 = "198.51.0.1/16"', "access[0].ipv4"),
        ('ipv6 = "2001:db8:44::1/64"', 'ipv6 = "2001:db8:feed::2/64"', "access[0].ipv6"),
        ('portal = "61103"', 'portal = "nobody-here"', "users.portal"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_remedy_and_nothing_is_touched(
    street: Street, wrong: str, right: str, key: str
) -> None:
    assert wrong in FINE
    street.lab.exec(NODE, ["sh", "-c", "cat > /run/wrong.toml"], text=FINE.replace(wrong, right))
    before = [street.run(NODE, *words, check=True)[1] for words in LOOKS]
    code, out = street.run(NODE, "meshctl", "agent", "--config", "/run/wrong.toml")

    assert code == 2, out
    assert f"meshctl: /run/wrong.toml: {key}: " in out
    assert out.strip().endswith(".")
    assert "Traceback" not in out
    assert [street.run(NODE, *words, check=True)[1] for words in LOOKS] == before


LOOKS = (
    ["nft", "-s", "-t", "list", "ruleset"],
    ["tc", "qdisc", "show"],
    ["tc", "class", "show", "dev", "br-lan"],
    ["ip", "address", "show", "dev", "br-lan"],
)
