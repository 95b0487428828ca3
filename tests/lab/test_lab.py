from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from meshctl.lab.fault import LabError
from meshctl.lab.handle import Lab
from meshctl.lab.privilege import CAPABILITIES
from meshctl.lab.web import known_bytes

pytestmark = pytest.mark.lab

HARDWARE = re.compile(rb"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", re.IGNORECASE)
BITS = {"net_bind_service": 10, "net_admin": 12, "net_raw": 13}


def curl(lab: Lab, phone: str, *words: str) -> str:
    return lab.exec(phone, ["curl", "-sS", "-m", "10", *words]).stdout


def join(lab: Lab, phone: str) -> None:
    assert curl(lab, phone, "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "http://mesh.home/join") == "303"


def services(lab: Lab) -> dict[str, dict[str, Any]]:
    return {service["name"]: service for service in lab.member("elm")["services"]}


def test_status_lists_every_member_with_addresses_processes_and_pages(lab: Lab) -> None:
    status = lab.status()
    members = {member["name"]: member for member in status["members"]}
    assert set(members) == {"internet", "elm", "amal", "bo"}
    assert members["amal"]["ipv4"].startswith("10.44.")
    assert members["bo"]["ipv6"][0].startswith("2001:db8:44:")
    assert set(status["urls"]) == {"hub", "amal", "bo"}
    for service in members["elm"]["services"]:
        assert service["state"] == "ready"
        assert f"NSpid:\t{service['host_pid']}\t" in Path(f"/proc/{service['host_pid']}/status").read_text()


def test_services_run_with_the_rights_of_their_role_and_no_more(lab: Lab) -> None:
    separated = lab.status()["separated"]
    users = set()
    for name, service in services(lab).items():
        text = lab.inside(["cat", f"/proc/{service['pid']}/status"]).stdout
        fields = {key: value.split() for key, _, value in (line.partition(":") for line in text.splitlines())}
        allowed = sum(1 << BITS[capability] for capability in CAPABILITIES[name])
        assert int(fields["CapBnd"][0], 16) == allowed
        assert int(fields["CapEff"][0], 16) & ~allowed == 0
        assert fields["NoNewPrivs"] == ["1"]
        users.add(fields["Uid"][0])
    assert len(users) == (len(services(lab)) if separated else 1)
    assert not separated or "0" not in users


def test_no_hardware_address_reaches_the_disk(lab: Lab) -> None:
    hardware = lab.member("amal")["hardware"]
    assert HARDWARE.fullmatch(hardware.encode())
    lab.exec("amal", ["ping", "-c", "1", "10.44.0.1"])
    listing = lab.inside(["find", str(lab.place.folder), "-type", "f"]).stdout.splitlines()
    assert any(file.endswith("elm-agent.log") for file in listing)
    found = lab.inside(["grep", "--recursive", "--ignore-case", "--files-with-matches", "--text", "-e", hardware,
                        str(lab.place.folder)], check=False)  # fmt: skip
    assert (found.returncode, found.stdout) == (1, "")


@pytest.mark.parametrize(("command", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9)])
def test_exec_passes_the_exit_code_through(lab: Lab, command: str, code: int) -> None:
    assert lab.exec("amal", ["sh", "-c", command], check=False).returncode == code


def test_the_command_line_passes_input_output_and_exit_code_through(lab: Lab) -> None:
    argv = [sys.executable, "-m", "meshctl", "lab", "exec", "--name", lab.name, "amal", "--", "sh", "-c", "cat; exit 9"]
    done = subprocess.run(argv, input="through", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (9, "through")


def test_a_command_that_fails_is_an_error_with_its_words(lab: Lab) -> None:
    with pytest.raises(LabError, match="no such thing"):
        lab.exec("amal", ["sh", "-c", "echo no such thing >&2; exit 1"])
    with pytest.raises(LabError, match="there is no 'nobody'"):
        lab.member("nobody")


def test_on_a_node_meshctl_finds_its_configuration_as_on_a_board(lab: Lab) -> None:
    assert lab.exec("elm", ["meshctl", "status"]).stdout.startswith("elm ")
    assert "elm" in lab.exec("elm", ["meshctl", "config", "check"]).stdout


def test_pages_open_in_the_hosts_browser_as_the_phone_sees_them(lab: Lab) -> None:
    urls = lab.status()["urls"]
    for name, words in (("amal", b"<form"), ("hub", b"elm")):
        parts = urlsplit(urls[name])
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
        try:
            connection.request("GET", "/")
            reply = connection.getresponse()
            assert reply.status == 200
            assert words in reply.read()
        finally:
            connection.close()


def test_a_killed_service_is_back_and_nobody_is_refused_meanwhile(lab: Lab) -> None:
    before = services(lab)["portal"]["restarts"]
    lab.kill("elm", "portal")
    assert "ok" in curl(lab, "bo", "http://mesh.home/health")
    assert services(lab)["portal"]["restarts"] == before + 1


def test_phones_of_one_node_do_not_reach_each_other(lab: Lab) -> None:
    other = lab.member("bo")["ipv4"]
    assert lab.exec("amal", ["ping", "-c", "1", "-W", "1", other], check=False).returncode != 0


def test_a_phones_addresses_hide_its_hardware_unless_it_is_an_old_one(lab: Lab) -> None:
    def hides(phone: str) -> bool:
        digits = lab.member(phone)["hardware"].replace(":", "")
        own = ipaddress.IPv6Address(
            f"fe80::{int(digits[:2], 16) ^ 2:x}{digits[2:4]}:{digits[4:6]}ff:fe{digits[6:8]}:{digits[8:]}"
        )
        listed = json.loads(lab.exec(phone, ["ip", "-j", "-6", "addr", "show", "dev", "eth0"]).stdout)[0]["addr_info"]
        found = {int(ipaddress.IPv6Address(one["local"])) % 2**64 for one in listed}
        assert found
        return int(own) % 2**64 not in found

    assert hides("amal")
    assert len(lab.member("amal")["ipv6"]) == 2  # a stable one and a temporary one
    assert not hides("bo")


def test_frames_are_as_on_a_wire(lab: Lab) -> None:
    text = lab.exec("amal", ["ethtool", "-k", "eth0"]).stdout
    for feature in (
        "tx-tcp-segmentation",
        "tx-tcp6-segmentation",
        "generic-segmentation-offload",
        "generic-receive-offload",
    ):
        assert f"{feature}: off" in text


def test_the_internet_answers_what_phones_probe_and_serves_known_bytes(lab: Lab) -> None:
    join(lab, "amal")
    success = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>\n"
    for family in ("-4", "-6"):
        assert curl(lab, "amal", family, "http://captive.apple.com/hotspot-detect.html") == success
        code = ("-o", "/dev/null", "-w", "%{http_code}")
        assert curl(lab, "amal", family, *code, "http://connectivitycheck.gstatic.com/generate_204") == "204"
        assert curl(lab, "amal", family, *code, "https://www.google.com/generate_204") == "204"
        digest = lab.exec("amal", ["sh", "-c", f"curl -sS -m 10 {family} http://far.example/bytes/600000 | sha256sum"])
        assert digest.stdout.split()[0] == hashlib.sha256(known_bytes(0, 600_000)).hexdigest()
        posted = curl(lab, "amal", family, "--data-binary", "@/etc/services", "http://far.example/sink")
        assert posted == f'{{"received": {Path("/etc/services").stat().st_size}}}\n'
    assert curl(lab, "amal", "-4", "http://far.example/address") == "198.18.0.2\n"
    assert curl(lab, "amal", "-6", "http://far.example/address").strip() in lab.member("amal")["ipv6"]


def test_windows_finds_its_name_at_the_expected_addresses(lab: Lab) -> None:
    look = "import socket; print(sorted({a[4][0] for a in socket.getaddrinfo('dns.msftncsi.com', 80)}))"
    told = lab.exec("amal", ["/usr/bin/env", "python3", "-c", look]).stdout.strip()
    assert told == "['131.107.255.255', 'fd3e:4f5a:5b81::1']"


def test_phones_that_arrive_later_get_a_lease_and_join_at_once(lab: Lab) -> None:
    late = [f"late-{number}" for number in range(1, 6)]
    lab.add_phones("elm", late)
    told = lab.module("meshctl.lab.traffic", "join", "--portal", "10.44.0.1", *late)
    assert told["failed"] == 0
    assert set(told["phones"]) == set(late)
    moved = lab.module("meshctl.lab.traffic", "flows", "--seconds", "2", "--to", "2001:db8:feed::1", *late)
    assert 15 < moved["mbit"] < 21
    with pytest.raises(LabError, match="is taken"):
        lab.add_phones("elm", ["late-1"])
    with pytest.raises(LabError, match="no node 'oak'"):
        lab.add_phones("oak", ["another"])


def test_the_control_socket_refuses_nonsense_and_lives(lab: Lab) -> None:
    with pytest.raises(LabError, match="dance"):
        lab.ask("dance")
    with pytest.raises(LabError):
        lab.kill("elm", "nothing")
    assert lab.ask("status")["ready"]


def test_a_second_lab_of_the_same_name_is_refused_with_the_way_out(lab: Lab, small: Path) -> None:
    argv = [sys.executable, "-m", "meshctl", "lab", "up", "--name", lab.name, "--topology", str(small)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"meshctl lab down {lab.name}" in done.stderr


def test_the_host_gets_no_link_and_no_namespace_from_the_lab(lab: Lab) -> None:
    assert not Path("/sys/class/net/br-lan").exists()
    assert not Path("/run/netns/elm").exists()
    assert lab.init != os.getpid()
