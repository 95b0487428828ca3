"""What the portal may ask of a home's past at the node that has the line, and which nodes those are."""

from __future__ import annotations

from meshctl.agent.credential import Credential
from meshctl.agent.mesh.node import Mesh
from meshctl.agent.replies import Reply, Request, no, yes
from meshctl.agent.store import Store
from meshctl.config import Config
from meshctl.history import History, Lines
from meshctl.model import Household


class Reading:
    """The verbs `history` and `lines`."""

    def __init__(self, config: Config, store: Store, credential: Credential, mesh: Mesh | None) -> None:
        self._config, self._store, self._credential, self._mesh = config, store, credential, mesh

    def history(self, request: Request) -> Reply:
        """Answer with the days of the home whose pass or code it is, for one asking address."""
        if not self._config.line:
            return no("no-line", "This node has no line; the gateway keeps the days.")
        home = self._credential.check(request)
        if not isinstance(home, Household):
            return home
        return yes("history", History(home.handle, tuple(self._store.daily.of(home.handle))))

    def lines(self, request: Request) -> Reply:  # noqa: ARG002  # every verb takes the request
        """Answer where days are kept."""
        in_use = self._mesh.way.gateway if self._mesh else None
        gateways = [one for one in self._credential.others() if one.gateway]
        gateways.sort(key=lambda one: one.name != in_use)
        return yes("lines", Lines(bool(self._config.line), tuple(str(one.interface4.ip) for one in gateways)))
