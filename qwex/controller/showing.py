"""Which changes a reader hears of, and how much of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.controller.machines.records import shown_to
from qwex.machines import MachineRecord
from qwex.record import JobRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwex.controller.auth import Caller
    from qwex.controller.bus import Change

__all__ = ["showing"]


def showing(user: str | None, kinds: frozenset[str], caller: Caller) -> Callable[[Change], Change | None]:
    """What the caller is shown of a change of those kinds (of ``user``); None where it is nothing to them."""

    def shown(change: Change) -> Change | None:
        kind = "job" if isinstance(change, JobRecord) else "machine"
        if kind not in kinds or user not in (None, change.user):
            return None
        return shown_to(change, caller) if isinstance(change, MachineRecord) else change

    return shown
