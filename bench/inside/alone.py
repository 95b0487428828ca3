"""A node alone in a namespace, cables to nobody at its door and its line, with a register of households."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from meshctl.agent.passes import Verifier
from meshctl.agent.store import Store
from meshctl.config import Access, Config, Line, Node, Shaping
from meshctl.lab.kernel import inside_net, ip
from meshctl.model import ClockReading, Policy

DEVICES = ("lan0", "wan0")
# A line counts as contended already when it carries a thousandth of its capacity and two want more.
CONFIG = Config(
    Node("node"),
    (Access("lan0", "10.44.0.1/22", "fd44::1/64"),),
    line=(Line("isp", "wan0", 100.0, 100.0),),
    shaping=Shaping("pfifo"),
    policy=Policy(busy=0.001),
)


@contextmanager
def place() -> Iterator[str]:
    """A namespace with both devices; this thread is inside, where sockets and programs begin."""
    name = f"alone{secrets.token_hex(3)}"
    with ExitStack() as stack:
        ip([f"netns add {name}"])
        stack.callback(ip, [f"netns del {name}"])
        ip([f"link add {device} up type veth peer name far-{device}" for device in DEVICES], name)
        ip([f"link set far-{device} up" for device in DEVICES], name)
        stack.enter_context(inside_net(name))
        yield name


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder on tmpfs, so that no disk is measured; gone afterwards."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def know(folder: Path, households: int) -> Store:
    """Make a node.db there that knows so many households, and return it open."""
    store = Store(folder)
    if households:
        store.add_household("0000", 1, Verifier(bytes(16), bytes(32)), ClockReading(0.0, 0.0, trusted=False))
        first = store.connection.execute("SELECT * FROM household")
        names = [column[0] for column in first.description]
        row = dict(zip(names, first.fetchone(), strict=True))
        others = [{**row, "number": n, "handle": f"{n:04X}"} for n in range(2, households + 1)]
        places = ", ".join(f":{name}" for name in names)
        with store.transaction():
            store.connection.executemany(f"INSERT INTO household ({', '.join(names)}) VALUES ({places})", others)
    return store
