"""What the portal's user tries, and may not."""

from __future__ import annotations

import json
from functools import cache

import pytest

from tests.journeys.street import NODE, Street

pytestmark = pytest.mark.patient


@pytest.fixture
def portal(street: Street) -> list[str]:
    return as_portal(street)


@cache
def as_portal(street: Street) -> list[str]:
    """Words that run a program just as the portal runs: its user, no capability. Somebody has joined."""
    street.press("p-1", "join")
    assert street.lab.status()["separated"], (
        "privilege separation cannot be exercised by this user: give it subordinate ids in /etc/subuid and /etc/subgid"
    )
    services = street.lab.member(NODE)["services"]
    pid = next(service["pid"] for service in services if service["name"] == "portal")
    uid = street.lab.inside(["stat", "-c", "%u", f"/proc/{pid}"]).stdout.strip()
    assert uid != "0"
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
            "--no-new-privs"]  # fmt: skip


@pytest.fixture
def paths(street: Street) -> dict[str, str]:
    return paths_of(street)


@cache
def paths_of(street: Street) -> dict[str, str]:
    """Where this node keeps things."""
    return dict(json.loads(street.run(NODE, "meshctl", "config", "show", check=True)[1])["paths"])


@pytest.mark.parametrize(
    "attempt",
    [
        "nft list ruleset",
        "nft add element inet meshctl member { 02:00:00:00:00:01 : 5 }",
        "nft flush ruleset",
        "tc qdisc del dev br-lan root",
        "ip link set br-lan down",
        "ip addr add 192.0.2.1/32 dev br-lan",
        "conntrack -F",
        "sha256sum STATE/node.db",
        "cat STATE/node.key",
        "cat RUN/devices.json",
        "cat RUN/dnsmasq.leases",
        "sysctl -w net.ipv4.ip_forward=0",
    ],
)
def test_the_portal_cannot_change_the_kernel_or_read_who_is_there(
    street: Street, portal: list[str], paths: dict[str, str], attempt: str
) -> None:
    attempt = attempt.replace("STATE", paths["state"]).replace("RUN", paths["run"])
    # As the node's root the same words work, or the refusal would prove nothing.
    readable = attempt.startswith(("nft list", "cat ", "sha256sum "))
    if readable:
        assert street.run(NODE, *attempt.split())[0] == 0
    code, out = street.run(NODE, *portal, *attempt.split())

    assert code != 0, out
    assert any(word in out for word in ("ermission", "ermitted", "CAP_NET_ADMIN")), out


@pytest.mark.parametrize(
    "verb",
    [
        "status",
        "households",
        "household-add",
        "household-show",
        "household-code",
        "household-remove",
        "pause",
        "pause-end",
        "pauses",
        "why",
        "tick",
        "seen",
        "hazard",
        "members",
        "",
        "__class__",
    ],
)
def test_the_portal_is_refused_every_verb_that_is_not_its_own(
    street: Street, portal: list[str], paths: dict[str, str], verb: str
) -> None:
    request = json.dumps({"verb": verb, "address": "10.44.0.2", "hardware": "02:00:00:00:00:01"})
    talk = (
        f"import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('{paths['run']}/agent.sock');"
        f"s.sendall({request!r}.encode() + b'\\n'); print(s.makefile().readline())"
    )
    code, out = street.run(NODE, *portal, "/usr/bin/python3", "-c", talk)

    assert code == 0, out
    assert json.loads(out)["error"]["code"] == "forbidden"


@pytest.mark.parametrize("name", ["agent", "watch", "portal", "hub"])
def test_each_process_has_its_own_user_and_no_right_beyond_its_role(street: Street, name: str) -> None:
    allowed = {"agent": 1 << 12, "watch": 1 << 13, "portal": 0, "hub": 0}
    assert street.lab.status()["separated"]
    pid = next(one["pid"] for one in street.lab.member(NODE)["services"] if one["name"] == name)
    lines = street.lab.inside(["cat", f"/proc/{pid}/status"]).stdout.splitlines()
    status = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}

    assert status["Uid"][0] != "0"
    assert int(status["CapEff"][0], 16) == allowed[name]
    assert int(status["CapBnd"][0], 16) == allowed[name]
    assert status["NoNewPrivs"] == ["1"]


def test_garbage_on_the_socket_is_refused_line_by_line_and_the_agent_lives(
    street: Street, portal: list[str], paths: dict[str, str]
) -> None:
    def agent() -> int:
        services = street.lab.member(NODE)["services"]
        return int(next(service["pid"] for service in services if service["name"] == "agent"))

    before = agent()
    talk = f"""
import json, os, random, socket
random.seed(7)
s = socket.socket(socket.AF_UNIX); s.connect({paths["run"]!r} + "/agent.sock"); s.settimeout(10)
lines = s.makefile("rb")
odd = [b"", b"null", b"[]", b"7", b'"x"', b"{{}}", b'{{"verb": null}}', b'{{"verb": ["join"]}}', b"[" * 30000,
       b'{{"verb": "join"}}', b'{{"verb": "join", "address": {{}}}}',
       b'{{"verb": "link", "address": "10.44.0.2", "pass": 5}}',
       b'{{"verb": "device", "address": "::ffff:10.44.0.1%eth0"}}', b'{{"verb": "leave", "address": "999.1.1.1"}}']
for number in range(3000):
    junk = bytes(random.randrange(256) for _ in range(random.randrange(60))).replace(b"\\n", b"")
    s.sendall((odd[number % len(odd)] if number % 2 else junk) + b"\\n")
    reply = json.loads(lines.readline())
    assert reply["ok"] is False and reply["error"]["code"], reply
s.sendall(b'{{"verb": "line"}}' + b"\\n")
assert json.loads(lines.readline())["ok"]
print("fine")
"""
    code, out = street.run(NODE, *portal, "/usr/bin/python3", "-c", talk)

    assert (code, out.strip()) == (0, "fine")
    assert agent() == before
