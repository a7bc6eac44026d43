"""Threads for calls that block, which keep no process from ending: one that hangs is left behind."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads"]

T = TypeVar("T")
#: Seconds after which a thread with nothing to do ends.
_IDLE = 60.0


class Threads:
    """At most so many, begun when they are needed. Not an executor, whose threads Python waits for at its end."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._running = self._idle = 0
        self._closed = False

    async def ask(self, what: Callable[[], T]) -> T:
        """The result of a call that blocks."""
        future: Future[T] = Future()
        with self._changed:
            self._calls.append((future, what))
            if len(self._calls) > self._idle and self._running < self._most:
                self._running += 1
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
            self._changed.notify()
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End those that have nothing to do, and the others after what they do."""
        with self._changed:
            self._closed = True
            while self._calls:
                self._calls.popleft()[0].cancel()
            self._changed.notify_all()

    def _run(self) -> None:
        while call := self._next():
            future, what = call
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(what())
                except BaseException as error:
                    future.set_exception(error)
            del call, future, what

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """None when it is to end."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._calls or self._closed, _IDLE)
            self._idle -= 1
            if self._calls:
                return self._calls.popleft()
            self._running -= 1
            return None
