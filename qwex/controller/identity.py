"""Which controller this is, where several use one place."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["identity"]


def identity(folder: Path) -> str:
    """A name that no other controller has, made when it is first asked for and kept in the controller's home."""
    file = folder / "controller-id"
    # A power cut may have left it empty; a controller without a name would take itself for the only one.
    if name := _read(file):
        return name
    part = file.with_suffix(".part")
    with part.open("w", encoding="ascii") as written:
        written.write(secrets.token_hex(8))
        written.flush()
        os.fsync(written.fileno())
    os.replace(part, file)
    return _read(file)


def _read(file: Path) -> str:
    return file.read_text(encoding="ascii").strip() if file.exists() else ""
