"""The story `make demo` tells: each step does something real, measures it, and says whether the claim held."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from meshctl.lab.handle import Lab

TOPOLOGY = Path(__file__).with_name("topologies") / "demo.toml"
TICK = 2.0
NODE = "elm"
PORTAL, SITE4, SITE6 = "10.44.0.1", "198.51.100.1", "2001:db8:feed::1"
GUESTS = [f"guest-{number}" for number in range(1, 65)]
_TRAFFIC = "meshctl.lab.traffic"


@dataclass(frozen=True)
class Outcome:
    """What a step measured, and whether its claim held."""

    measured: str
    held: bool


@dataclass(frozen=True)
class Step:
    """One step: what is claimed, and what shows it."""

    claim: str
    show: Callable[[Story], Outcome]


class Story:
    """The lab with what earlier steps left for later ones."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.urls: dict[str, str] = lab.status()["urls"]

    def phones(self) -> list[dict[str, Any]]:
        """The six phones' status."""
        return [m for m in self.lab.status()["members"] if m["kind"] == "phone" and m["name"] not in GUESTS]

    def curl(self, phone: str, *words: str, check: bool = True) -> str:
        """What curl printed inside a phone."""
        return self.lab.exec(phone, ["curl", "-sS", "-m", "20", *words], check=check).stdout

    def node(self, *words: str) -> Any:
        """What `meshctl … --json` says on the node."""
        return json.loads(self.lab.exec(NODE, ["meshctl", *words, "--json"]).stdout)

    def add_home(self, phone: str) -> str:
        """Make a household and bring its pass to a phone; return the handle."""
        home = self.node("household", "add")
        self.curl(phone, "-o", "/dev/null", "--data-urlencode", f"pass={home['pass']}", f"http://{PORTAL}/pass")
        return str(home["handle"])

    def carried(self, handle: str) -> int:
        """Bytes of frames the ledger has delivered to a household."""
        rows = self.node("household", "list")["households"]
        return int(next(row["bytes"]["down"] for row in rows if row["handle"] == handle))

    def received(self, phone: str) -> int:
        """Bytes of frames a phone's own interface has received."""
        return int(self.lab.exec(phone, ["cat", "/sys/class/net/eth0/statistics/rx_bytes"]).stdout)

    def flows(self, *words: str) -> dict[str, Any]:
        """Run real flows and return what the phones' interfaces counted."""
        found: dict[str, Any] = self.lab.module(_TRAFFIC, "flows", *words)
        return found


def leases(story: Story) -> Outcome:
    """Every phone has an address of each family from the node."""
    phones = story.phones()
    both = [phone for phone in phones if phone["ipv4"] and phone["ipv6"]]
    return Outcome(f"{len(both)} of {len(phones)} phones have an IPv4 lease and an IPv6 address", both == phones)


def captured(story: Story) -> Outcome:
    """A visitor's probe is sent to the portal, 443 is reset at once, and nothing leaves."""
    probe = "http://connectivitycheck.gstatic.com/generate_204"
    sent = [story.curl("amal", f"-{f}", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", probe) for f in "46"]
    began = time.monotonic()
    shut = story.lab.exec("amal", ["curl", "-sS", "-m", "5", f"https://{SITE4}/"], check=False).returncode
    took = time.monotonic() - began
    ping = story.lab.exec("amal", ["ping", "-c1", "-W1", SITE4], check=False).returncode
    held = all(word.startswith("302 http://mesh.home") for word in sent) and shut == 7 and took < 1 and ping != 0
    return Outcome(f"IPv4 and IPv6 probes: {sent[0]}; port 443 refused in {took * 1000:.0f} ms; ping refused", held)


def join(story: Story) -> Outcome:
    """One button, and the first packet is through."""
    names = [phone["name"] for phone in story.phones()]
    found = story.lab.module(_TRAFFIC, "join", *names, "--portal", PORTAL)
    times = [one["first_packet"] for one in found["phones"].values() if one["first_packet"]]
    slowest = max(times, default=99.0)
    held = len(times) == len(names) and slowest <= 0.5
    return Outcome(f"{len(times)} of {len(names)} at once; slowest {slowest * 1000:.0f} ms from click to packet", held)


def download(story: Story) -> Outcome:
    """Known bytes arrive over both families."""
    sizes = [
        story.curl("chidi", f"-{family}", "-o", "/dev/null", "-w", "%{size_download}", f"http://{site}/bytes/2000000")
        for family, site in (("4", SITE4), ("6", f"[{SITE6}]"))
    ]
    return Outcome(f"IPv4 {int(sizes[0]):,} bytes, IPv6 {int(sizes[1]):,} bytes", sizes == ["2000000"] * 2)


def ledger(story: Story) -> Outcome:
    """The ledger has what the phone's own interface counted."""
    handle = story.add_home("amal")
    before, count = story.received("amal"), story.carried(handle)
    for family, site in (("4", SITE4), ("6", f"[{SITE6}]")):
        story.curl("amal", f"-{family}", "-o", "/dev/null", f"http://{site}/bytes/4000000")
    phone = story.received("amal") - before
    time.sleep(TICK * 1.5)
    written = story.carried(handle) - count
    off = abs(written - phone) / phone
    return Outcome(f"interface {phone:,} bytes, ledger {written:,}: {off:.2%} apart", off <= 0.01)


def two_homes(story: Story) -> Outcome:
    """Eight flows get no more than one: shares belong to homes, not to flows."""
    story.add_home("bo")
    told, held = [], True
    for family, site in (("IPv4", SITE4), ("IPv6", SITE6)):
        found = story.flows("amal=8", "bo=1", "--to", site, "--seconds", "5", "--warmup", "2")
        a, b = (found["phones"][name]["frames"] * 8 / found["seconds"] / 1e6 for name in ("amal", "bo"))
        index = (a + b) ** 2 / (2 * (a * a + b * b))
        told.append(f"{family} {a:.2f} and {b:.2f} Mbit/s (Jain {index:.4f}, line {found['mbit'] / 20:.1%} used)")
        held &= index >= 0.99 and found["mbit"] >= 0.95 * 20
    return Outcome("; ".join(told), held)


def crowd(story: Story) -> Outcome:
    """64 guests do not crowd out a home."""
    story.lab.add_phones(NODE, GUESTS)
    story.lab.module(_TRAFFIC, "join", *GUESTS, "--portal", PORTAL)
    found = story.flows("amal=4", *GUESTS, "--seconds", "6", "--warmup", "4")
    home = found["phones"]["amal"]["frames"] / found["frames"]
    guests = [found["phones"][name]["frames"] for name in GUESTS]
    lowest = min(guests) * 8 / found["seconds"] / 1000
    told = f"home {home:.1%} of {found['mbit']:.1f} Mbit/s; the least of 64 guests had {lowest:.0f} kbit/s"
    return Outcome(told, home >= 0.70 and min(guests) > 0)


def repair(story: Story) -> Outcome:
    """A table emptied by hand is put back within a turn, and the ledger is whole."""
    before = story.node("status")
    story.lab.exec(NODE, ["nft", "flush", "ruleset"])
    began = time.monotonic()
    while time.monotonic() - began < 3 * TICK:
        if story.lab.exec(NODE, ["nft", "list", "map", "inet", "meshctl", "member"], check=False).returncode == 0:
            break
        time.sleep(0.1)
    took = time.monotonic() - began
    online = story.curl("bo", "-o", "/dev/null", "-w", "%{http_code}", f"http://{SITE4}/generate_204", check=False)
    after = story.node("status")
    whole = all(after["ledger"][side] >= before["ledger"][side] for side in ("down", "up"))
    held = took <= TICK + 0.5 and after["repairs"] > before["repairs"] and whole and bool(online)
    return Outcome(f"put back after {took:.1f} s (a turn is {TICK:g} s); repairs {after['repairs']}", held)


def killed(story: Story) -> Outcome:
    """kill -9 of every process in the middle of a download: it goes on, and nothing counts twice."""
    handle = story.add_home("bo")
    before, count = story.received("bo"), story.carried(handle)
    size = 12_000_000
    words = ["curl", "-sS", "-m", "30", "-o", "/dev/null", "-w", "%{size_download}", f"http://{SITE4}/bytes/{size}"]
    got: list[str] = []
    loading = threading.Thread(target=lambda: got.append(story.lab.exec("bo", words, check=False).stdout))
    loading.start()
    for service in ("portal", "watch", "hub", "agent", "dnsmasq"):
        time.sleep(0.4)
        story.lab.kill(NODE, service)
    loading.join()
    phone = story.received("bo") - before
    time.sleep(TICK * 1.5)
    story.lab.wait_ready()
    written = story.carried(handle) - count
    behind = (phone - written) / phone
    told = f"{got[0] if got else 'nothing'} of {size} bytes arrived; ledger {written:,} of {phone:,}"
    return Outcome(told, got == [str(size)] and -0.001 <= behind <= 0.01)


def dashboard(story: Story) -> Outcome:
    """The hub shows the node with what was repaired."""
    wanted: int = story.node("status")["repairs"]
    deadline = time.monotonic() + 15
    while True:
        page = _fetch(story.urls["hub"])
        nodes = json.loads(_fetch(f"{story.urls['hub']}api/v1/nodes"))["nodes"]
        shown: dict[str, Any] = next((node for node in nodes if node["name"] == NODE), {})
        if (NODE in page and shown.get("repairs", -1) >= wanted) or time.monotonic() > deadline:
            told = f"{NODE}: {shown.get('homes')} homes, {shown.get('guests')} guests, {shown.get('repairs')} repairs"
            return Outcome(told, shown.get("repairs", -1) >= wanted)
        time.sleep(0.5)


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as reply:  # noqa: S310  # the lab's own pages on loopback
        return str(reply.read().decode())


def memory(story: Story) -> Outcome:
    """The programs fit a small board."""
    most = {"agent": 45, "portal": 45, "hub": 75, "watch": 60}
    services = next(m for m in story.lab.status()["members"] if m["name"] == NODE)["services"]
    sizes = {s["name"]: _pss(s["host_pid"]) for s in services if s["name"] in most and s["host_pid"]}
    told = ", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items())
    return Outcome(told, sizes.keys() == most.keys() and all(sizes[name] <= limit for name, limit in most.items()))


def _pss(pid: int) -> float:
    """Proportional set size in MB (proc_pid_smaps(5))."""
    lines = Path("/proc", str(pid), "smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


STEPS = (
    Step("Phones get addresses", leases),
    Step("A visitor is shown the door, and nothing leaves", captured),
    Step("One button, and they are online", join),
    Step("Known bytes arrive over IPv4 and IPv6", download),
    Step("The ledger counts what a phone received", ledger),
    Step("Two homes, 8 flows against 1, share evenly", two_homes),
    Step("64 guests do not crowd out a home", crowd),
    Step("A table emptied by hand is repaired", repair),
    Step("Processes killed in the middle of a download", killed),
    Step("The dashboard shows it", dashboard),
    Step("It all fits a small board", memory),
)


def tell(lab: Lab) -> bool:
    """Run every step; say what was done, measured and whether the claim held. True when all held."""
    story, all_held = Story(lab), True
    for number, step in enumerate(STEPS, 1):
        began = time.monotonic()
        click.echo(f"\n{number:>2}. {step.claim}")
        try:
            outcome = step.show(story)
        except subprocess.TimeoutExpired as fault:
            outcome = Outcome(f"it took longer than {fault.timeout} s", held=False)
        mark = click.style("held", fg="green") if outcome.held else click.style("DID NOT HOLD", fg="red", bold=True)
        click.echo(f"    {outcome.measured}\n    {mark}  ({time.monotonic() - began:.1f} s)")
        all_held &= outcome.held
    return all_held
