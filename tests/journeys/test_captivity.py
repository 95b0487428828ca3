"""What devices are told of the portal, by the standards, on a real network: what holds, and while it holds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.street import SITE4, SITE6, Street, link, node, phones

pytestmark = pytest.mark.patient

NAME = "portal.lab.test"
API = f"https://{NAME}/captive"
UNRESTRICTED = "urn:ietf:params:capport:unrestricted"

SECURE = node("elm", 20, hub=True).replace("[node.uplink]", "secure = true\n[node.uplink]", 1) + (
    f'[node.portal]\nhost = "{NAME}"\nreachable = ["ocsp.lab.test:443", "time.lab.test:7/udp", "box.lab.test:80"]\n'
)
OPEN = node("oak") + '[node.portal]\nsplash = false\nhost = "oak.lab.test"\n'
TOPOLOGY = SECURE + OPEN + link("elm", "oak") + phones("e", "elm", 3) + phones("o", "oak", 1)

LEASE = """
folder=$(mktemp -d); cd $folder
printf '#!/bin/sh\\nenv | sed -n s/^opt114=//p >>%s/told\\n' $folder >script; chmod +x script; : >told; : >leases
udhcpc -n -q -f -i eth0 -t 5 -T 1 -A 1 -O 114 -s $folder/script >/dev/null 2>&1; cat told; rm -r $folder
"""

INFORMED = """
folder=$(mktemp -d); cd $folder
printf 'option dhcp6.capport code 103 = text;\\nalso request dhcp6.capport;\\n' >conf
printf '#!/bin/sh\\nenv | grep ^new_dhcp6_ >>%s/told; exit 0\\n' $folder >script; chmod +x script; : >told; : >leases
dhclient -6 -S -1 -d -sf $folder/script -cf $folder/conf -lf $folder/leases -pf $folder/pid eth0 >log 2>&1 &
client=$!
for turn in $(seq 100); do grep -q name_servers told && break; sleep 0.05; done
kill $client 2>/dev/null; sed -n 's/^new_dhcp6_capport=//p' told; rm -r $folder
"""

SOLICIT = """
import json, socket, struct, sys, time
tap = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
tap.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
tap.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
tap.sendto(struct.pack("!BBHI", 133, 0, 0, 0), ("ff02::2", 0))
found, end = [], time.monotonic() + float(sys.argv[1])
while (left := end - time.monotonic()) > 0:
    tap.settimeout(left)
    try:
        told, sender = tap.recvfrom(2048)
    except TimeoutError:
        break
    if told[0] != 134:
        continue
    options, at = {}, 16
    while at < len(told):
        options[told[at]] = told[at + 2 : at + 8 * told[at + 1]].rstrip(b"\\0").decode("latin-1")
        at += 8 * told[at + 1]
    found.append({"from": sender[0], "header": told[4:16].hex(), "options": sorted(options), "uri": options.get(37)})
    if 37 in options:
        break
print(json.dumps(found))
"""


@pytest.fixture
def door(stand: Callable[[str], Street]) -> Street:
    return stand(TOPOLOGY)


def by_dhcp4(street: Street, phone: str) -> str:
    told = street.run(phone, "sh", "-c", LEASE, check=True)[1].strip()
    return bytes.fromhex(told).decode()


def by_dhcp6(street: Street, phone: str) -> str:
    return street.run(phone, "sh", "-c", INFORMED)[1].strip().strip('"')


def by_routers(street: Street, phone: str, seconds: float = 3.0) -> list[dict[str, Any]]:
    """What routers say until one of them tells an address, at most so long."""
    words = ("/usr/bin/python3", "-c", SOLICIT, str(seconds))
    told: list[dict[str, Any]] = json.loads(street.run(phone, *words, check=True)[1])
    return told


def until_told(street: Street, wanted: str, phone: str = "e-1") -> None:
    """Wait until the agent says so and dnsmasq has read it: it drops the questions of who asks it again and again."""
    at = str(street.lab.member(phone)["at"])
    file = f"{street.lab.member(at)['run']}/dhcp.options"
    street.until(lambda: (wanted in street.run(at, "cat", file)[1]) if wanted else not street.run(at, "cat", file)[1])
    for _ in range(20):
        if by_dhcp4(street, phone) == wanted:
            return
        time.sleep(0.3)
    raise AssertionError(f"DHCP does not tell {wanted!r}")


def uris(street: Street, phone: str, seconds: float = 3.0) -> tuple[str, str, list[str]]:
    routers = [one["uri"] for one in by_routers(street, phone, seconds) if one["uri"]]
    return by_dhcp4(street, phone), by_dhcp6(street, phone), routers


def ask_api(street: Street, phone: str, *words: str) -> dict[str, Any]:
    accept = "Accept: text/html;q=0.1, application/captive+json;q=0.9"
    said: dict[str, Any] = json.loads(
        street.run(phone, "curl", "-sS", "-m", "5", *words, "-H", accept, API, check=True)[1]
    )
    return said


def portal_pid(street: Street) -> int:
    services = {one["name"]: one for one in street.lab.member("elm")["services"]}
    return int(services["portal"]["pid"])


def test_dhcp_and_routers_tell_the_same_address_of_an_api_that_answers(door: Street) -> None:
    until_told(door, API)
    assert by_dhcp6(door, "e-1") == API
    told = by_routers(door, "e-1")
    assert [row["uri"] for row in told if row["uri"]] == [API]
    assert len({(row["from"], row["header"]) for row in told}) == 1  # as one router speaks
    assert sorted({option for row in told for option in row["options"]}.intersection((3, 37))) == [3, 37]
    assert door.ask("status")["hazards"] == {}


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_the_api_says_what_the_firewall_does(door: Street, family: str) -> None:
    before = ask_api(door, "e-2", family)
    assert before == {
        "captive": True,
        "user-portal-url": f"https://{NAME}/",
        "venue-info-url": f"https://{NAME}/network",
        "can-extend-session": True,
    }
    door.press("e-2", "join")
    after = ask_api(door, "e-2", family)
    assert (after["captive"], 86_000 < after["seconds-remaining"] <= 86_400) == (False, True)
    assert door.online("e-2")
    door.press("e-2", "leave")
    assert ask_api(door, "e-2", family) == before


def test_a_visitor_reaches_what_it_needs_and_nothing_else(door: Street) -> None:
    send = (
        "import socket, sys; s = socket.socket(int(sys.argv[1]), socket.SOCK_DGRAM); s.settimeout(1);"
        "s.connect((sys.argv[2], int(sys.argv[3]))); s.send(b'x'); s.recv(9)"
    )
    for family, site in (("2", SITE4), ("10", SITE6)):
        host = f"[{site}]" if ":" in site else site
        assert door.fetch("e-3", f"https://{host}/generate_204", "-k", "-g").startswith("204")
        assert door.fetch("e-3", f"http://{host}/generate_204", "-g").startswith("204")
        assert door.run("e-3", "/usr/bin/python3", "-c", send, family, site, "7")[0] == 0
        assert door.run("e-3", "/usr/bin/python3", "-c", send, family, site, "9")[0] != 0
        assert door.run("e-3", "curl", "-sS", "-g", "-m", "2", f"http://{host}:8000/")[0] == 7
    assert ask_api(door, "e-3")["captive"] is True


def test_where_no_button_is_wanted_whoever_comes_is_in_and_told_so(door: Street) -> None:
    door.until(lambda: door.online("o-1"))
    until_told(door, UNRESTRICTED, "o-1")
    assert uris(door, "o-1") == (UNRESTRICTED, UNRESTRICTED, [UNRESTRICTED])
    assert "You are online" in door.run("o-1", "curl", "-sS", "http://oak.lab.test/")[1]
    assert door.ask("status", on="oak")["guests"] >= 0


def test_a_new_certificate_is_taken_up_and_a_spent_or_missing_one_is_told_to_nobody(door: Street) -> None:
    pid = portal_pid(door)
    show = ("curl", "-sS", "-o", "/dev/null", "-w", "%{certs}", "--cacert", "/etc/ssl/certs/ca-certificates.crt", API)
    before = door.run("e-1", *show, check=True)
    door.lab.issue_certificate("elm", 20)
    door.until(lambda: door.run("e-1", *show, check=True) != before, 15)
    assert by_dhcp4(door, "e-1") == API
    until_told(door, "")
    assert uris(door, "e-1", 0.8) == ("", "", [])
    assert door.run("e-1", "curl", "-sS", "-m", "5", API)[0] == 60
    assert door.fetch("e-1", f"http://{NAME}/captive", "-H", "Accept: application/captive+json").startswith("302")

    door.lab.issue_certificate("elm")
    until_told(door, API)
    door.lab.withdraw_certificate("elm")
    until_told(door, "")
    assert uris(door, "e-1", 0.8) == ("", "", [])
    assert portal_pid(door) == pid


def test_without_internet_no_probe_is_told_of_a_login_and_a_person_is_told_why(door: Street) -> None:
    # The captive door of a box that needs no opening for port 80.
    asked = ("curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}")
    door.lab.ask("uplink", node="elm", change="cut")
    where = f"http://{door.lab.member('elm')['ipv4']}:8080/generate_204"
    door.until(lambda: door.run("e-1", *asked, where)[0] == 52)
    assert door.run("e-1", *asked, "-H", "Accept: text/html", where) == (0, "503")
    assert door.fetch("e-1", f"http://{NAME}/").startswith("200")
    door.lab.ask("uplink", node="elm", change="heal")
    door.until(lambda: door.run("e-1", *asked, where) == (0, "302"))
