"""What must hold on a board that the playbook has been run on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.deploy.machine import Machine
from tests.deploy.play import NAME, PORTAL, Playbook
from tests.deploy.steps import claim, run, step, until
from tests.deploy.steward import Steward
from tests.deploy.street import (
    ACCESS4,
    ACCESS6,
    BOARD_MANAGEMENT,
    INTERNET4,
    INTERNET6,
    NEXT4,
    NEXT6,
    NODE4,
    PAGE,
    PHONE_HARDWARE,
    Street,
)

SERVICES = ("agent", "watch", "portal", "hub", "dnsmasq", "babeld")
SOCKETS = ("agent", "portal", "captive", "secure", "hub")
API = f"https://{PORTAL}/captive"
HUB = f"http://{BOARD_MANAGEMENT}:8090"

_FIRST_REPORT = (
    "import sqlite3; hub = sqlite3.connect('file:/var/lib/meshctl-hub/hub.db?mode=ro', uri=True); "
    "print(*hub.execute('SELECT MIN(sequence) FROM report').fetchone())"
)

# What the portal tells the agent of its certificate.
_TELL = (
    "import socket, sys; door = socket.socket(socket.AF_UNIX); door.connect('/run/meshctl/agent.sock'); "
    'door.sendall(b\'{"verb": "secure-door", "usable": %s}\\n\' % sys.argv[1].encode()); print(door.recv(4096))'
)

_NET_ADMIN, _NET_RAW = 1 << 12, 1 << 13
_CAPABILITIES = {"agent": _NET_ADMIN, "babeld": _NET_ADMIN, "watch": _NET_RAW, "portal": 0, "hub": 0}
_EXPOSURE_LIMIT = {"portal": 2.5, "hub": 2.5}


def services_run(machine: Machine) -> None:
    """Every unit is active, none has failed, none restarts."""
    units = [f"meshctl-{name}.service" for name in SERVICES] + [f"meshctl-{name}.socket" for name in SOCKETS]
    with step("every service runs") as now:
        for unit in units:
            ask = ["systemctl", "is-active", unit]
            until(lambda a=ask: machine.inside(*a, check=False).strip(), lambda s: s == "active", unit)  # type: ignore[misc]
        failed = machine.inside("systemctl", "--failed", "--no-legend", "--plain", check=False).strip()
        claim(failed == "", f"failed units:\n{failed}")
        restarts = {name: _property(machine, name, "NRestarts") for name in SERVICES}
        claim(set(restarts.values()) == {"0"}, f"services restarted: {restarts}")
        now.say(f"{len(units)} units active, none failed, none restarted")


def services_have_only_what_they_need(machine: Machine) -> None:
    """Each process has its own user, the promised capabilities and no way to gain more."""
    with step("each service has only what it needs") as now:
        for name, capabilities in _CAPABILITIES.items():
            status = machine.inside("cat", f"/proc/{_property(machine, name, 'MainPID')}/status")
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
                claim(int(fields[kind], 16) == capabilities, f"{name}: {kind} is {fields[kind]}")
            claim(fields["NoNewPrivs"] == "1", f"{name} may gain privileges")
            claim(fields["Seccomp"] == "2", f"{name} may make any system call")
            uid = machine.inside("id", "-u", f"meshctl-{name}").strip()
            claim(set(fields["Uid"].split()) == {uid}, f"{name} runs as {fields['Uid']}, not as meshctl-{name}")
        for name in ("portal", "hub"):
            fault = _read_as(machine, name, "/var/lib/meshctl/node.key")
            claim("denied" in fault or "No such file" in fault, f"{name} can read the node's key: {fault}")
        for name in ("agent", "watch", "hub"):
            fault = _read_as(machine, name, "/etc/meshctl/tls/portal.key")
            claim("denied" in fault, f"{name} can read the portal's key: {fault}")
        now.say(f"exposure {_exposures(machine)}")


def phone_joins(street: Street) -> None:
    """A phone gets addresses, is a visitor, presses the button and is online, IPv4 and IPv6."""
    with step("a phone gets its addresses") as now:
        address, router, resolver = street.lease()
        claim(router == NODE4 and resolver == NODE4, f"router {router} and resolver {resolver}, not {NODE4}")
        address6 = until(street.phone_ipv6, bool, "the phone has an IPv6 address")
        found = street.lookup("phone", PORTAL, NODE4)
        claim(NODE4 in found.partition(PORTAL)[2], f"{PORTAL} is not this node: {found}")
        now.say(f"{address} and {address6}")
    with step("it is a visitor: led to the portal, nothing leaves"):
        for host in (INTERNET4, f"[{INTERNET6}]"):
            seen = street.head("phone", f"http://{host}/generate_204")
            claim(seen == f"302 http://{PORTAL}/", f"http://{host} answered {seen}")
        claim(not any(street.pings("phone", to) for to in (INTERNET4, INTERNET6)), "an echo came back")
    with step("it joins by one button"):
        at = ["--resolve", f"{PORTAL}:80:{NODE4}"]
        page = street.get("phone", f"http://{PORTAL}/", *at)
        claim("<button" in page, f"the portal shows no button: {page}")
        seen = street.head("phone", f"http://{PORTAL}/join", *at, "--data", "")
        claim(seen.startswith("303"), f"joining answered {seen}")
    with step("it is online over IPv4 and IPv6"):
        for host in (INTERNET4, f"[{INTERNET6}]"):
            page = street.get("phone", f"http://{host}/")
            claim(page == PAGE, f"http://{host} answered {page!r}")
        claim(all(street.pings("phone", to) for to in (INTERNET4, INTERNET6)), "no echo comes back")


def phones_are_told_of_an_api(street: Street, machine: Machine, root: str) -> None:
    """DHCP tells where the API is, and that answers over TLS to whoever believes the certificate's authority."""
    with step("DHCP tells a phone where the captive portal API is, and it answers over TLS") as now:
        # dnsmasq is not asked again and again: a device that does that gets no answer.
        _options_read(machine, 1)
        told = street.told_of_portal()
        claim(told == API, f"option 114 tells of {told!r}")
        at = ["--resolve", f"{PORTAL}:443:{NODE4}", "--cacert", root, "--header", "Accept: application/captive+json"]
        said = street.get("phone", API, *at)
        claim('"captive":false' in said, f"the API says {said!r} of a phone that has joined")
        now.say(said.strip())


def no_change_is_missed(machine: Machine) -> None:
    """What DHCP tells is taken up also where it changed while systemd did not look, as when it reads its units anew."""
    with step("dnsmasq reads also what changed while systemd did not look") as now, _silenced(machine, "portal"):
        for times, usable in enumerate(("false", "true"), start=_options_read(machine)):
            machine.inside("systemctl", "stop", "meshctl-dhcp.path")
            machine.inside("python3", "-c", _TELL, usable)
            machine.inside("systemctl", "start", "meshctl-dhcp.path")
            now.say(f"{_options_read(machine, times)} times by now")


def nodes_next_door_are_routed_to(street: Street) -> None:
    """babeld sets routes to the prefixes of the node next door, and that one learns ours and the way out."""
    with step("babeld routes to the node next door, and back") as now:
        for place, prefixes in (("board", (NEXT4, NEXT6)), ("next", (ACCESS4, ACCESS6, "0.0.0.0/0", "::/0"))):
            for prefix in prefixes:
                until(lambda p=place, to=prefix: street.routes(p, to), bool, f"{place} has a route to {prefix}", 60)  # type: ignore[misc]
        now.say(street.routes("board", NEXT4).strip())


def only_enrolled_nodes_are_believed(street: Street, machine: Machine, playbook: Playbook, steward: Steward) -> None:
    """The hub refuses the node until the steward has enrolled it, and then has its first report too."""
    with step("the hub does not believe a node that nobody enrolled") as now:
        refused = until(lambda: _overview(street).get("refused", {}), lambda r: "unknown-node" in r, "it is refused")
        claim(_reported_boot(street) == 0, "it is believed")
        now.say(f"refused: {refused}")
    with step("the steward enrols it as the playbook said, and the playbook brings the roster") as now:
        words = playbook.enrolment()
        now.say(steward.enrol(*words).strip())
        services = ("agent", "hub")
        before = [_property(machine, name, "MainPID") for name in services]
        claim(playbook.run().changed == 1, f"more than the roster changed: {playbook.changed()}")
        claim([_property(machine, name, "MainPID") for name in services] == before, "a service was restarted")
    with step("the hub has every report since its first"):
        until(lambda: _reported_boot(street), bool, "the node is believed")
        first = ["python3", "-c", _FIRST_REPORT]
        until(
            lambda: machine.inside(*first).strip(), lambda number: number == "1", "the first report that the hub holds"
        )


def hub_lists_the_node(street: Street, after_boot: int = 0) -> int:
    """The hub accepts what the node reports since ``after_boot``; return the boot that it reports from."""
    with step("the hub has accepted the node's report and shows it") as now:
        boot = until(lambda: _reported_boot(street), lambda boot: boot > after_boot, f"a boot later than {after_boot}")
        claim(NAME in street.get(None, f"{HUB}/"), "the dashboard does not show the node")
        claim(street.head(None, f"{HUB}/public").startswith("200"), "there is no public page")
        seen = street.head("phone", f"http://{NODE4}:8090/")
        claim(seen == f"303 http://{NODE4}:8090/public", f"the phone is shown the dashboard: {seen}")
        now.say(f"boot {boot}")
    return boot


def nothing_about_phones_is_on_the_card(machine: Machine) -> None:
    """No hardware address was written to the card, however encoded, and our services log none."""
    scan = ["privacy", "scan", "--json", "--address", PHONE_HARDWARE]
    with step("the phone's hardware address is nowhere on the card") as now:
        told = json.loads(run([sys.executable, "-m", "meshctl", *scan, str(machine.written)], check=False))
        claim(told["found"] == [], f"it is on the card: {told['found']}")
        now.say(f"{told['files']} files, {told['bytes'] >> 20} MB")
    with step("nor in what our services log, says the scan on the board"):
        board, said = " ".join(["/opt/meshctl/current/bin/meshctl", *scan]), "journalctl -u 'meshctl-*' -o export"
        told = json.loads(machine.inside("sh", "-c", f"{said} | {board} - /var/lib/meshctl /etc/meshctl"))
        claim((told["found"], told["unread"]) == ([], []), f"{told['found']} {told['unread']}")
        claim(told["bytes"] > 10_000, "there was nothing to search")
    with step("nor can it come there by a core file"):
        for name in ("agent", "watch", "portal", "dnsmasq"):
            claim(_property(machine, name, "LimitCORE") == "0", f"{name} may leave a core file")


def going_back_and_forth_keeps_the_phone_online(street: Street, machine: Machine, playbook: Playbook) -> None:
    """Another release takes over and hands back, by the link alone, and the phone notices nothing."""
    first = machine.inside("readlink", "/opt/meshctl/current").strip().removeprefix("releases/")
    with step("update to another release, and back, while the phone is online") as now, _echoes(street) as lost:
        machine.inside("cp", "-a", f"/opt/meshctl/releases/{first}", "/opt/meshctl/releases/other")
        for name in ("other", first):
            begun = _property(machine, "agent", "MainPID")
            claim(playbook.run("-e", f"release_name={name}").changed > 0, f"nothing changed for release {name}")
            link = machine.inside("readlink", "/opt/meshctl/current").strip()
            claim(link == f"releases/{name}", f"current is {link}, not {name}")
            claim(_property(machine, "agent", "MainPID") != begun, "the agent was not restarted")
    with step("no packet was lost meanwhile") as now:
        now.say(lost[0])
        claim(", 0% packet loss" in lost[0], lost[0])


def _overview(street: Street) -> dict[str, Any]:
    text = street.get(None, f"{HUB}/?json")
    return dict(json.loads(text)) if text else {}


def babeld_goes_with_the_links(machine: Machine, playbook: Playbook) -> None:
    """Where no device faces other nodes any more, babeld is stopped and nothing of it starts again."""
    with step("take the link away: babeld is stopped and removed"):
        playbook.run("-e", json.dumps({"node_mesh_devices": []}))
        units = machine.inside("systemctl", "list-units", "--all", "--plain", "--no-legend", "*babeld*")
        claim("running" not in units, f"babeld still runs: {units}")
        left = machine.inside(
            "sh", "-c", "ls /etc/meshctl/babeld.conf /etc/systemd/system/meshctl-babeld* 2>/dev/null || :"
        )
        claim(left == "", f"there is still {left}")
        failed = machine.inside("systemctl", "--failed", "--no-legend", "--plain", check=False).strip()
        claim(failed == "", f"failed units:\n{failed}")


@contextmanager
def _echoes(street: Street) -> Iterator[list[str]]:
    command = ["ip", "netns", "exec", "phone", "ping", "-q", "-i", "0.2", INTERNET4]
    result: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as echoes:
        try:
            yield result
        finally:
            echoes.send_signal(2)
            text = echoes.communicate(timeout=10)[0]
            result.append(next((line for line in text.splitlines() if "packet loss" in line), text))


def _reported_boot(street: Street) -> int:
    text = street.get(None, f"{HUB}/api/v1/nodes")
    nodes = {node["name"]: node for node in json.loads(text)["nodes"]} if text else {}
    return int(nodes.get(NAME, {}).get("boot", 0))


def _options_read(machine: Machine, more_than: int = 0) -> int:
    ask = ["journalctl", "--no-pager", "--boot", "--unit=meshctl-dnsmasq", "--output=cat"]
    return until(
        lambda: machine.inside(*ask).count("dhcp.options"), lambda times: times > more_than, "dnsmasq reads its options"
    )


@contextmanager
def _silenced(machine: Machine, name: str) -> Iterator[None]:
    signal = ["systemctl", "kill", f"meshctl-{name}.service", "--signal"]
    machine.inside(*signal, "STOP")
    try:
        yield
    finally:
        machine.inside(*signal, "CONT")


def _property(machine: Machine, name: str, key: str) -> str:
    return machine.inside("systemctl", "show", "--value", f"--property={key}", f"meshctl-{name}.service").strip()


def _read_as(machine: Machine, name: str, path: str) -> str:
    pid = _property(machine, name, "MainPID")
    drop = ["setpriv", f"--reuid=meshctl-{name}", f"--regid=meshctl-{name}", "--clear-groups", "--inh-caps=-all"]
    return machine.inside("sh", "-c", f"nsenter -t {pid} -m -- {' '.join(drop)} cat {path} 2>&1 || true")


def _exposures(machine: Machine) -> str:
    listed = json.loads(machine.inside("systemd-analyze", "security", "--no-pager", "--json=short"))
    figures = {}
    for row in listed:
        unit = re.fullmatch(r"meshctl-(.+)\.service", row["unit"])
        if unit and unit[1] in SERVICES:
            figures[unit[1]] = float(row["exposure"])
    for name, limit in _EXPOSURE_LIMIT.items():
        claim(figures[name] <= limit, f"meshctl-{name}.service is exposed {figures[name]}, more than {limit}")
    return ", ".join(f"{name} {figure}" for name, figure in figures.items())
