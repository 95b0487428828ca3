"""A visitor is refused at once and sends nothing out; a member is not; whoever leaves is a visitor again."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator

import pytest

from tests.journeys.street import PORTAL4, PORTAL6, SITE4, SITE6, TICK, Street

PROBE = "http://connectivitycheck.gstatic.com/generate_204"

COUNT = """
table inet audit {
	counter arrived {
	}
	chain arriving {
		type filter hook prerouting priority raw;
		iifname != "lo" ip6 saddr & ffff:ffff:ffff:: == 2001:db8:44:: counter name arrived
		iifname != "lo" udp dport != 53 counter name arrived
		iifname != "lo" ip protocol { tcp, icmp } counter name arrived
	}
}
"""


@pytest.fixture
def quiet(street: Street) -> Iterator[Street]:
    """An audit at the far side of the line counts whatever arrives but the node's own questions and reports."""
    street.lab.exec("internet", ["nft", "-f", "-"], text=COUNT)
    yield street
    street.run("internet", "nft", "delete", "table", "inet", "audit")


def arrived(street: Street) -> int:
    words = street.run("internet", "nft", "list", "counter", "inet", "audit", "arrived", check=True)[1].split()
    return int(words[words.index("packets") + 1])


def test_nothing_of_a_visitor_leaves_by_either_family(quiet: Street) -> None:
    before = arrived(quiet)
    refused = [
        quiet.run("p-1", "curl", "-sS", "-m", "5", f"http://{SITE4}:8000/")[0],
        quiet.run("p-1", "curl", "-sS", "-g", "-m", "5", f"http://[{SITE6}]:8000/")[0],
        quiet.run("p-1", "curl", "-sS", "-m", "5", f"http://{SITE4}:53/")[0],
        quiet.run("p-1", "curl", "-sS", "-g", "-m", "5", f"http://[{SITE6}]:53/")[0],
        quiet.run("p-1", "curl", "-sS", "-m", "5", f"https://{SITE4}:853/")[0],
        quiet.run("p-1", "curl", "-sS", "-g", "-m", "5", f"https://[{SITE6}]:853/")[0],
        quiet.run("p-1", "ping", "-c1", "-W1", SITE4)[0],
        quiet.run("p-1", "ping", "-c1", "-W1", SITE6)[0],
    ]
    for site in (SITE4, SITE6):
        send = f"import socket; s = socket.socket(socket.AF_INET{'6' if ':' in site else ''}, socket.SOCK_DGRAM)"
        for port in (7, 53, 443):
            quiet.run("p-1", "/usr/bin/python3", "-c", f"{send}; s.sendto(b'x' * 40, ('{site}', {port}))")

    assert all(refused)
    assert arrived(quiet) == before


def test_a_foreign_resolver_does_not_answer_a_visitor(quiet: Street) -> None:
    ask = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2);"
        f"s.connect(('{SITE4}', 53));"
        "s.send(bytes.fromhex('000101000001000000000000076578616d706c65036f72670000010001')); s.recv(512)"
    )

    assert quiet.run("p-1", "/usr/bin/python3", "-c", ask)[0] != 0


def test_our_own_resolver_answers_a_visitor_by_datagrams_only(street: Street) -> None:
    script = f"""
import socket
question = bytes.fromhex("000101000001000000000000046d65736804686f6d650000010001")
for server in ("{PORTAL4}", "{PORTAL6.strip("[]")}"):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family, socket.SOCK_STREAM) as tcp:
        udp.settimeout(5); udp.connect((server, 53)); udp.send(question)
        tcp.settimeout(5); print(udp.recv(512)[-4:] == socket.inet_aton("{PORTAL4}"), tcp.connect_ex((server, 53)))
"""
    assert street.run("p-1", "/usr/bin/python3", "-c", script)[1].split() == ["True", str(errno.ECONNREFUSED)] * 2


def test_nobody_joins_for_another_by_naming_his_address(street: Street) -> None:
    other = str(street.lab.member("p-4")["ipv4"])
    words = ["-X", "POST"]
    for name in ("X-Forwarded-For", "X-Real-IP", "Client-IP"):
        words += ["-H", f"{name}: {other}"]
    assert street.fetch("p-1", f"http://{PORTAL4}/join", *words, "-H", f"Forwarded: for={other}").startswith("303")

    assert street.fetch("p-1", PROBE).startswith("204")
    assert street.fetch("p-4", PROBE).startswith("302")
    street.press("p-1", "leave")


@pytest.mark.parametrize("site", [SITE4, f"[{SITE6}]"])
def test_port_443_is_reset_at_once(street: Street, site: str) -> None:
    began = time.monotonic()
    code, _ = street.run("p-1", "curl", "-sS", "-g", "-m", "5", f"https://{site}/")

    assert code == 7
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_a_visitors_probe_is_sent_to_the_portal(street: Street, family: str) -> None:
    assert street.fetch("p-1", PROBE, family).startswith("302")


def test_after_joining_everything_passes_both_families_and_on_a_kept_alive_connection(street: Street) -> None:
    # The connection that was redirected is kept open over the join, as a browser does, then used again.
    script = f"""
import http.client, urllib.request
kept = {{site: http.client.HTTPConnection(site, 80, timeout=5) for site in ("{SITE4}", "{SITE6}")}}
for one in kept.values():
    one.request("GET", "/generate_204"); reply = one.getresponse(); reply.read()
    assert reply.status == 302, reply.status
door = http.client.HTTPConnection("{PORTAL4}", 80, timeout=5)
door.request("GET", "/"); door.getresponse().read()
door.request("POST", "/join"); reply = door.getresponse(); reply.read(); assert reply.status == 303, reply.status
for one in kept.values():
    try:
        one.request("GET", "/generate_204"); reply = one.getresponse()
    except (ConnectionError, http.client.HTTPException):
        one.close(); one.request("GET", "/generate_204"); reply = one.getresponse()
    reply.read(); assert reply.status == 204, reply.status
print("fine")
"""
    code, out = street.run("p-2", "/usr/bin/python3", "-c", script)

    assert (code, out.strip()) == (0, "fine")
    assert street.run("p-2", "ping", "-c1", "-W2", SITE4)[0] == 0
    assert street.run("p-2", "ping", "-c1", "-W2", SITE6)[0] == 0
    assert street.fetch("p-2", f"https://{SITE4}/generate_204", "-k").startswith("204")


@pytest.mark.parametrize("site", [SITE4, f"[{SITE6}]"])
def test_established_flows_stop_within_one_tick_of_leaving(street: Street, site: str) -> None:
    street.press("p-3", "join")
    words = ("curl", "-sS", "-g", "-m", "6", "-o", "/dev/null", f"http://{site}/bytes/100000000")
    loading = threading.Thread(target=lambda: street.run("p-3", *words))
    loading.start()
    idle = street.counter("p-3")
    while street.counter("p-3") - idle < 1_000_000:
        time.sleep(0.05)
    street.press("p-3", "leave")
    time.sleep(TICK)
    after_a_tick = street.counter("p-3")
    time.sleep(2.0)

    # What still arrives is not the download: at 20 Mbit/s that would be 5 MB.
    assert street.counter("p-3") - after_a_tick < 20_000
    loading.join()
    assert street.fetch("p-3", PROBE).startswith("302")


def test_a_datagram_flow_stops_within_one_tick_of_leaving(street: Street) -> None:
    street.press("p-4", "join")
    sender = (
        "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.2);"
        f"s.connect(('{SITE4}', 7)); got = 0; end = time.monotonic() + 6\n"
        "while time.monotonic() < end:\n"
        "    try:\n        s.send(b'x'); s.recv(64); got = time.monotonic()\n"
        "    except OSError:\n        pass\n"
        "    time.sleep(0.05)\n"
        "print(end - got)"
    )
    told: list[str] = []
    going = threading.Thread(target=lambda: told.append(street.run("p-4", "/usr/bin/python3", "-c", sender)[1]))
    going.start()
    time.sleep(2)
    street.press("p-4", "leave")
    going.join()

    assert float(told[0]) > 6 - 2 - TICK - 1
    assert street.fetch("p-4", PROBE).startswith("302")
