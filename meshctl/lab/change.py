"""What a test may do to a lab that runs: cables, power, phones. Each is asked for in one request.

What is done to cables returns at once, not when the network has got over it: `Lab.wait_ready` returns
then. Where phones associate, it is waited for unless told otherwise.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from meshctl.lab.fault import LabError
from meshctl.lab.tables import Client


class Changeable(ABC):
    """The changing half of a `Lab`."""

    @abstractmethod
    def ask(self, verb: str, **words: Any) -> dict[str, Any]:
        """Ask the supervisor. Raises `LabError` with its sentence where it refuses."""

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return once all of it stands: services, phones' addresses, and the ways that links leave. Raises `LabError`.

        A way stands when the node's own routing table has it over a device that carries.
        """
        deadline = time.monotonic() + timeout
        while True:
            reply = self.ask("ready")
            if reply["ready"]:
                return
            if time.monotonic() > deadline:
                raise LabError(f"not ready after {timeout:g} s: {'; '.join(reply['lacking'][:5])}.")
            time.sleep(0.1)

    def add_phones(self, at: str, names: Sequence[str], client: Client = "udhcpc", *, wait: bool = True) -> None:
        """Let more phones associate; returns when they have their addresses, unless told not to wait."""
        self.ask("add_phones", at=at, names=list(names), client=client)
        if wait:
            self.wait_ready()

    def cut_link(self, a: str, b: str, *, silent: bool = False) -> None:
        """Cut a link: both ends lose their carrier, or, when ``silent``, nothing but what would have arrived."""
        self.ask("link", a=a, b=b, change="cut", silent=silent)

    def heal_link(self, a: str, b: str) -> None:
        """Let a link carry everything again, whatever was done to it."""
        self.ask("link", a=a, b=b, change="heal")

    def lose_on_link(self, a: str, b: str, percent: float) -> None:
        """Let a link lose that part of the frames of either direction, at random."""
        self.ask("link", a=a, b=b, change="loss", percent=percent)

    def cut_uplink(self, node: str) -> None:
        """Cut a gateway's line: no carrier, and no default route of its own any more."""
        self.ask("uplink", node=node, change="cut")

    def heal_uplink(self, node: str) -> None:
        """Bring a gateway's line back."""
        self.ask("uplink", node=node, change="heal")

    def power_off(self, node: str) -> None:
        """Cut a node's power: processes, namespace and tmpfs are gone; its files and its phones are left."""
        self.ask("power", node=node, change="off")

    def power_on(self, node: str, *, wait: bool = True) -> None:
        """Give a node its power back, with the same hardware addresses; the phones it had associate again."""
        self.ask("power", node=node, change="on")
        if wait:
            self.wait_ready()

    def roam(self, phone: str, node: str, *, wait: bool = True) -> None:
        """Let a phone leave its node and come to another; what runs in it runs on."""
        self.roam_many({phone: node}, wait=wait)

    def roam_many(self, moves: Mapping[str, str], *, wait: bool = True) -> None:
        """Let phones go to other nodes all at once: nodes by phone."""
        self.ask("roam", moves=list(moves.items()))
        if wait:
            self.wait_ready()

    def issue_certificate(self, node: str, seconds: float | None = None) -> None:
        """Give the portal of a `secure` node a new certificate, valid for so long or for ever."""
        self.ask("certificate", node=node, change="issue", seconds=seconds)

    def withdraw_certificate(self, node: str) -> None:
        """Take the certificate of a `secure` node's portal away."""
        self.ask("certificate", node=node, change="withdraw")
