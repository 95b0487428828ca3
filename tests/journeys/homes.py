"""What the claims about a home's whole life are told with: a printed pass, its days, and the end of it."""

from __future__ import annotations

import re
import threading
import time

from tests.agent import qr
from tests.journeys.street import SITE4, Street

GATEWAY = "10.44.0.1"


def page(ring: Street, phone: str, url: str, *words: str) -> str:
    return ring.run(phone, "curl", "-sS", "-g", "-m", "10", "-e", url, "-w", "\n%{http_code}", *words, url)[1]


def total(ring: Street) -> dict[str, int]:
    """What the line carried, by direction, as the sum of all homes and guests."""
    found = ring.ask("household", "list")
    rows = [*found["households"], found["guests"]]
    return {way: sum(row["bytes"][way] for row in rows) for way in ("down", "up")}


def rows_with(ring: Street, node: str, handle: str) -> str:
    """The tables of a node that name a home."""
    code = (
        "import sqlite3, json, pathlib; d = sqlite3.connect(pathlib.Path(PATH, 'node.db')); "
        "t = [r[0] for r in d.execute(\"SELECT name FROM sqlite_master WHERE type = 'table'\")]; "
        f"print(*[n for n in t if any({handle!r} in map(str, r) or {handle.encode()!r} in (r[-1] if isinstance(r[-1], "
        "bytes) else b'') for r in d.execute('SELECT * FROM ' + n))])"
    )
    state = re.search(r'"state": "([^"]+)"', ring.run(node, "meshctl", "config", "show", check=True)[1])
    assert state
    return ring.run(node, "/usr/bin/python3", "-c", code.replace("PATH", repr(state[1])), check=True)[1].strip()


def print_and_link(ring: Street) -> tuple[str, tuple[str, ...]]:
    """What a camera reads in the sheet's square is what two phones open; their home's handle, and the form's field."""
    sheet = ring.run("elm", "meshctl", "household", "add", "--sheet", "-", check=True)[1]
    scanned = qr.read(qr.modules(next(s for s in re.findall(r"<svg.*?</svg>", sheet, re.S) if "qrline" in s)))
    household_pass = scanned[-16:]
    assert scanned == f"http://mesh.home/pass?p={household_pass}"
    asked = ("--data-urlencode", f"pass={household_pass}")
    for phone in ("e-1", "o-1"):
        assert f'value="{"-".join(re.findall("....", household_pass))}"' in page(ring, phone, scanned)
        ring.await_roll(phone)
        assert page(ring, phone, f"http://{ring.portal(phone)}/pass", *asked).endswith("303")
    return household_pass[:4], asked


def read_the_days(ring: Street, handle: str, asked: tuple[str, ...]) -> None:
    """The home's days are at the gateway, for whoever has the pass, also behind another node."""
    for phone in ("e-1", "o-1"):
        assert ring.fetch(phone, f"http://{SITE4}/bytes/2000000") == "200 2000000"
    ring.until(lambda: ring.carried(handle) > 4_000_000)
    shown = ring.ask("household", "show", handle)
    assert (shown["devices"], shown["present"]) == (1, True)
    assert shown["bytes"]["down"] > 4_000_000
    assert [day["down"] for day in shown["days"]] == [shown["bytes"]["down"]]
    assert ring.ask("household", "show", handle, on="oak")["days"] is None
    assert f'href="http://{GATEWAY}/home"' in page(ring, "o-1", "http://mesh.home/home")
    # Plain http takes no pass, only a code; what the gateway keeps is seen at the phone's own box too.
    assert "do not type your pass" in page(
        ring, "e-1", f"http://{GATEWAY}/home", *[w.replace("pass=", "key=") for w in asked]
    )
    for phone, where in (
        ("e-1", f"http://{GATEWAY}/home"),
        ("o-1", f"http://{GATEWAY}/home"),
        ("o-1", "http://mesh.home/mine"),
    ):
        days = page(ring, phone, where, *code(ring, handle), "-d", "part=days")
        assert f"Home {handle}, day by day" in days
        assert re.search(r"<td>4\.\d MB", days)
    wrong = [page(ring, "o-1", f"http://{GATEWAY}/home", "-d", "key=00000000")[-3:] for _ in range(7)]
    assert wrong == ["403"] * 6 + ["429"]
    assert page(ring, "e-1", f"http://{GATEWAY}/home", *code(ring, handle)).endswith("200")


def ask_for_an_erase_and_take_it_back(ring: Street, handle: str) -> None:
    """Asked at one node it is known where the roll is kept; taken back at another one, it is nowhere."""
    assert "We will erase your home" in page(
        ring, "o-1", "http://mesh.home/mine-erase", *code(ring, handle), "-d", "sure=yes"
    )
    ring.until(lambda: ring.ask("household", "show", handle)["erased_in"] is not None)
    assert "is erased in 24 hours" in page(ring, "e-1", "http://mesh.home/mine", *code(ring, handle))
    assert "Your home stays" in page(ring, "e-1", "http://mesh.home/mine-keep", *code(ring, handle))
    ring.until(lambda: ring.ask("household", "show", handle, on="oak")["erased_in"] is None)


def code(ring: Street, handle: str) -> tuple[str, str]:
    """The form's field with a steward's code, drawn at the hub's node; every other one knows it then."""
    drawn = ring.ask("household", "code", handle)["code"]
    ring.heard("oak", "ash")
    return "-d", f"key={drawn}"


def remove(ring: Street, handle: str) -> None:
    """Downloads at two nodes go on over it, and the line's sums lose nothing."""
    told: list[str] = []

    def load(phone: str) -> None:
        told.append(ring.fetch(phone, f"http://{SITE4}/bytes/4000000"))

    loads = [threading.Thread(target=load, args=(phone,)) for phone in ("e-1", "o-1")]
    for one in loads:
        one.start()
    time.sleep(0.5)
    assert ring.run("oak", "meshctl", "household", "remove", handle, "--yes")[0] == 1
    assert ring.run("elm", "meshctl", "household", "remove", handle)[0] == 2
    before = total(ring)
    assert ring.ask("household", "remove", handle, "--yes") == {"handle": handle, "removed": True}
    after = total(ring)
    for one in loads:
        one.join()
    assert told == ["200 4000000"] * 2
    assert all(after[way] >= before[way] for way in before)
