"""Stop, while a job is followed: it takes effect between two events, never in the middle of showing one."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Interrupts"]


class Interrupts:
    """While entered, SIGINT raises KeyboardInterrupt, except inside ``shield``, which puts it off to its end."""

    def __init__(self) -> None:
        self._before: Any = None
        self._shielded = False
        self._pending = False

    def __enter__(self) -> Interrupts:
        try:
            self._before = signal.signal(signal.SIGINT, self._handle)
        except ValueError:  # not the main thread: no signal arrives here
            self._before = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Run the body whole; an interrupt that comes meanwhile is raised after it."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def _handle(self, *_: object) -> None:
        if self._shielded:
            self._pending = True
        else:
            raise KeyboardInterrupt
