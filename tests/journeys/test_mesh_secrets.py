"""Whoever records every link between the nodes, or takes their disks, learns neither household nor hardware address.

One limit is honest: an old phone that puts its hardware address into its IPv6 address (RFC 4291,
appendix A) shows it to everybody whom it sends a packet.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from meshctl.agent.mesh.daykeys import DayKey
from meshctl.lab.handle import Lab
from meshctl.lab.logbook import REMOVED
from meshctl.lab.shelter import PACKAGE
from tests.journeys.street import SITE4, SITE6, TICK, Street

pytestmark = pytest.mark.patient

NODES = ("elm", "oak", "ash")

Search = Callable[[dict[str, bytes]], dict[str, int]]


@contextmanager
def recorded(lab: Lab) -> Iterator[Search]:
    """Record every link between nodes; yields what counts where some bytes were."""
    words = ["env", f"PYTHONPATH={PACKAGE.parent}", sys.executable, "-m", "tests.journeys.capture", *NODES]
    with subprocess.Popen(
        lab.command(None, words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as recorder:
        assert recorder.stdin is not None
        assert recorder.stdout is not None
        asks, says = recorder.stdin, recorder.stdout
        assert says.readline() == "recording\n"

        def search(needles: dict[str, bytes]) -> dict[str, int]:
            asks.write(json.dumps({name: needle.hex() for name, needle in needles.items()}) + "\n")
            asks.flush()
            found: dict[str, int] = json.loads(says.readline())
            return found

        yield search
        asks.close()


def grouped(octets: bytes) -> str:
    """An interface identifier as it stands in an IPv6 address."""
    return ":".join(f"{int.from_bytes(octets[at : at + 2], 'big'):x}" for at in range(0, 8, 2))


def forms_of(hardware: str) -> dict[str, bytes]:
    """Every way to write a hardware address that a program has."""
    octets = bytes.fromhex(hardware.replace(":", ""))
    eui64 = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    bare = octets.hex()
    texts = {"colons": hardware, "hyphens": hardware.replace(":", "-"), "bare": bare,
             "EUI-64 in text": grouped(eui64), "EUI-64 bare": eui64.hex()}  # fmt: skip
    upper = {f"{name}, upper case": text.upper() for name, text in texts.items()}
    raw = {"raw": octets, "raw backwards": octets[::-1], "EUI-64": eui64, "EUI-64 backwards": eui64[::-1]}
    return {**raw, **{name: text.encode() for name, text in {**texts, **upper}.items()}}


def day_keys(ring: Street) -> list[DayKey]:
    """The living keys of the day, as a node holds them in RAM."""
    file = f"{ring.lab.member('elm')['run']}/day-keys.json"
    kept = json.loads(ring.run("elm", "cat", file, check=True)[1])["keys"]
    return [DayKey("", one["epoch"], bytes.fromhex(one["secret"]), 0.0) for one in kept]


def secrets_of(ring: Street, phones: tuple[str, ...], pass_text: str) -> dict[str, bytes]:
    """All that must stay unseen, by what it is."""
    handle, *rest = pass_text.split("-")
    found = {"the handle": handle.encode(), "the pass": pass_text.encode(), "the secret": "".join(rest).encode()}
    for at, key in enumerate(day_keys(ring)):
        hexes = {"key": key.secret.hex(), "mark": key.household_mark(handle)}
        for phone in phones:
            token = key.token(hardware_of(ring, phone))
            hexes |= {f"token of {phone}": token, f"mark of {phone}": key.guest_mark(token)}
        found |= {f"{what} {at}": bytes.fromhex(text) for what, text in hexes.items()}
        found |= {f"{what} {at} in hex": text.encode() for what, text in hexes.items()}
    for phone in phones:
        found |= {f"{phone}: {form}": octets for form, octets in forms_of(hardware_of(ring, phone)).items()}
    return found


def hardware_of(ring: Street, phone: str) -> str:
    return str(ring.lab.member(phone)["hardware"])


def is_rare(handle: str) -> bool:
    """Whether a handle can be looked for: one of figures or of letters only is a number, a word or a part of a hash."""
    return bool(set(handle) & set("0123456789")) and bool(set(handle) - set("0123456789ABCDEF"))


def rare_pass(ring: Street) -> str:
    """The pass of a new household."""
    while True:
        text = str(ring.ask("household", "add")["pass"])
        if is_rare(text.partition("-")[0]):
            return text
        ring.run("elm", "meshctl", "household", "remove", text.partition("-")[0], "--yes", check=True)


def link_home(ring: Street, phone: str) -> str:
    """Put a phone into a new household; return the pass."""
    text = rare_pass(ring)
    ring.await_roll(phone)
    assert ring.fetch(phone, f"http://{ring.portal(phone)}/pass", "--data-urlencode", f"pass={text}").startswith("303")
    return text


def download(ring: Street, phone: str) -> None:
    for site in (SITE4, f"[{SITE6}]"):
        assert ring.fetch(phone, f"http://{site}/bytes/20000") == "200 20000"


def live_a_little(ring: Street) -> str:
    """A guest and a home join at oak, use the line, move to ash, use it again; the guest leaves. Returns the pass."""
    ring.press("o-1", "join")
    text = link_home(ring, "o-2")
    for phone in ("o-1", "o-2"):
        ring.until(partial(ring.online, phone))
        download(ring, phone)
    ring.lab.roam_many({"o-1": "ash", "o-2": "ash"})
    for phone in ("o-1", "o-2"):
        ring.until(partial(ring.online, phone))
        download(ring, phone)
    ring.press("o-1", "leave")
    # Until gateway, hub and neighbours were told of everything: use, shares, announcements, reports.
    time.sleep(3 * TICK + 2)
    return text


def plant(ring: Street, needles: dict[str, bytes]) -> None:
    """Send every needle in the clear from one node to another."""
    program = (
        "import json, socket, sys; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
        f"[s.sendto(bytes.fromhex(one), ({ring.lab.member('elm')['ipv6'][0]!r}, 9)) for one in json.load(sys.stdin)]"
    )
    text = json.dumps([f"0011{needle.hex()}2233" for needle in needles.values()])
    ring.lab.exec("oak", ["/usr/bin/python3", "-c", program], text=text)


def test_who_records_every_link_learns_neither_who_nor_which_device(ring: Street) -> None:
    with recorded(ring.lab) as search:
        text = live_a_little(ring)
        needles = secrets_of(ring, ("o-1", "o-2"), text)
        found = search(needles)
        frames, lost = found.pop("frames"), found.pop("lost")

        assert frames > 500
        assert lost == 0
        assert {name for name, count in found.items() if count} == set()

        plant(ring, needles)
        ring.until(lambda: all(search(needles)[name] for name in needles))
    ring.lab.roam_many({"o-1": "oak", "o-2": "oak"})


def test_a_phone_with_its_hardware_address_in_its_ipv6_address_shows_it_with_every_packet(ring: Street) -> None:
    forms = forms_of(hardware_of(ring, "old"))
    with recorded(ring.lab) as search:
        ring.press("old", "join")
        ring.until(partial(ring.online, "old"))
        download(ring, "old")
        time.sleep(2 * TICK)
        found = search(forms)

    assert found["EUI-64"] > 0
    assert {form for form in forms if found[form]} == {"EUI-64"}


VISITED, BROWSER = "visited-fkq.example", "Browser-fkq/1.0"
PROCESSES = ("agent", "watch", "portal", "hub", "dnsmasq", "babeld")


def scan(ring: Street, folder: object, *words: str) -> list[str]:
    """What `meshctl privacy scan` finds in a folder of the lab; anything unread fails."""
    run = ["env", f"PYTHONPATH={PACKAGE.parent}", sys.executable, "-m", "meshctl", "privacy", "scan", str(folder)]
    done = ring.lab.inside([*run, "--json", *words], check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["unread"] == []
    return [f"{one['file']} {one['within']} {one['of']} {one['form']} {one['places']}" for one in told["found"]]


def browse(ring: Street, phone: str) -> None:
    """Ask for a name and pages, as a browser does that tells what it is."""
    ring.run(phone, "getent", "ahosts", VISITED)
    for url in (f"http://{ring.portal(phone)}/", f"http://{SITE4}/bytes/2000"):
        ring.fetch(phone, url, "-A", BROWSER, "-H", f"Host: {VISITED}", "-e", f"http://{VISITED}/")


def test_whoever_takes_every_disk_finds_no_device_no_visit_and_no_erased_home(ring: Street) -> None:
    browse(ring, "o-1")
    ring.press("o-1", "join")
    ring.press("old", "join")
    text = link_home(ring, "o-2")
    handle, secret = text.split("-", 1)
    for phone in ("o-1", "o-2", "old"):
        ring.until(partial(ring.online, phone))
        browse(ring, phone)
        download(ring, phone)
    ring.turns(2)
    folder = ring.lab.place.folder
    assert scan(ring, folder, "--text", handle), "a home that lives is on disks"
    ring.run("elm", "meshctl", "household", "remove", handle, "--yes", check=True)

    hardware = [word for phone in ("o-1", "o-2", "old") for word in ("--address", hardware_of(ring, phone))]
    texts = (handle, text, secret, secret.replace("-", ""), VISITED, BROWSER)
    words = [*hardware, *(word for text in texts for word in ("--text", text))]
    began = time.monotonic()
    while left := scan(ring, folder, *words):
        assert time.monotonic() - began < 30, left
    # What was cut from a process's words on their way to its log would be in the journal of a board.
    files = [file for file in ring.lab.place.logs.iterdir() if file.name.partition(".")[0].endswith(PROCESSES)]
    assert len(files) >= 3 * len(PROCESSES) - 2
    assert [file.name for file in files if REMOVED in file.read_bytes()] == []

    run = ring.lab.member("oak")["run"]
    assert ring.run("oak", "stat", "-f", "-c", "%T", f"{run}/dnsmasq.leases", check=True)[1].strip() == "tmpfs"
    assert scan(ring, run, *hardware), "RAM does hold them, and the scan finds them there"
