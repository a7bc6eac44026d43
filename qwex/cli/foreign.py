"""Commands that plugins bring: ``qwex NAME …`` where no command of qwex's own has that name.

Each is an entry point of the group ``qwex.commands``: a function that is given the words after the name, parses them
itself, and returns the exit code.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from qwex.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["find", "names"]

_GROUP = "qwex.commands"


def names() -> list[str]:
    """All there are."""
    return sorted({point.name for point in importlib.metadata.entry_points(group=_GROUP)})


def find(name: str) -> Callable[[Sequence[str]], int] | None:
    """The command of that name, or None.

    Raises:
        PluginError: its plugin cannot be loaded.
    """
    for point in importlib.metadata.entry_points(group=_GROUP, name=name):
        try:
            found: Callable[[Sequence[str]], int] = point.load()
        except Exception as error:
            raise PluginError(f"the command {name} of {point.value} cannot be loaded: {error}") from error
        return found
    return None
