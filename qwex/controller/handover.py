"""Hands recorded jobs to their backends, and again later while a backend cannot be reached."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from qwex.errors import BackendUnavailable, InvalidSpec, NotFound
from qwex.state import JobState, JobStatus, Reason, WaitReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from qwex.backend import Backend
    from qwex.controller.backends import Backends
    from qwex.controller.job import LiveJob
    from qwex.controller.lifecycle import Lifecycle
    from qwex.controller.planning import Planner

__all__ = ["Handover"]

log = logging.getLogger(__name__)

#: Seconds between two tries for a backend that cannot be reached: first and longest.
_PAUSE = (0.5, 60.0)


class Handover:
    """A job that is recorded reaches its backend, however long that takes."""

    def __init__(self, backends: Backends, planner: Planner, lifecycle: Lifecycle) -> None:
        self._backends = backends
        self._planner = planner
        self._lifecycle = lifecycle
        self._waiting: dict[str, dict[str, LiveJob]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        #: Asks a backend that has just taken a job to end it.
        self.ask_to_end: Callable[[LiveJob], Awaitable[None]]
        #: Jobs that their backend may have all the same.
        self._doubtful: set[str] = set()

    async def give(self, job: LiveJob, backend: Backend[Any], request: Any) -> None:
        """Hand a request over; where that fails for now, go on trying in the background.

        Raises:
            InvalidSpec: the backend refuses the job for good.
        """
        try:
            native_id = await backend.submit(request)
        except InvalidSpec:
            raise
        except Exception as error:
            if not isinstance(error, BackendUnavailable) or error.in_doubt:
                self._doubtful.add(job.id)
            self._later(job, error)
            return
        self._doubtful.discard(job.id)
        self._lifecycle.accepted(job, native_id)
        if job.cancelling:
            with contextlib.suppress(BackendUnavailable):  # it is asked again
                await self.ask_to_end(job)

    async def give_all(self, given: Sequence[tuple[LiveJob, Backend[Any], Any]]) -> None:
        """Hand requests over, as many at once as their backends allow.

        Raises:
            InvalidSpec: a backend refuses one of the jobs for good; others may have been handed over.
        """
        gates = {backend.name: asyncio.Semaphore(backend.submits) for _, backend, _ in given if backend.submits > 1}
        together = []
        for job, backend, request in given:
            if gate := gates.get(backend.name):
                together.append(self._give_in_turn(gate, job, backend, request))
            else:
                await self.give(job, backend, request)
        refusals = [error for error in await asyncio.gather(*together, return_exceptions=True) if error]
        if refusals:
            raise refusals[0]

    async def _give_in_turn(self, gate: asyncio.Semaphore, job: LiveJob, backend: Backend[Any], request: Any) -> None:
        async with gate:
            await self.give(job, backend, request)

    async def again(self, job: LiveJob) -> None:
        """Hand a stored job over, for its present attempt; a refusal ends it. Raises nothing."""
        try:
            await self._give_stored(job)
        except (InvalidSpec, NotFound) as error:
            self._lifecycle.conclude(job, JobStatus(JobState.FAILED, Reason.REFUSED.value, error.message))
        except Exception as error:
            self._later(job, error)

    def withdraw(self, job: LiveJob) -> bool:
        """Stop trying; False when the backend may have the job: then it is handed over once more, and ended."""
        if job.id in self._doubtful:
            return False
        return self._waiting.get(job.record.backend, {}).pop(job.id, None) is not None

    async def close(self) -> None:
        """Stop trying; the next start goes on."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _give_stored(self, job: LiveJob) -> None:
        backend = await self._backends.get(job.record.backend)
        self._backends.watch(backend.name)
        request = backend.render(await self._planner.again(job))
        await self.give(job, backend, request)

    def _later(self, job: LiveJob, error: Exception) -> None:
        if not isinstance(error, BackendUnavailable):
            log.error("%s could not be handed to %s", job.id, job.record.backend, exc_info=error)
        name = job.record.backend
        if job.cancelling and job.id not in self._doubtful:
            cancelled = JobStatus(JobState.CANCELLED, Reason.CANCELLED_BY_USER.value, "cancelled")
            self._lifecycle.conclude(job, cancelled)
            return
        if job.record.state in (JobState.PENDING, JobState.QUEUED):
            self._lifecycle.waits(job, WaitReason.BACKEND_UNAVAILABLE.value, str(error) or type(error).__name__)
        self._waiting.setdefault(name, {})[job.id] = job
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._retry(name))

    async def _retry(self, name: str) -> None:
        """Oldest first; the first failure ends the round."""
        pause = _PAUSE[0]
        waiting = self._waiting[name]
        try:
            while waiting:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE[1])
                while waiting and await self._succeeds(waiting.pop(next(iter(waiting)))):
                    pause = _PAUSE[0]
        finally:
            del self._tasks[name]

    async def _succeeds(self, job: LiveJob) -> bool:
        """Whether the job waits no more."""
        waiting = self._waiting[job.record.backend]
        try:
            await self.again(job)
        except Exception:
            log.exception("%s", job.id)  # its refusal could not be written down
            waiting[job.id] = job
        return job.id not in waiting
