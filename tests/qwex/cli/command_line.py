"""How the command line is started, and what it answered."""

from __future__ import annotations

import sys
from typing import NamedTuple

__all__ = ["COMMAND", "Done"]

COMMAND = [sys.executable, "-m", "qwex.cli"]


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str
