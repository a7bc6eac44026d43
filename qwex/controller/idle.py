"""When nobody has asked for a while and nothing runs, a controller of one's own ends."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Asked", "Idle"]


class Asked:
    """A request that is being answered."""

    #: Whether it keeps the controller from ending, and counts as someone who asked.
    keeps = True


class Idle:
    """Knows the requests being answered, and calls ``end`` after ``seconds`` without any that keeps it and no work."""

    def __init__(self, seconds: float, is_working: Callable[[], bool], end: Callable[[], None]) -> None:
        self._asked: set[Asked] = set()
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

    @property
    def requests(self) -> int:
        """How many requests are being answered."""
        return len(self._asked)

    @contextmanager
    def request(self) -> Iterator[Asked]:
        """A request is being answered."""
        asked = Asked()
        self._asked.add(asked)
        try:
            yield asked
        finally:
            self._asked.remove(asked)
            if asked.keeps:
                self.touch()

    def _look(self) -> None:
        if any(asked.keeps for asked in self._asked) or self._is_working():
            self.touch()
        due = self._since + self._seconds
        if due <= self._loop.time():
            self._end()
        else:
            self._timer = self._loop.call_at(due, self._look)
