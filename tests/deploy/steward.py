"""A steward's own machine: the community's key, and the roster that it signs."""

from __future__ import annotations

from pathlib import Path

from tests.deploy.steps import run

_ISSUE = """
import sys, pathlib
from meshctl.lab.authority import Authority
folder, host, certificate, key = sys.argv[1:]
Authority(pathlib.Path(folder)).issue(host, pathlib.Path(certificate), pathlib.Path(key))
"""


class Steward:
    """``roster`` is where the playbook looks for it; the key never comes near a board.

    So are the portal's certificate and its key; whoever believes ``root`` believes it.
    """

    def __init__(self, python: str, folder: Path, host: str) -> None:
        """Make the community's key, and a certificate for ``host``. ``python`` is one that has meshctl."""
        self._python, self._key = python, folder / "stewards" / "community.key"
        self._key.parent.mkdir(mode=0o700)
        self.roster = folder / "roster.json"
        self.public = self._say("community", "new").split()[0]
        self.root = folder / "authority" / "root.pem"
        self.certificate, self.certificate_key = folder / "portal.pem", folder / "portal.key"
        words = [str(self.root.parent), host, str(self.certificate), str(self.certificate_key)]
        run([python, "-c", _ISSUE, *words])

    def enrol(self, name: str, *words: str) -> str:
        """Enrol a node, as the playbook says how."""
        return self._say("node", "enrol", name, *words, "--roster", str(self.roster))

    def withdraw(self, name: str) -> str:
        """Withdraw a node."""
        return self._say("node", "withdraw", name, "--roster", str(self.roster))

    def _say(self, *words: str) -> str:
        return run([self._python, "-m", "meshctl", *words, "--key", str(self._key)])
