"""The names of the user's machines for who completes them: from the controller, or as they are kept for ssh."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from qwex.client.ssh import doors, setup
from qwex.errors import QwexError

if TYPE_CHECKING:
    from qwex.client.sync import Client

__all__ = ["machine_names"]

#: Seconds that somebody who presses the tabulator waits.
_PATIENCE = 0.5


def machine_names(client: Client | None) -> list[tuple[str, str]]:
    """Names, and the states where the controller tells them in time; no error is told."""
    told: list[list[tuple[str, str]]] = []
    if client is not None:
        asking = threading.Thread(target=_ask, args=(client, told), daemon=True)
        asking.start()
        asking.join(_PATIENCE)
    try:
        folder = setup.folder()
        others = doors.joined(folder) if told else doors.names(folder)
    except (QwexError, OSError):
        others = []
    return [*(told[0] if told else ()), *((name, "") for name in others)]


def _ask(client: Client, told: list[list[tuple[str, str]]]) -> None:
    with suppress(QwexError, OSError):  # who completes has no place to show why
        told.append([(record.name, str(record.state)) for record in client.machines("me")])
