"""Which commands there are. Each is the ``COMMAND`` of the module of its name, imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from qwex.cli.command import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.cli.command import Command

__all__ = ["NAMES", "find", "load"]

#: In the order of the help.
NAMES = (
    "submit",
    "list",
    "status",
    "logs",
    "notebook",
    "artifacts",
    "why",
    "wait",
    "cancel",
    "resubmit",
    "machine",
    "queues",
    "gpus",
    "backends",
    "plugins",
    "config",
    "controller",
    "gc",
    "demo",
)


def load(name: str) -> Command | Group:
    """The command or group called ``name``."""
    found: Command | Group = importlib.import_module(f"qwex.cli.{name}").COMMAND
    return found


def find(argv: Sequence[str]) -> tuple[Command, int] | None:
    """The command that the first words name, and how many they are; None when they name none."""
    if not argv or argv[0] not in NAMES:
        return None
    found = load(argv[0])
    if isinstance(found, Group):
        command = found.commands.get(argv[1]) if len(argv) > 1 else None
        return (command, 2) if command else None
    return found, 1
