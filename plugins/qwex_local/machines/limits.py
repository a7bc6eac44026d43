"""Tells the shells of a machine before one of its limits is reached. Standard library only."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["FILE", "Limits", "Warnings"]

#: What the provider leaves for the holder, and changes while the machine runs.
FILE = "limits.json"
#: Seconds before a limit at which the shells are told, or a fifth of it if that is less; and once more.
_AHEAD, _LAST = 600.0, 60.0


class Limits(NamedTuple):
    """Seconds without activity, and in one go; None without a limit."""

    idle: float | None = None
    max_age: float | None = None

    @classmethod
    def read(cls, folder: Path) -> Limits:
        """Those of the machine that has the folder."""
        try:
            return cls(*json.loads((folder / FILE).read_bytes()))
        except (OSError, TypeError, ValueError):  # another version of qwex may have written it
            return cls()


class Warnings:
    """Remembers what the shells were told."""

    def __init__(self, folder: Path, machine: str, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._machine = machine
        self._tell = tell
        #: The fewest seconds left that were announced of each limit.
        self._told: dict[str, float] = {}

    def look(self, quiet: float, age: float) -> bool:
        """Tell what is to be told after so many seconds of quiet and of age; whether there was anything."""
        said = list(self._due(Limits.read(self._folder), quiet, age))
        for sentence in said:
            self._tell(sentence)
        return bool(said)

    def _due(self, limits: Limits, quiet: float, age: float) -> Iterator[str]:
        for option, limit, spent, why in (
            ("idle", limits.idle, quiet, "nobody uses this machine"),
            ("max-age", limits.max_age, age, "this machine has run for nearly as long as it may"),
        ):
            left = math.inf if limit is None else limit - spent
            ahead = min(_AHEAD, (limit or 0) / 5)
            if left > ahead:
                self._told.pop(option, None)
                continue
            stage = min(_LAST, ahead) if left <= _LAST else ahead
            if stage < self._told.get(option, math.inf):
                self._told[option] = stage
                minutes = max(math.ceil(left / 60), 1)
                more = f"qwex machine set {self._machine} --{option} TIME"
                yield f"{why}; it stops in {minutes} min. More time: {more}"
