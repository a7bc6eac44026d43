"""How jobs move: what backends say becomes records in logs and rows, attempts end in order, failures are retried."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qwex import events
from qwex.controller.job import changed
from qwex.controller.retries import may_retry
from qwex.controller.times import times, true_times
from qwex.errors import QwexError
from qwex.state import TRANSITIONS, JobState, JobStatus, Position, Reason, WaitReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from qwex.controller.backends import Backends
    from qwex.controller.bus import Bus
    from qwex.controller.eventlog import EventLog, Logs
    from qwex.controller.job import LiveJob
    from qwex.controller.notices import Notices
    from qwex.controller.reading import Reading
    from qwex.controller.registry import Registry
    from qwex.controller.store import Store
    from qwex.controller.tracking import Tracking
    from qwex.controller.values import Values

__all__ = ["Lifecycle"]

log = logging.getLogger(__name__)

#: Seconds without a new record after which the end of an attempt is told without the rest of its output: where the
#: backend has begun the next one already, and where it has not.
_DRAIN_SECONDS, _LAST_DRAIN_SECONDS = 10.0, 120.0
#: Seconds between two looks at whether an end could be written, while the disk is full.
_PAUSE = 1.0
#: How often a status that could not be taken in is tried again.
_TRIES = 2
_NOTHING: Mapping[str, int] = {}


class Lifecycle:
    """Moves jobs. All output of an attempt is in the log before the record of the state that ends it."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        logs: Logs,
        bus: Bus,
        backends: Backends,
        notices: Notices,
        values: Values,
        reading: Reading,
    ) -> None:
        self._registry = registry
        self._store = store
        self._logs = logs
        self._bus = bus
        self._backends = backends
        self._notices = notices
        self._values = values
        self._reading = reading
        self._tasks: set[asyncio.Task[None]] = set()
        #: What goes on after the end of jobs, by their ids.
        self._copying: dict[str, asyncio.Task[None]] = {}
        self.tracking: Tracking
        #: Hands a job to its backend again, for its next attempt.
        self.start_again: Callable[[LiveJob], Awaitable[None]]
        self.on_end: Callable[[LiveJob], None] = lambda job: None

    @property
    def is_copying(self) -> bool:
        """Whether values of ended jobs are not here yet."""
        return bool(self._copying)

    def accepted(self, job: LiveJob, native_id: str) -> None:
        """The backend has the job."""
        before, waited = job.record.native_id, job.record.reason == WaitReason.BACKEND_UNAVAILABLE.value
        if job.record.state is JobState.PENDING:
            self._move(job, JobState.QUEUED, native_id=native_id)
        elif before != native_id or waited:
            said = {"reason": "", "message": ""} if waited else {}
            job.record = changed(job.record, native_id=native_id, **said)
            self._store.writer.update(job.id, job.mutable())
            self._bus.publish(job.record)
        self._registry.named(job, before)
        early = self._backends.early(job)
        if early:
            self.on_status(job, early)

    def waits(self, job: LiveJob, reason: str, message: str) -> None:
        """It does not go on, and has not gone back; the record says why, the state stays."""
        job.record = changed(job.record, reason=reason, message=message)
        self._store.writer.update(job.id, job.mutable())
        self._bus.publish(job.record)

    def on_status(self, job: LiveJob, status: JobStatus) -> None:
        """The backend says where the job stands; what is old or known already has no effect."""
        if job.inbox is not None:
            job.inbox.append(status)
        elif _is_news(job, status):
            if _ends_attempt(job, status):
                job.inbox = deque([status])
                job.ending = self._spawn(self._work_off(job))
            else:
                self._advance(job, status)
        elif _explains(job, status):
            self.waits(job, status.reason, status.message)

    def conclude(self, job: LiveJob, status: JobStatus) -> None:
        """The job has ended; nothing more will happen to it."""
        exit = job.exit or {}
        code = status.exit_code if status.exit_code is not None else exit.get("code")
        used: dict[str, Any] = {name: exit.get(name) for name in ("peak_memory", "cpu_time")}
        used |= true_times(job.record, exit, time.time())
        self._move(job, status.state, status.reason, status.message, exit_code=code, **used)
        self.ended(job)

    def ended(self, job: LiveJob) -> None:
        """The record of the job's end is in its log."""
        assert job.log is not None
        self._reading.stop(job)
        story, job.log = job.log, None
        story.end()
        self._store.writer.update(job.id, job.mutable())
        self._spawn(self._keep(job, story))
        self.tracking.ended(job)

    def begin_again(self, job: LiveJob) -> None:
        """The backend had lost a job that had started, and took it as new: it has everything to say once more."""
        job.position = Position(job.record.attempt, 0)
        message = "its backend had lost it; it waits again"
        self._requeue(job, JobStatus(JobState.QUEUED, Reason.LOST.value, message), job.record.attempt)

    def resume(self, job: LiveJob) -> None:
        """A job that ran before this controller started, and may run still: read on."""
        self._reading.begin(job)

    def settled(self, job: LiveJob) -> None:
        """Every tracker knows of the job's end."""
        job.settled = True
        self._store.writer.update(job.id, job.mutable())

    async def close(self) -> None:
        """Move nothing any more; jobs go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work_off(self, job: LiveJob) -> None:
        """One status after the other, when the end of an attempt takes time."""
        assert job.inbox is not None
        try:
            while job.inbox:
                await self._work_on(job, job.inbox.popleft())
        finally:
            job.inbox = job.ending = None

    async def _work_on(self, job: LiveJob, status: JobStatus) -> None:
        """Take in one status; tried again if that fails, and a job that ended has ended in any case."""
        for left in reversed(range(_TRIES + 1)):
            try:
                if _is_news(job, status):
                    await self._take_in(job, status)
                return
            except Exception:
                log.exception("%s: %s could not be taken in", job.id, status.state)
            if left:
                await asyncio.sleep(_PAUSE)
            elif status.state.terminal and not job.record.state.terminal:
                self.conclude(job, status)

    async def _take_in(self, job: LiveJob, status: JobStatus) -> None:
        if _ends_attempt(job, status):
            await self._end_attempt(job, status)
        else:
            self._advance(job, status)

    async def _end_attempt(self, job: LiveJob, status: JobStatus) -> None:
        attempt = _attempt(job, status)
        is_last = attempt == job.record.attempt
        whole = await self._reading.drain(job, _LAST_DRAIN_SECONDS if is_last else _DRAIN_SECONDS)
        if not is_last:
            await self._begin_next(job, status, attempt, whole=whole)
        elif await may_retry(job, status, self._store):
            self._reading.let_go(job)
            # Nothing more of this attempt is asked for: a place that has let go of it, or is silent, holds up none.
            job.position = Position(attempt + 1, 0)
            message = f"{status.message or status.reason}; starting again"
            retry = JobStatus(JobState.QUEUED, Reason.RETRY.value, message)
            self._requeue(job, retry, attempt + 1, failures=job.failures, losses=job.losses)
            await self.start_again(job)
        else:
            await self._keep_values(job)
            self.conclude(job, status)

    async def _begin_next(self, job: LiveJob, status: JobStatus, attempt: int, *, whole: bool) -> None:
        """The backend has a later attempt; what is missing of this one is read on beside that."""
        backend = await self._backends.get(job.record.backend)
        self._reading.let_go(job)
        unseen = JobStatus(JobState.QUEUED, Reason.REQUEUED.value, "it went back to its queue while nobody watched")
        self._requeue(job, status if status.state is JobState.QUEUED else unseen, attempt)
        if not whole:
            self._reading.read(job, backend)
        self.on_status(job, replace(status, attempt=attempt))

    async def _keep_values(self, job: LiveJob) -> None:
        job.owing = True
        kept = await self._values.keep(job, await self._backends.get(job.record.backend))
        job.owing = bool(kept.later)
        if kept.lost:
            message = f"these values could not be read from the backend before they were gone: {', '.join(kept.lost)}"
            self._warn(job, "error", "value-lost", message)
        if kept.later:
            message = f"these values cannot be copied now and are copied later: {', '.join(kept.later)}"
            self._warn(job, "warning", "value-later", message)

    async def _keep_on(self, job: LiveJob) -> None:
        """Its place is let go once the values are here; else it keeps them for as long as it can, or leaves them."""
        try:
            kept = await self._values.keep_on(job, await self._backends.get(job.record.backend))
        except QwexError as error:
            log.warning("the values of %s cannot be copied: %s", job.id, error)
            return
        if kept.lost:
            log.error("values of %s were gone before they could be copied: %s", job.id, ", ".join(kept.lost))
        if kept.later:
            log.error("values of %s could not be copied from its place: %s", job.id, ", ".join(kept.later))
        else:
            self._reading.let_go(job)

    def _advance(self, job: LiveJob, status: JobStatus) -> None:
        self._move(job, status.state, status.reason, status.message, attempt=_attempt(job, status))
        if status.state is JobState.RUNNING and job.pump is None:
            self._reading.begin(job)

    def _requeue(self, job: LiveJob, status: JobStatus, attempt: int, **spent: int) -> None:
        self._reading.stop(job)
        job.exit = None
        self._move(job, JobState.QUEUED, status.reason, status.message, attempt=attempt, spent=spent)

    def _move(
        self,
        job: LiveJob,
        state: JobState,
        reason: str = "",
        message: str = "",
        *,
        exit_code: int | None = None,
        attempt: int | None = None,
        spent: Mapping[str, int] = _NOTHING,
        **more: Any,
    ) -> None:
        """Log first, then the row: after a kill the log is never behind."""
        before, now = job.record, time.time()
        message = message.encode("utf-8", "replace").decode()  # a backend's; neither store nor stream takes half a pair
        said = {"state": state.value, "reason": reason, "message": message, "exit_code": exit_code}
        line = events.encode("state", now, attempt or before.attempt, **said, **spent)
        number = self._write(job, line)
        changes: dict[str, Any] = {
            **said,
            "state": state,
            "attempt": attempt or before.attempt,
            **times(state, now),
            **more,
        }
        job.record = changed(before, **changes)
        self._store.writer.update(job.id, job.mutable())
        self._bus.publish(job.record)
        self._notices.changed(job.id, line, number)

    def _warn(self, job: LiveJob, level: str, code: str, message: str) -> None:
        """A notice in the log, of the present attempt."""
        said = {"level": level, "code": code, "message": message}
        self._write(job, events.encode("notice", time.time(), job.record.attempt, **said))

    def _write(self, job: LiveJob, line: bytes) -> int:
        """Append to the log; the number of the record. A job that was only queued so far needs no file."""
        if job.record.state is JobState.PENDING and b'"state":"QUEUED"' in line and job.log is None:
            if held := self._logs.held(job.id):
                held.hold(line)
            return 2
        job.log = job.log or self._logs.write(job.record)
        job.log.append(line, essential=True)
        self.tracking.grew(job, line, at_once=True)
        return job.log.lines

    async def _keep(self, job: LiveJob, story: EventLog) -> None:
        """Hold the job and its log until its end is on disk."""
        while story.unwritten and not story.append(b""):  # noqa: ASYNC110 - only while the disk is full
            await asyncio.sleep(_PAUSE)
        try:
            await asyncio.to_thread(story.sync)
        except OSError as error:
            log.warning("the log of %s is not flushed to disk: %s", job.id, error)
        if job.owing:
            self._copying[job.id] = copying = self._spawn(self._keep_on(job))
            copying.add_done_callback(lambda _: self._copying.pop(job.id, None))
        else:
            self._reading.let_go(job)
        self._logs.release(story)
        while not await self._store.writer.flush(urgent=False):  # noqa: ASYNC110 - only while the disk is full
            await asyncio.sleep(_PAUSE)
        self._registry.remove(job)
        self.on_end(job)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _attempt(job: LiveJob, status: JobStatus) -> int:
    """The attempt a status speaks of; a backend that does not count starts a new one by going back to QUEUED."""
    if status.attempt is not None:
        return status.attempt
    again = status.state is JobState.QUEUED and job.record.state in (JobState.ADMITTED, JobState.RUNNING)
    return job.record.attempt + again


def _is_news(job: LiveJob, status: JobStatus) -> bool:
    record, attempt = job.record, _attempt(job, status)
    if record.state.terminal or attempt < record.attempt:
        return False
    if attempt > record.attempt:
        return True
    went_back = status.state is JobState.QUEUED and record.state is not JobState.PENDING
    return status.state in TRANSITIONS[record.state] and not went_back


def _explains(job: LiveJob, status: JobStatus) -> bool:
    """Whether it says something new of what keeps an admitted job from running: nothing has moved."""
    record = job.record
    here = (JobState.ADMITTED, record.state, record.attempt) == (status.state, JobState.ADMITTED, _attempt(job, status))
    return here and (record.reason, record.message) != (status.reason, status.message)


def _ends_attempt(job: LiveJob, status: JobStatus) -> bool:
    return status.state.terminal or _attempt(job, status) > job.record.attempt
