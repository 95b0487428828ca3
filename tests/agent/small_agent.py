"""An agent's socket with its verbs over a kernel in memory, for whoever talks to it from outside."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from nacl.signing import SigningKey

from meshctl.agent.members import Members
from meshctl.agent.outages import Outages
from meshctl.agent.outlook import Outlook
from meshctl.agent.pace import Paces
from meshctl.agent.remember_verbs import RememberVerbs
from meshctl.agent.remembering import Remembering
from meshctl.agent.rights import Rights
from meshctl.agent.server import Server, unix_listener
from meshctl.agent.store import Store
from meshctl.agent.tick import Reconciler
from meshctl.agent.verbs import Verbs
from meshctl.agent.views import Views
from meshctl.config import load_node
from meshctl.model import ClockReading
from tests.agent.fake_kernel import FakeKernel

NOW = ClockReading(1000.0, 1_790_078_400.0, trusted=True)

T = TypeVar("T")

_FILE = """
[node]
name = "elm"
[network]
name = "Elm Street network"
[paths]
state = "{folder}"
run = "{folder}"
[[access]]
device = "lan0"
ipv4 = "10.44.0.1/22"
ipv6 = "fd44::1/64"
[[line]]
name = "isp"
device = "wan0"
down_mbit = 20
up_mbit = 5
[portal]
help = "Ask Ana at number 12."
[shaping]
leaf = "pfifo"
"""


class HandClock:
    """Time as the test tells it."""

    def __init__(self) -> None:
        self.now = NOW

    def read(self) -> ClockReading:
        return self.now


class SmallAgent:
    """Its parts; touch them only by `do`, on the loop that owns them. Whoever calls has the role ``caller``."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "meshctl.toml"
        self.file.write_text(_FILE.format(folder=folder), encoding="utf-8")
        self.config, self.clock, self.callers = load_node(self.file), HandClock(), {os.getuid(): "operator"}
        self.store, self.members = Store(folder), Members()
        self.kernel = FakeKernel(self.config, ["lan0", "wan0"], lambda: self.clock.now.monotonic)
        parts = (self.store, self.members, Reconciler(self.config, self.kernel, self.store, self.members, self.clock))
        self.turns = parts[2]
        self.turns.start()
        views = Views(self.config, parts, self.clock)
        self.verbs = Verbs(self.config, self.kernel, parts, self.clock, views)
        self.store.boot("this life")
        self.rights = Rights(self.config, self.store, self.clock, self.verbs, views, None)
        self.verbs.table |= Outlook(self.config, views, None, Outages(self.store.connection, 1), self.clock).table()
        self.remembering = Remembering(self.config, self.kernel, parts, self.clock, SigningKey.generate(), None)
        RememberVerbs(self.config, self.kernel, parts, self.clock, views, self.remembering, None).attach(self.verbs)
        self.remembering.turn()
        self.paces = Paces(self.kernel.neighbours, self.clock)
        self.loop = asyncio.get_running_loop()

    def do(self, what: Callable[[SmallAgent], T]) -> T:
        """Call ``what`` on the agent's own loop."""

        async def call() -> T:
            return what(self)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(10)


@contextmanager
def small_agent(folder: Path) -> Iterator[SmallAgent]:
    """Answer on the socket until the block ends."""
    ready, agents, over = threading.Event(), list[SmallAgent](), asyncio.Event()

    async def live() -> None:
        agent = SmallAgent(folder)
        with closing(agent.store):
            listener = unix_listener(agent.config.socket)
            listener.setblocking(False)
            server = await Server(agent.verbs, agent.callers, lambda: None, agent.paces).serve(listener)
            agents.append(agent)
            ready.set()
            await over.wait()
            server.close()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert ready.wait(10)
    try:
        yield agents[0]
    finally:
        agents[0].loop.call_soon_threadsafe(over.set)
        thread.join(10)
