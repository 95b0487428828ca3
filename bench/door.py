"""Two hundred phones that join within half a minute, as they come, and the same while one device floods the node."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from bench.inside.columns import progress, progress_ends, show, show_json
from bench.inside.lab import cpu_seconds
from meshctl.lab.handle import Lab, raise_lab
from meshctl.lab.topology import STREET

PORTAL, SITE, NODE, FOE = "10.44.0.1", "198.51.100.1", "elm", "foe"
STEPS = {
    "probe": "a probe is led to the portal",
    "name": "the portal's name is looked up",
    "page": "the first page",
    "reply": "the click's own reply",
    "online": "from the click until all is open",
}


def evening(lab: Lab, phones: list[str], seconds: float, flood: int) -> dict[str, Any]:
    """Let all phones come, with or without a flood beside them."""
    words = ("--portal", PORTAL, "--site", SITE)
    before = cpu_seconds(lab, NODE, "agent", "portal", "dnsmasq")
    with ThreadPoolExecutor() as side:
        foe = None
        if flood:
            rate = ("--seconds", str(seconds), "--per-second", str(flood))
            foe = side.submit(lab.module, "meshctl.lab.flood", FOE, *words, *rate)
        found: dict[str, Any] = lab.module(
            "meshctl.lab.arrivals", *phones, *words, "--seconds", str(seconds), "--then-leave"
        )
        found["processor"] = cpu_seconds(lab, NODE, "agent", "portal", "dnsmasq") - before
        found["foe"] = foe.result() if foe else {}
    return found


def tell(found: dict[str, dict[str, Any]], phones: int, seconds: float) -> None:
    """Print the steps beside each other, and by how much the flood delays them."""
    calm, flooded = found["calm"], found["flooded"]
    rows = []
    for step, words in STEPS.items():
        cells = [f"{one[step][p] * 1000:.0f}" for one in (calm, flooded) for p in ("p50", "p95", "max")]
        ratio = " ".join(f"{flooded[step][p] / calm[step][p]:.1f}" for p in ("p50", "p95"))
        rows.append((words, *cells, ratio))
    title = f"{phones} phones within {seconds:g} s, milliseconds: calm, and beside one device that floods"
    show(title, ("", "p50", "p95", "most", "p50", "p95", "most", "ratios"), rows)
    for name, one in found.items():
        cost = f"{one['processor']:.1f} s of processor in {one['seconds']:.0f} s"
        print(f"  {name}: {one['joined']} of {phones} online, {cost}")
        for fault in one["faults"]:
            print(f"    {fault}")
    print(f"  the flood: {flooded['foe']}")


@click.command()
@click.option("--phones", default=200, show_default=True)
@click.option("--seconds", default=30.0, show_default=True)
@click.option("--flood", default=500, show_default=True, help="Questions, connections and probes a second, of each.")
@click.option("--json", "as_json", is_flag=True)
def main(phones: int, seconds: float, flood: int, as_json: bool) -> None:
    """Print what each step takes a phone, calm and beside a flood."""
    names = [f"phone-{number}" for number in range(phones)]
    with raise_lab(STREET, f"bench-{secrets.token_hex(3)}") as lab:
        for first in range(0, phones, 50):
            progress(f"{first} phones are here")
            lab.add_phones(NODE, names[first : first + 50])
        lab.add_phones(NODE, [FOE])
        found = {}
        for name, rate in (("calm", 0), ("flooded", flood)):
            progress(name)
            found[name] = evening(lab, names, seconds, rate)
        progress_ends()
    if as_json:
        show_json({"door": found})
    else:
        tell(found, phones, seconds)


if __name__ == "__main__":
    main()
