"""``AsyncJob``: a handle on one job, and ``AsyncJobs`` on several. ``Job`` and ``Jobs`` are their blocking faces."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from qwex.client.completed import completed
from qwex.client.follow import follow
from qwex.client.http import DeadlineError
from qwex.client.outcome import failure
from qwex.client.progress import moved
from qwex.client.show import Shown, ShownMany
from qwex.errors import JobNotDone
from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator
    from pathlib import Path

    from qwex.client.api import AsyncClient
    from qwex.errors import JobError
    from qwex.events import Event
    from qwex.record import JobFile, JobRecord, Metric
    from qwex.state import Why

__all__ = ["AsyncJob", "AsyncJobs", "cancel_order"]

#: The name under which the runner keeps a function's return value.
RETURN = "return"


class AsyncJob(Shown):
    """A job, like a future: ``await job`` gives its result. ``record`` is what was last heard of it."""

    def __init__(self, client: AsyncClient, record: JobRecord) -> None:
        self.client = client
        self.record = record
        self._heard = 0  # number of the last state event
        self._values: dict[str, Any] = {}

    def __await__(self) -> Generator[Any, None, Any]:
        return self.result().__await__()

    @property
    def state(self) -> JobState:
        """The state last heard of; ``status()`` asks."""
        return self.record.state

    async def status(self) -> JobRecord:
        """The job as it is now."""
        if not self.record.state.terminal:
            self.record = (await self.client.job(self.id)).record
        return self.record

    async def done(self) -> bool:
        """Whether the job has ended, in whatever way."""
        return (await self.status()).state.terminal

    async def running(self) -> bool:
        """Whether the job's code runs now."""
        return (await self.status()).state is JobState.RUNNING

    async def cancelled(self) -> bool:
        """Whether the job was cancelled."""
        return (await self.status()).state is JobState.CANCELLED

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for the job's end, at most ``timeout`` seconds; whether it has ended."""
        if self.record.state.terminal or (timeout is not None and timeout <= 0):
            return await self.done()
        deadline = None if timeout is None else time.monotonic() + timeout
        session = self.client.session
        try:
            async for event in follow(session, self.id, after=self._heard, types=("state",), deadline=deadline):
                self._heard = event.id
                if not JobState(event["state"]).terminal:  # of the end there is more to know than the event tells
                    self.record = moved(self.record, event)
        except DeadlineError:
            return False
        return await self.done()

    async def result(self, timeout: float | None = None) -> Any:
        """What a function returned; a cell's or script's outputs by name, or None when it has none.

        Loading values runs code: do it for jobs you trust.

        Raises:
            RemoteError: the job's code raised; also an instance of the built-in type it raised.
            JobFailed: the job ended without success for another reason.
            JobCancelled: it was cancelled.
            JobNotDone: ``timeout`` seconds have passed; the job goes on.
        """
        error = await self.exception(timeout)
        if error is not None:
            raise error
        if self.record.kind == "function":
            return await self.value(RETURN)
        return await self.values() if self.record.outputs else None

    async def exception(self, timeout: float | None = None) -> JobError | None:
        """What ``result`` would raise, or None.

        Raises:
            JobCancelled: it was cancelled.
            JobNotDone: ``timeout`` seconds have passed; the job goes on.
        """
        if not await self.wait(timeout):
            message = f"{self.id} is {self.state} after {timeout:g} s and goes on; ask again, or job.cancel()"
            raise JobNotDone(message, run_id=self.id)
        if self.state is JobState.SUCCEEDED:
            return None
        error = failure(self.record, await self._error() if self.record.reason == "Exception" else None)
        if self.state is JobState.CANCELLED:
            raise error
        return error

    async def cancel(self) -> bool:
        """Ask the job to end; False when it had ended before.

        One that runs is told to end and has its grace, so it may still run when this returns: ``wait`` for its end.
        """
        if await self.done():
            return False
        self.record = await self.client.cancel(self.id)
        return True

    async def files(self) -> list[JobFile]:
        """What its last attempt has left in ``QWEX_FILES``, by path; ``client.file`` has the bytes."""
        return await self.client.files(self.id)

    async def add_file(self, file: str | Path, path: str = "") -> JobFile:
        """Add a file to what it has left, under its own name or another ``path``: a report, a plot made later.

        Raises:
            InvalidSpec: it cannot be read, or that is no path.
            Conflict: the job has not ended, or left a file of that path itself.
        """
        return await self.client.add_file(self.id, file, path)

    async def metrics(self) -> list[Metric]:
        """What its code has logged over time, by name."""
        return await self.client.metrics(self.id)

    async def why(self) -> Why:
        """Why the job waits, or what it does now."""
        return await self.client.why(self.id)

    def events(
        self,
        after: int = 0,
        follow: bool = True,
        why: bool = False,
        types: Sequence[str] = (),
        tail: int | None = None,
    ) -> AsyncIterator[Event]:
        """The job's events after number ``after``; see ``AsyncClient.events``."""
        return self.client.events(self.id, after, follow, why, types, tail)

    def logs(self, follow: bool = False, offset: int = 0) -> AsyncIterator[str]:
        """The job's output as text; ``follow`` goes on to its end."""
        return self.client.logs(self.id, follow, offset)

    async def notebook(self) -> dict[str, Any]:
        """The notebook that it runs, with what its cells have shown by now, as nbformat 4 has it.

        Raises:
            NotFound: it runs none.
        """
        return await self.client.notebook(self.id)

    async def value(self, name: str) -> Any:
        """An output value, loaded (which runs code: do it for jobs you trust).

        Raises:
            NotFound: the job has no such value, or not yet.
            CaptureError: there is code in it that only the job's Python can run.
        """
        if name not in self._values:
            self._values[name] = await self.client.load_value(self.id, name)
        return self._values[name]

    async def values(self) -> dict[str, Any]:
        """All outputs by name, loaded."""
        return {name: await self.value(name) for name in self.record.outputs}

    async def resubmit(self, **changes: Any) -> AsyncJob:
        """The same job again, as a new one; ``changes`` are fields of its spec."""
        return await self.client.resubmit(self.id, **changes)

    async def _error(self) -> Event | None:
        """The error event of the last attempt."""
        last = None
        async for event in self.client.events(self.id, follow=False, types=("error",)):
            last = event if event.attempt == self.record.attempt else last
        return last


class AsyncJobs(ShownMany, Sequence[AsyncJob]):
    """Several jobs, in order; ``total`` counts those that match when not all were asked for."""

    def __init__(self, jobs: Sequence[AsyncJob], *, total: int | None = None) -> None:
        self._jobs = list(jobs)
        self.total = len(self._jobs) if total is None else total

    def __len__(self) -> int:
        return len(self._jobs)

    @overload
    def __getitem__(self, index: int) -> AsyncJob: ...
    @overload
    def __getitem__(self, index: slice) -> AsyncJobs: ...
    def __getitem__(self, index: int | slice) -> AsyncJob | AsyncJobs:
        return AsyncJobs(self._jobs[index]) if isinstance(index, slice) else self._jobs[index]

    @property
    def records(self) -> list[JobRecord]:  # type: ignore[override]
        """What was last heard of each."""
        return [job.record for job in self._jobs]

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of all, at most ``timeout`` seconds; whether all have ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        return all([await job.wait(_left(deadline)) for job in self._jobs])

    async def results(self, timeout: float | None = None) -> list[Any]:
        """The result of each, in order; raises the first error, in order."""
        deadline = None if timeout is None else time.monotonic() + timeout
        return [await job.result(_left(deadline)) for job in self._jobs]

    def as_completed(self, timeout: float | None = None) -> AsyncIterator[AsyncJob]:
        """Each job as it ends, those that have ended first, for at most ``timeout`` seconds.

        Raises:
            JobNotDone: ``timeout`` seconds have passed, and some have not ended; they go on.
        """
        return completed(self._jobs, timeout)

    async def cancel(self) -> None:
        """Ask all that have not ended to end; those that wait first, so that none of them starts meanwhile."""
        for job in self._jobs:
            await job.status()
        for job in sorted(self._jobs, key=lambda job: cancel_order(job.record)):
            if not job.record.state.terminal:
                job.record = await job.client.cancel(job.id)


def cancel_order(record: JobRecord) -> tuple[bool, int, float]:
    """The key by which several jobs are cancelled: no end of one makes room for another that is to end as well.

    What waits comes before what runs, and of that the one that would start last before the others.
    """
    return record.state in (JobState.ADMITTED, JobState.RUNNING), record.priority, -record.created_at


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)
