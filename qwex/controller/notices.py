"""Tells plugins of state changes (``qwex_job_changed``), in order, on a thread of their own."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING

from qwex import events

if TYPE_CHECKING:
    from qwex.plugins import Plugins

__all__ = ["Notices"]

#: Seconds that plugins have at the end for what they were not told yet.
_CLOSE_SECONDS = 5.0


class Notices:
    """Costs nothing where no plugin listens."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._waiting: queue.SimpleQueue[tuple[str, bytes, int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if plugins.manager.hook.qwex_job_changed.get_hookimpls():
            # A daemon: a plugin that hangs does not keep the controller from ending.
            self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
            self._thread.start()

    def changed(self, run_id: str, line: bytes, number: int) -> None:
        """The job's state changed; ``line`` is the record and ``number`` its id."""
        if self._thread:
            self._waiting.put((run_id, line, number))

    async def close(self) -> None:
        """Say what is left to say, for a few seconds at most."""
        if self._thread:
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)

    def _run(self) -> None:
        while news := self._waiting.get():
            run_id, line, number = news
            self._plugins.changed(run_id, events.parse(line, number))
