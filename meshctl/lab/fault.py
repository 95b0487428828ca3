"""What can go wrong in a lab, in sentences."""

from __future__ import annotations

from pathlib import Path

from meshctl.model import MeshctlError


class LabError(MeshctlError):
    """The lab cannot do this; the text says what to do instead."""


class TopologyError(LabError):
    """The topology cannot be raised; the text names file, key and remedy."""

    def __init__(self, file: Path | str, key: str, fault: str, remedy: str) -> None:
        self.file, self.key, self.fault, self.remedy = str(file), key, fault, remedy
        super().__init__(f"{file}: {key}: {fault}. {remedy}")
