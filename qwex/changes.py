"""What a backend's ``watch`` gives, for backends that are told of changes themselves: one queue for each listener."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qwex.state import JobStatus

__all__ = ["Changes"]


class Changes:
    """Every listener hears each change from its ``watch`` on, in order."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[tuple[str, JobStatus] | None]] = set()

    def tell(self, native_id: str, status: JobStatus) -> None:
        """A job's status changed."""
        for listener in self._listeners:
            listener.put_nowait((native_id, status))

    def watch(self) -> AsyncIterator[tuple[str, JobStatus]]:
        """Every change, from this call on."""
        listener: asyncio.Queue[tuple[str, JobStatus] | None] = asyncio.Queue()
        self._listeners.add(listener)
        return self._heard(listener)

    def end(self) -> None:
        """End every watch, once it has heard what was told."""
        for listener in self._listeners:
            listener.put_nowait(None)

    async def _heard(
        self, listener: asyncio.Queue[tuple[str, JobStatus] | None]
    ) -> AsyncIterator[tuple[str, JobStatus]]:
        try:
            while change := await listener.get():
                yield change
        finally:
            self._listeners.discard(listener)
