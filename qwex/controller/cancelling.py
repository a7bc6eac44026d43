"""Ending a job at a user's wish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.state import JobState, JobStatus, Reason

if TYPE_CHECKING:
    from qwex.controller.backends import Backends
    from qwex.controller.handover import Handover
    from qwex.controller.job import LiveJob
    from qwex.controller.lifecycle import Lifecycle
    from qwex.controller.store import Store

__all__ = ["Cancelling"]


class Cancelling:
    """The wish is written down first, so that it outlives a kill; then the backend is asked."""

    def __init__(self, store: Store, backends: Backends, handover: Handover, lifecycle: Lifecycle) -> None:
        self._store = store
        self._backends = backends
        self._handover = handover
        self._lifecycle = lifecycle

    async def cancel(self, job: LiveJob) -> None:
        """Ask for the job's end. Safe to repeat.

        Raises:
            BackendUnavailable: the backend could not be asked; it will be after the next start.
        """
        if not job.cancelling:
            job.cancelling = True
            self._store.writer.update(job.id, job.mutable())
            await self._store.writer.flush()
        if self._handover.withdraw(job):
            self._lifecycle.conclude(job, JobStatus(JobState.CANCELLED, Reason.CANCELLED_BY_USER.value, "cancelled"))
        elif job.record.native_id and not job.record.state.terminal:
            backend = await self._backends.get(job.record.backend)
            await backend.cancel(job.record.native_id)
