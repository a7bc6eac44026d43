"""When nobody has asked for a while and nothing runs, a controller of one's own ends."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Idle"]


class Idle:
    """Counts requests being answered, and calls ``end`` after ``seconds`` without any and without work."""

    def __init__(self, seconds: float, is_working: Callable[[], bool], end: Callable[[], None]) -> None:
        self.requests = 0
        self._seconds = seconds
        self._is_working = is_working
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look; without a limit (0 seconds) there is nothing to look for."""
        if self._seconds > 0:
            self._timer = self._loop.call_at(self._since + self._seconds, self._look)

    def stop(self) -> None:
        """Do not end by itself any more."""
        if self._timer:
            self._timer.cancel()

    def touch(self) -> None:
        """Something happened."""
        self._since = self._loop.time()

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request is being answered."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.touch()

    def _look(self) -> None:
        if self.requests or self._is_working():
            self.touch()
        due = self._since + self._seconds
        if due <= self._loop.time():
            self._end()
        else:
            self._timer = self._loop.call_at(due, self._look)
