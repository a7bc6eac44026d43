"""What Linux tells of a machine's processes: their names, terminals and processor time. Standard library only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Seen", "seen", "terminals"]

#: Major numbers of the devices of pseudo-terminals, 256 terminals each (Documentation/admin-guide/devices.txt).
_FIRST, _LAST = 136, 143


class Seen(NamedTuple):
    """A process as it stands in ``/proc/<pid>/stat``."""

    name: str
    #: Its terminal; empty where it has none.
    terminal: str
    #: Processor time that it and its ended children have used, in ticks.
    ticks: int


def seen(pids: Iterable[int], proc: str = "/proc") -> dict[int, Seen]:
    """Those of the processes that there are."""
    found = {}
    for pid in pids:
        try:
            with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:
                found[pid] = _parsed(file.read())
        except OSError:
            continue
    return found


def terminals(pids: Iterable[int]) -> set[str]:
    """The paths of the terminals that these processes have."""
    return {each.terminal for each in seen(pids).values()} - {""}


def _parsed(stat: str) -> Seen:
    # The second field is the program's name in brackets, and may hold brackets and spaces itself.
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    return Seen(name, _terminal(int(fields[4])), sum(map(int, fields[11:15])))


def _terminal(device: int) -> str:
    major = os.major(device)
    return f"/dev/pts/{os.minor(device) + 256 * (major - _FIRST)}" if _FIRST <= major <= _LAST else ""
