"""Labs that claims share: one stands at a time, as long as claims ask for the same one and none has failed in it."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from pathlib import Path

from meshctl.lab.handle import raise_lab
from tests.journeys.street import Street

ORDER = (
    "accounts", "door", "doctor", "rights", "refusals", "line", "crowd", "captivity", "doctor_secure",
    "mesh_line", "mesh_weather", "mesh_kills", "mesh_secrets", "mesh_refusals", "mesh_roaming", "mesh_withdrawal",
    "mesh_laptop", "mesh_gateways", "stay", "mesh_twelve",
)  # fmt: skip
"""In which modules take their turn: those that share a lab one after another, and first what is measured in a new one.

After links were healed, routes may take half a minute to be direct again.
"""


class Labs:
    """What stands now, and for whom."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._topology, self._module = "", ""
        self._street: Street | None = None
        self._nodes: list[str] = []
        self._homes: dict[str, str] = {}

    def stand(self, topology: str, module: str) -> Street:
        """Return a lab of that topology in which all nodes have met.

        For a new ``module`` the topology's own phones are visitors; those that others added keep what they have.
        """
        if self._street is None or topology != self._topology:
            self.drop()
            self._street = self._raise(topology)
            self._topology = topology
        elif module != self._module:
            for phone in self._homes:
                self._street.press(phone, "leave")
        self._module = module
        return self._street

    def drop(self) -> None:
        """End what stands."""
        self._street = None
        self._stack.close()

    def heal(self) -> None:
        """Bring power, links and phones back to what the topology says; costs little where they are as it says."""
        if self._street is None:
            return
        lab, status = self._street.lab, self._street.lab.ask("status")
        members = {member["name"]: member for member in status["members"]}
        for name in self._nodes:
            if members[name]["power"] == "off":
                lab.power_on(name, wait=False)
        for link in status["links"]:
            if link["state"] != "up" or link["loss"]:
                lab.heal_link(link["a"], link["b"])
        strayed = {phone: node for phone, node in self._homes.items() if members[phone]["at"] != node}
        if strayed:
            lab.roam_many(strayed, wait=False)
        self._settle(self._street)

    def _raise(self, topology: str) -> Street:
        file = self._folder / "topology.toml"
        file.write_text(topology, encoding="utf-8")
        street = Street(self._stack.enter_context(raise_lab(file, f"t{secrets.token_hex(3)}")))
        members = street.lab.ask("status")["members"]
        self._nodes = [member["name"] for member in members if member["kind"] == "node"]
        self._homes = {member["name"]: member["at"] for member in members if member["kind"] == "phone"}
        self._settle(street)
        return street

    def _settle(self, street: Street) -> None:
        street.lab.wait_ready()
        if len(self._nodes) > 1:
            street.until(lambda: street.meet(*self._nodes), 60)
