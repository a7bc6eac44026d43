"""The repositories that jobs come from, looked at when they are submitted, for the trackers that are told later."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from qwex.provenance import of_folder

if TYPE_CHECKING:
    from qwex.provenance import Provenance

__all__ = ["Repositories"]

#: Seconds for which a folder is taken to be as it was: a sweep of a thousand jobs looks a few times.
_FRESH = 1.0
_FOLDERS = 16


class _Look(NamedTuple):
    at: float
    found: asyncio.Task[Provenance | None]


class Repositories:
    """Provenance by run id. Equal ones are kept once: jobs that wait for a tracker may be many, and diffs large."""

    def __init__(self) -> None:
        self._looks: OrderedDict[str, _Look] = OrderedDict()
        self._jobs: dict[str, asyncio.Task[Provenance | None]] = {}

    def look(self, run_id: str, folder: str) -> None:
        """Look at the repository around the folder as it is now."""
        if not folder:
            return
        look = self._looks.get(folder)
        if look is None or time.monotonic() - look.at > _FRESH:
            before = look.found if look else None
            look = self._looks[folder] = _Look(time.monotonic(), asyncio.create_task(_found(folder, before)))
            if len(self._looks) > _FOLDERS:
                self._looks.popitem(last=False)
        self._jobs[run_id] = look.found

    async def of(self, run_id: str) -> Provenance | None:
        """What was seen when the job was submitted; None where that was no repository, or is not known any more."""
        found = self._jobs.get(run_id)
        return await asyncio.shield(found) if found else None

    def forget(self, run_id: str) -> None:
        """Nobody will ask for that job's any more."""
        self._jobs.pop(run_id, None)


async def _found(folder: str, before: asyncio.Task[Provenance | None] | None) -> Provenance | None:
    now = await asyncio.to_thread(of_folder, folder)
    earlier = before.result() if before and before.done() and not before.cancelled() else None
    return earlier if earlier == now else now
