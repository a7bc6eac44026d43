"""After a start: every job that had not ended is taken up where the log and the backend say it stands."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from qwex.controller.eventlog import whole_lines
from qwex.controller.job import changed, taken
from qwex.controller.records import find, last_position, lines_of, values_in
from qwex.controller.times import times, true_times
from qwex.jobfolder import exit_of
from qwex.state import JobState, JobStatus, Position, Reason

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from qwex.backend import Backend
    from qwex.controller.backends import Backends
    from qwex.controller.eventlog import EventLog, Logs
    from qwex.controller.handover import Handover
    from qwex.controller.job import LiveJob
    from qwex.controller.lifecycle import Lifecycle
    from qwex.controller.registry import Registry
    from qwex.controller.store import Store

__all__ = ["adopt", "load"]

log = logging.getLogger(__name__)

_PAUSE = (0.5, 60.0)
_MANY = 1000
_STARTED = (JobState.ADMITTED, JobState.RUNNING)


def load(store: Store, logs: Logs, registry: Registry, lifecycle: Lifecycle) -> None:
    """Take the jobs into memory, each as far as its log has come: a kill may have kept that from the row."""
    for job in taken(store.live()):
        registry.add(job)
        if logs.path(job.id).exists():
            job.log = logs.write(job.record)
            try:
                _fold(job, job.log)
            except (ValueError, TypeError, LookupError):
                log.exception("the log of the job %s says what no log says, and is passed over", job.id)
            if job.record.state.terminal:
                _finish(job, logs, lifecycle)
        lifecycle.tracking.adopted(job)
    for job in taken(store.unsettled()):
        lifecycle.tracking.adopted(job)


async def adopt(registry: Registry, backends: Backends, handover: Handover, lifecycle: Lifecycle) -> None:
    """Ask every backend for the jobs it should have, as often as it takes."""
    by_backend: dict[str, list[LiveJob]] = {}
    for job in registry:
        if not job.record.state.terminal:
            by_backend.setdefault(job.record.backend, []).append(job)
    await asyncio.gather(*(_adopt_all(name, jobs, backends, handover, lifecycle) for name, jobs in by_backend.items()))


async def _adopt_all(
    name: str, jobs: list[LiveJob], backends: Backends, handover: Handover, lifecycle: Lifecycle
) -> None:
    pause = _PAUSE[0]
    while jobs := await _round(name, jobs, backends, handover, lifecycle):
        await asyncio.sleep(pause)
        pause = min(pause * 2, _PAUSE[1])


async def _round(
    name: str, jobs: list[LiveJob], backends: Backends, handover: Handover, lifecycle: Lifecycle
) -> list[LiveJob]:
    """Take up as many as that works with; the others."""
    left: list[LiveJob] = []
    try:
        backend = await backends.get(name)
        backends.watch(name)
        while jobs:
            left += await _adopt(backend, jobs[:_MANY], handover, lifecycle)
            jobs = jobs[_MANY:]
    except Exception as error:
        log.warning("jobs of %s wait to be taken up again: %s", name, str(error) or type(error).__name__)
    return left + jobs


async def _adopt(backend: Backend[Any], jobs: list[LiveJob], handover: Handover, lifecycle: Lifecycle) -> list[LiveJob]:
    """Take jobs up; those with which that did not work, and which keep no other from it."""
    left = [job for job in jobs if not await _works(job, _introduce(job, backend, handover))]
    there = {job.record.native_id: job for job in jobs if job.record.native_id and job not in left}
    known = await backend.status(list(there))
    for native_id, job in there.items():
        if not await _works(job, _catch_up(job, known.get(native_id), backend, handover, lifecycle)):
            left.append(job)
    return left


async def _works(job: LiveJob, work: Awaitable[None]) -> bool:
    try:
        await work
    except Exception as error:
        log.warning("%s waits to be taken up again: %s", job.id, str(error) or type(error).__name__)
        return False
    return True


async def _introduce(job: LiveJob, backend: Backend[Any], handover: Handover) -> None:
    if job.record.native_id:
        backend.adopt(job.record.native_id)
    elif not job.record.state.terminal:
        # The row was not told of the backend's answer. The log may still be far ahead of it, so what the backend says
        # of a job that it perhaps took as new is looked at afterwards.
        await handover.again(job)


async def _catch_up(
    job: LiveJob, status: JobStatus | None, backend: Backend[Any], handover: Handover, lifecycle: Lifecycle
) -> None:
    if job.record.state.terminal:
        return
    await _take_up(job, status, handover, lifecycle)
    if job.cancelling and job.record.native_id:
        await backend.cancel(job.record.native_id)


async def _take_up(job: LiveJob, status: JobStatus | None, handover: Handover, lifecycle: Lifecycle) -> None:
    state = job.record.state
    if status is None and state is JobState.RUNNING:
        message = "the backend does not know the job any more"
        lifecycle.on_status(job, JobStatus(JobState.FAILED, Reason.LOST.value, message))
    elif status is None or (status.attempt is not None and status.attempt < job.record.attempt):
        # Never arrived, or a retry that was recorded and not yet handed over.
        await handover.again(job)
    elif status.state is JobState.QUEUED and state in _STARTED and status.attempt in (None, job.record.attempt):
        lifecycle.begin_again(job)
    else:
        if state is JobState.RUNNING:
            lifecycle.resume(job)
        lifecycle.on_status(job, status)


def _fold(job: LiveJob, story: EventLog) -> None:
    for _, lines in whole_lines(story.fd) if story.fd >= 0 else ():
        job.position = last_position(lines) or job.position
        for value in values_in(lines):
            job.produced = {**job.produced, value["name"]: value}
        for line in lines_of(lines, "exit"):
            job.exit = exit_of(line) or job.exit
        for state in find(lines, "state"):
            _fold_state(job, state)
    if job.exit and job.exit["attempt"] != job.record.attempt:
        if job.exit["attempt"] == job.position.attempt:  # all of that attempt was read
            job.position = Position(job.position.attempt + 1, 0)
        job.exit = None


def _fold_state(job: LiveJob, said: dict[str, Any]) -> None:
    state, record = JobState(said["state"]), job.record
    if said["attempt"] < record.attempt or (state, said["attempt"]) == (record.state, record.attempt):
        return
    fields = {name: said[name] for name in ("attempt", "reason", "message", "exit_code")}
    job.record = changed(record, state=state, **fields, **times(state, said["ts"]))
    job.failures, job.losses = said.get("failures", job.failures), said.get("losses", job.losses)


def _finish(job: LiveJob, logs: Logs, lifecycle: Lifecycle) -> None:
    """The job's end is in its log, and was not in its row."""
    exit, record = job.exit or {}, job.record
    used = {name: exit.get(name) for name in ("peak_memory", "cpu_time")}
    job.record = changed(record, **used, **true_times(record, exit, record.ended_at or time.time()))
    job.owing = True  # as far as is known
    lifecycle.ended(job)
