"""What nodes believe, and what can be read on the way between them."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from nacl.signing import SigningKey

from meshctl.lab.fault import LabError
from meshctl.lab.shelter import PACKAGE
from meshctl.lab.story.stage import GATEWAY, NODES, SITE4, Claim, Story
from meshctl.lists import read_unchecked_roster, sign_roster

ROSTER = "/etc/meshctl/roster.json"


def lists(story: Story) -> Iterator[Claim]:
    """A newer roster goes around by itself; an older one and a stranger's are refused."""
    text = story.lab.inside(["cat", str(story.lab.place.folder / "community.key")]).stdout
    key = SigningKey(base64.b64decode(text))
    roster = read_unchecked_roster(story.lab.exec(GATEWAY, ["cat", ROSTER]).stdout.encode())

    def put(node: str, version: int, signer: SigningKey) -> None:
        body = sign_roster(replace(roster, version=version), signer).decode()
        story.lab.exec(node, ["tee", ROSTER], text=body)

    def held() -> list[int]:
        return [int(story.mesh(name).get("roster", 0)) for name in NODES]

    put("elm", 3, key)
    took = story.until("roster 3 is in force everywhere", lambda: held() == [3] * 3)
    yield Claim(f"roster 3, put on elm, is in force at all three after {took:.1f} s", held=True)
    put("ash", 2, key)
    put("oak", 9, SigningKey.generate())
    for name, offered in (("ash", "an older one, rightly signed"), ("oak", "a newer one, signed by a stranger")):
        story.until(f"{name} says what it refused", lambda name=name: story.mesh(name).get("fault"))  # type: ignore[misc]
        fault = story.mesh(name)["fault"].removeprefix(f"{ROSTER}: ")
        yield Claim(f"{name} was offered {offered}: {fault}", held() == [3] * 3)
    for name in NODES:
        put(name, 4, key)


def capture(story: Story) -> Iterator[Claim]:
    """On the link between two nodes a join and a download show neither a household nor a device."""
    devices = sorted(story.mesh_devices(GATEWAY))
    story.lab.roam("femi", "oak", wait=False)
    story.until("femi has an address at oak", lambda: len(story.addresses("femi")) > 1, 20)
    story.say("while femi joins at oak, enters a new home's pass and downloads, heard on both of elm's links")
    with listening(story, devices) as heard:
        joined = story.join("femi", portal=story.portal("femi"))["failed"] == 0
        made = story.node("household", "add")
        story.link("femi", made["pass"])
        size = story.curl("femi", "-o", "/dev/null", "-w", "%{size_download}", f"http://{SITE4}/bytes/1000000")
        member = story.lab.member("femi")
        heard.update(address=member["ipv4"], never=secret_words(made, str(member["hardware"])))
    fine = joined and size == "1000000" and heard["client"] > 500 and heard["agents"] > 2 and not heard["missed"]
    yield Claim(
        f"{heard['frames']:,} frames heard, {heard['client']:,} of femi's and {heard['agents']} between agents, "
        f"{heard['missed']} missed",
        fine,
    )
    told = f"but {', '.join(heard['crossed'])} did" if heard["crossed"] else "in letters or in bytes"
    yield Claim(f"neither the home's handle or pass nor femi's hardware address crossed, {told}", not heard["crossed"])


@contextmanager
def listening(story: Story, devices: list[str]) -> Iterator[dict[str, Any]]:
    """Listen on devices of the gateway while the block runs.

    The block puts ``never`` and ``address`` into what it is given; afterwards what was heard is in there too.
    """
    argv = ["env", f"PYTHONPATH={PACKAGE.parent}", sys.executable, "-m", "meshctl.lab.story.capture", GATEWAY, *devices]
    with subprocess.Popen(
        story.lab.command(None, argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        told: dict[str, Any] = {}
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield told
        finally:
            out, _ = process.communicate(json.dumps(told), timeout=30)
        if process.returncode != 0:
            raise LabError(f"listening on {' and '.join(devices)} ended with {process.returncode}.")
        told.update(json.loads(out))


def secret_words(made: dict[str, Any], hardware: str) -> dict[str, str]:
    """What must never cross, as hex by name. ``ff:fe`` in the midst makes an address of IPv6 (RFC 4291)."""
    digits = hardware.replace(":", "")
    flipped = f"{int(digits[:2], 16) ^ 2:02x}{digits[2:6]}fffe{digits[6:]}"
    texts = {
        "the handle": made["handle"],
        "the pass": made["pass"],
        "the pass without hyphens": made["pass"].replace("-", ""),
        "the address in letters": hardware,
        "the address in digits": digits,
    }
    return {"the address": digits, "its EUI-64": flipped, **{name: one.encode().hex() for name, one in texts.items()}}
