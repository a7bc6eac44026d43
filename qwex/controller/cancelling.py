"""Ending a job at a user's wish."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

from qwex.errors import BackendUnavailable
from qwex.state import JobState, JobStatus, Reason

if TYPE_CHECKING:
    from qwex.controller.backends import Backends
    from qwex.controller.handover import Handover
    from qwex.controller.job import LiveJob
    from qwex.controller.lifecycle import Lifecycle
    from qwex.controller.store import Store

__all__ = ["Cancelling"]


log = logging.getLogger(__name__)

#: Seconds before each further try to reach a backend; the last one again and again.
_AGAIN = (1.0, 5.0, 15.0, 60.0)


class Cancelling:
    """The wish is written down first, so that it outlives a kill; then the backend is asked."""

    def __init__(self, store: Store, backends: Backends, handover: Handover, lifecycle: Lifecycle) -> None:
        self._store = store
        self._backends = backends
        self._handover = handover
        self._lifecycle = lifecycle
        #: By the id of the job that its backend has not been asked to end yet.
        self._waiting: dict[str, asyncio.Task[None]] = {}

    async def cancel(self, job: LiveJob) -> None:
        """Ask for the job's end. Safe to repeat.

        Raises:
            BackendUnavailable: the backend could not be asked yet; it will be.
        """
        if not job.cancelling:
            job.cancelling = True
            self._store.writer.update(job.id, job.mutable())
            await self._store.writer.flush()
        if self._handover.withdraw(job):
            self._lifecycle.conclude(job, JobStatus(JobState.CANCELLED, Reason.CANCELLED_BY_USER.value, "cancelled"))
        elif job.record.native_id and not job.record.state.terminal:
            await self.ask(job)

    async def close(self) -> None:
        """Stop trying; the next start goes on."""
        for task in self._waiting.values():
            task.cancel()
        await asyncio.gather(*self._waiting.values(), return_exceptions=True)

    async def ask(self, job: LiveJob) -> None:
        """Ask the backend, again and again where that fails.

        Raises:
            BackendUnavailable: it could not be asked yet; it will be.
        """
        try:
            await self._end(job)
        except Exception as error:
            if job.id not in self._waiting:
                task = self._waiting[job.id] = asyncio.create_task(self._ask_again(job))
                task.add_done_callback(lambda task: self._waiting.pop(job.id))
            kept = "The wish is kept: the job is told to end as soon as that is possible"
            why = (str(error) or type(error).__name__).rstrip(".")
            raise BackendUnavailable(f"{why}. {kept}") from error

    async def _ask_again(self, job: LiveJob) -> None:
        for pause in itertools.chain(_AGAIN, itertools.repeat(_AGAIN[-1])):
            await asyncio.sleep(pause)
            if job.record.state.terminal:
                return
            try:
                await self._end(job)
                return
            except Exception as error:
                log.warning("%s cannot be told to end yet: %s", job.id, str(error) or type(error).__name__)

    async def _end(self, job: LiveJob) -> None:
        assert job.record.native_id is not None
        backend = await self._backends.get(job.record.backend)
        await backend.cancel(job.record.native_id)
