"""Takes back what Kueue gives to a machine that was stopped as it waited: it stays in the queue and has its turn.

Kueue's controller of StatefulSets releases what a set of no pods holds, but looks only when the set or a pod changes
(v0.19.2, pkg/controller/jobs/statefulset, ``reconcileWorkload``).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING

from qwex.errors import QwexError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Reclaiming"]

#: Seconds for Kueue to look at a set that has changed; the last again and again.
_PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)


class Reclaiming:
    """``touch`` changes a machine's set for nothing, for as long as ``wastes`` says that it holds quota for nothing."""

    def __init__(self, touch: Callable[[str], Awaitable[None]], wastes: Callable[[str], bool]) -> None:
        self._touch = touch
        self._wastes = wastes
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def look(self, machine_id: str) -> None:
        """The machine has changed."""
        if machine_id not in self._tasks and self._wastes(machine_id):
            self._tasks[machine_id] = asyncio.create_task(self._run(machine_id))

    async def close(self) -> None:
        """Touch nothing more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, machine_id: str) -> None:
        try:
            for pause in itertools.chain(_PAUSES, itertools.repeat(_PAUSES[-1])):
                with contextlib.suppress(QwexError):  # the next try may do
                    await self._touch(machine_id)
                await asyncio.sleep(pause)
                if not self._wastes(machine_id):
                    return
        finally:
            del self._tasks[machine_id]
