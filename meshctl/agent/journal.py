"""The journal: node health, signed with the node's own key, numbered, never a household."""

from __future__ import annotations

import base64
from pathlib import Path

from nacl.signing import SigningKey

from meshctl import __version__
from meshctl.agent.files import write_whole
from meshctl.agent.health import examine, floor
from meshctl.agent.health.babel import Surroundings
from meshctl.agent.pauses import COUNTED
from meshctl.agent.store import Entry, Store
from meshctl.agent.tick import Reconciler
from meshctl.config import Config
from meshctl.model import DIRECTIONS, ClockReading
from meshctl.wire import Fact, Health, LineTotal, encode_health


def node_key(folder: Path) -> SigningKey:
    """Return this node's Ed25519 key; the first call makes it, with its public half beside it in base64."""
    file = folder / "node.key"
    if not file.exists():
        write_whole(file, base64.b64encode(bytes(SigningKey.generate())).decode() + "\n", 0o600)
    key = SigningKey(base64.b64decode(file.read_text(encoding="ascii")))
    write_whole(folder / "node.pub", base64.b64encode(bytes(key.verify_key)).decode() + "\n", 0o644)
    return key


class Journal:
    """Appends what this node says of itself."""

    def __init__(self, config: Config, store: Store, turns: Reconciler, key: SigningKey, boot: int) -> None:
        self._config, self._store, self._turns, self._key, self.boot = config, store, turns, key, boot
        self._facts: dict[str, Fact] = {}

    def append(
        self,
        clock: ClockReading,
        hazards: dict[str, int],
        more: dict[str, Fact],
        around: Surroundings,
        pauses_now: int = 0,
    ) -> Entry:
        """Examine the node, sign what was found and keep it until the hub has it."""
        tally, plan = self._turns.tally, self._turns.plan
        self._facts = {
            **examine(self._config),
            "floor": floor.judge(plan, self._config.policy),
            **_hazard_facts(hazards),
            **more,
        }
        health = Health(
            node=self._config.node.name,
            boot=self.boot,
            sequence=self._store.next_sequence(),
            monotonic=clock.monotonic,
            wall=clock.wall,
            trusted=clock.trusted,
            version=__version__,
            homes=plan.homes,
            guests=plan.guests,
            repairs=tally.repairs,
            facts=self._facts,
            lines=self._lines(),
            links=around.links,
            gateway=around.gateway,
            via=around.via,
            pauses=self._store.counted(COUNTED),
            pauses_now=pauses_now,
        )
        payload = encode_health(health)
        entry = Entry(health.sequence, self.boot, payload, self._key.sign(payload).signature)
        self._store.append(entry)
        return entry

    def ills(self) -> dict[str, str]:
        """Return by name what the last report found wrong, in its words; floors that do not fit are no illness."""
        ill = {name: one for name, one in self._facts.items() if not one.ok and name != "floor"}
        return {name: one.error for name, one in ill.items() if one.error != "not here"}

    def _lines(self) -> tuple[LineTotal, ...]:
        if not self._config.line:
            return ()
        line, ledger = self._config.line[0], self._store.ledger()
        totals = []
        for direction in DIRECTIONS:
            carried = sum(n for (name, d, _), n in ledger.items() if name == line.name and d == direction)
            use = self._turns.accounts.use.get(direction)
            busy, fairness = (round(use.busy, 3), use.fairness) if use else (0.0, None)
            totals.append(LineTotal(line.name, direction, carried, line.capacity.of(direction), busy, fairness))
        return tuple(totals)


def _hazard_facts(hazards: dict[str, int]) -> dict[str, Fact]:
    words = {
        "rogue-dhcp": "Another device gives out addresses on the neighbours' side. Find it and unplug it.",
        "rogue-ra": "Another device calls itself a router on the neighbours' side. Find it and unplug it.",
        "address-conflict": "Two devices use one address.",
    }
    return {kind: Fact(ok=False, value=count, unit="seen", error=words[kind]) for kind, count in hazards.items()}
