"""The file that sheets are written to: its owner's alone, never over another unasked, gone when something failed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

import click

from meshctl.config import Config
from meshctl.model import MeshctlError


class PaperError(MeshctlError):
    """The sheets cannot be written there."""


class Paper:
    """Written before the agent adds anything, so that no household is left whose pass nobody has.

    ``name`` is a file, ``-`` for the standard output, or ``None`` for no sheets. The block's end keeps
    the file, an exception removes what was written.
    """

    def __init__(self, name: str | None, config: Config, shares: int, *, force: bool) -> None:
        self._config, self._shares, self._force = config, shares, force
        self._prints, self._text = name == "-", ""
        self._file = Path(name) if name and not self._prints else None
        self._open: TextIO | None = None

    def __enter__(self) -> Paper:
        if self._file is not None:
            try:
                flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if self._force else os.O_EXCL)
                descriptor = os.open(self._beside, flags, 0o600)
                os.fchmod(descriptor, 0o600)
                self._open = os.fdopen(descriptor, "w", encoding="utf-8")
            except FileExistsError:
                raise PaperError(f"{self._file} is there already. Name another file, or add --force.") from None
            except OSError as fault:
                raise PaperError(f"{self._file} cannot be written: {fault.strerror}. Name another file.") from fault
        return self

    def write(self, drawn: Sequence[str]) -> None:
        """Put a sheet for each pass there, in place of what was written before; it is on disk then."""
        if self._open is None and not self._prints:
            return
        from meshctl.agent.sheets import sheets  # noqa: PLC0415  # what draws the squares loads slowly

        self._text = sheets(self._config, drawn, self._shares)
        if self._open is not None:
            self._open.seek(0)
            self._open.truncate()
            self._open.write(self._text)
            self._open.flush()
            os.fsync(self._open.fileno())

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if self._open is not None:
            self._open.close()
            if kind is not None:
                self._beside.unlink()
            elif self._force and self._file is not None:
                self._beside.replace(self._file)
        elif self._prints and kind is None:
            click.echo(self._text, nl=False)

    @property
    def _beside(self) -> Path:
        """Where to write until the agent has agreed: an old file is not lost before that."""
        assert self._file is not None
        return self._file.with_name(f".{self._file.name}.new") if self._force else self._file
