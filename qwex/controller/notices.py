"""Tells plugins of state changes (``qwex_job_changed``), in order, on a thread of their own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from qwex import events

if TYPE_CHECKING:
    from qwex.plugins import Plugins

__all__ = ["Notices"]


class Notices:
    """Costs nothing where no plugin listens."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        listening = plugins.manager.hook.qwex_job_changed.get_hookimpls()
        self._thread = ThreadPoolExecutor(1, "notices") if listening else None

    def changed(self, run_id: str, line: bytes, number: int) -> None:
        """The job's state changed; ``line`` is the record and ``number`` its id."""
        if self._thread:
            self._thread.submit(self._plugins.changed, run_id, events.parse(line, number))

    def close(self) -> None:
        """Say what is left to say."""
        if self._thread:
            self._thread.shutdown()
