"""Waits of tasks that can be cancelled whatever happens: ``asyncio.wait_for`` may lose a cancellation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ended", "woken"]

#: Seconds before a task that did not end is told to once more.
_AGAIN = 0.5


async def woken(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or the time is over."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([waiting], timeout=seconds)
    finally:
        waiting.cancel()


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, as often as it takes; they have ended when this returns, and what they raised is dropped."""
    every = list(tasks)
    left = set(every)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)
    await asyncio.gather(*every, return_exceptions=True)
