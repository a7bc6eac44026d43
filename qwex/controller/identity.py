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
    if not file.exists():
        part = file.with_suffix(".part")
        part.write_text(secrets.token_hex(8), encoding="ascii")
        os.replace(part, file)
    return file.read_text(encoding="ascii").strip()
