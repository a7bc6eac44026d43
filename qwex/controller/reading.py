"""What running jobs say, read from their backends into their logs, and let go there once it is safe."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from qwex import events
from qwex.backend import Capability
from qwex.controller.pump import Pump
from qwex.errors import BackendUnavailable, QwexError
from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from qwex.backend import Backend
    from qwex.controller.backends import Backends
    from qwex.controller.eventlog import Logs
    from qwex.controller.job import LiveJob
    from qwex.controller.registry import Registry
    from qwex.controller.tracking import Tracking
    from qwex.state import Position

__all__ = ["Reading"]

log = logging.getLogger(__name__)

#: Seconds that a reader who does not follow waits for what a backend that reads on demand has.
_CATCH_UP_SECONDS = 5.0
#: Seconds before each further try to tell a backend that output is safe.
_LET_GO_AGAIN = (1.0, 5.0, 15.0, 60.0, 60.0)


class Reading:
    """At most one pump reads a job, that of its present attempt; it stays until the next one, also with all read."""

    def __init__(self, registry: Registry, backends: Backends, logs: Logs, max_log: int) -> None:
        self._registry = registry
        self._backends = backends
        self._logs = logs
        self._max_log = max_log
        self._tasks: set[asyncio.Task[None]] = set()
        self.tracking: Tracking

    async def close(self) -> None:
        """Stop reading; jobs go on."""
        tasks = [*self._tasks, *(job.pump.task for job in self._registry if job.pump)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def followed(self, job: LiveJob) -> None:
        """Somebody waits for what the job says next."""
        if _is_unread(job) and job.record.state is JobState.RUNNING:
            self._spawn(self._pump(job))

    async def caught_up(self, job: LiveJob) -> None:
        """Return once what the job has said by now is in its log, or could not be read in time."""
        if job.record.state is not JobState.RUNNING:
            return
        try:
            backend = await self._backends.get(job.record.backend)
            if Capability.ON_DEMAND in backend.capabilities:
                await asyncio.wait_for(self._catch_up(job, backend), _CATCH_UP_SECONDS)
        except (QwexError, asyncio.TimeoutError) as error:
            log.warning("what %s says now cannot be read: %s", job.id, error or "no answer in time")

    def begin(self, job: LiveJob) -> None:
        """Read a job that runs, if somebody wants it or its backend always tells."""
        self._spawn(self._pump(job))

    async def drain(self, job: LiveJob, seconds: float) -> bool:
        """Read the present attempt to its end; False, and said in the log, when nothing came of it for so long."""
        if job.record.native_id is None:
            return True
        if _is_unread(job):
            self.read(job, await self._backends.get(job.record.backend))
        assert job.pump is not None
        whole = await job.pump.drain(seconds)
        if not whole and (job.record.started_at or job.position.attempt == job.record.attempt):
            message = f"nothing more of this attempt's output came for {seconds:g} s: its end may be missing"
            assert job.log is not None
            said = {"level": "warning", "code": "output-lost", "message": message}
            job.log.append(events.encode("notice", time.time(), job.record.attempt, **said), essential=True)
        return whole

    def read(self, job: LiveJob, backend: Backend[Any]) -> None:
        """Read the present attempt, whatever its state."""
        if _is_unread(job):
            job.log = job.log or self._logs.write(job.record)
            job.pump = Pump(job, backend, self._max_log, self.tracking)

    def stop(self, job: LiveJob) -> None:
        """The attempt is over: nothing more of it is read."""
        if job.pump:
            job.pump.task.cancel()
        job.pump = None

    def let_go(self, job: LiveJob) -> None:
        """What was read so far is safe here: tell a backend that keeps it no longer than that."""
        self._spawn(self._let_go(job, job.position))

    async def _let_go(self, job: LiveJob, last: Position) -> None:
        """Tell a backend that keeps nothing for long that all up to ``last`` is on disk here."""
        backend = await self._backends.get(job.record.backend)
        if Capability.FLEETING not in backend.capabilities or not last.seq or job.record.native_id is None:
            return
        for pause in (*_LET_GO_AGAIN, None):
            try:
                if job.log:
                    await asyncio.to_thread(job.log.sync)
                await backend.acknowledge(job.record.native_id, last)
                return
            except Exception as error:
                if pause is None or not isinstance(error, BackendUnavailable):
                    # It then waits for as long as it does for a controller that is away.
                    log.warning("%s was not told that the output of %s is here: %s", backend.name, job.id, error)
                    return
            await asyncio.sleep(pause)

    async def _catch_up(self, job: LiveJob, backend: Backend[Any]) -> None:
        last = await backend.position(job.record.native_id or job.id)
        await self._pump(job, even_unfollowed=True)
        if job.pump:
            await job.pump.reached(last)

    async def _pump(self, job: LiveJob, *, even_unfollowed: bool = False) -> None:
        """Read what a running attempt says, if somebody wants it or the backend always tells."""
        backend = await self._backends.get(job.record.backend)
        wanted = even_unfollowed or job.followers or Capability.ON_DEMAND not in backend.capabilities
        if wanted and job.record.state is JobState.RUNNING:
            self.read(job, backend)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_unread(job: LiveJob) -> bool:
    """Whether nobody reads what the present attempt says."""
    return job.pump is None or job.pump.stopped
