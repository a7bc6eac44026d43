"""How far a job is, where the line it printed last is a progress bar, or where it is a notebook."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["cells_done", "progress_of"]

_RULE = "[━╸╺]{2,}"
_FILLED = "[#█▉▊▋▌▍▎▏]"
#: Steps done of all: Keras (``3/10 [==>...]``, ``3/10 ━━━━``), tqdm (``3/10 [00:01<00:03``).
_STEPS = re.compile(rf"(?<![\w./])(\d+)/(\d+) (?:\[[=>.]+\]|{_RULE}|\[\d+:\d\d)")
#: Bytes received of all: pip (``━━━━ 1.5/3.0 MB``).
_BYTES = re.compile(rf"{_RULE}\s+(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?) [kMGT]?B\b")
#: Per cent: tqdm (``45%|####5     |``, and while nothing is filled ``0%|    | 0.0/1.5k [``), rich (``━━━━╸━━━  45%``).
_PERCENT = re.compile(rf"(?<![\w.])(\d{{1,3}})% ?\|(?:{_FILLED}|[ \d]*\| *\S+/\S+ \[)|{_RULE}\s+(\d{{1,3}})%")
#: Characters of a line that may be one.
_LONGEST = 1000


def progress_of(line: str) -> float | None:
    """From 0 to 1; None when the line is no bar for sure."""
    if len(line) > _LONGEST:
        return None
    if found := _STEPS.search(line) or _BYTES.search(line):
        done, whole = float(found[1]), float(found[2])
    elif found := _PERCENT.search(line):
        done, whole = float(found[1] or found[2]), 100.0
    else:
        return None
    return done / whole if 0 < whole >= done else None


def cells_done(cell: Mapping[str, Any] | None, attempt: int) -> float | None:
    """From 0 to 1: how many of a notebook's cells are done when this one begins; None of another attempt's."""
    if cell is None or cell.get("attempt", 1) != attempt:
        return None
    return float((cell["number"] - 1) / cell["total"])
