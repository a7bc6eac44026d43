"""The live jobs: from the queue to a process, to the record of their end, and back to the queue."""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from qwex import jobfolder
from qwex.state import JobState, JobStatus, Reason
from qwex_local.attempt import Attempt
from qwex_local.queue import Amount, Entry, Line
from qwex_local.request import LocalRequest, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qwex_local.journal import Journal, Row
    from qwex_local.queue import Scheduler
    from qwex_local.request import Interpreter
    from qwex_local.zygotes import Zygotes

__all__ = ["Dispatcher", "LiveJob"]

log = logging.getLogger(__name__)

CANCELLED, PREEMPTED = Reason.CANCELLED_BY_USER.value, Reason.PREEMPTED.value
#: What says nothing of a job that cannot start for it: too many files are open, the disk is full.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT)
#: Seconds until such a start is tried again.
_PAUSE = 1.0
_VANISHED = "the job's process vanished without a word, as when it is killed or the machine restarts"


class LiveJob:
    """A job that has not ended. Ten thousand of them wait at once, so what a waiting one needs is all it has."""

    __slots__ = ("attempt", "entry", "status", "stop")

    def __init__(self, entry: Entry, status: JobStatus, stop: str = "") -> None:
        self.entry = entry
        self.status = status
        #: The reason it was asked to end for, or empty.
        self.stop = stop
        #: Set while it is started or runs.
        self.attempt: Attempt | None = None

    @property
    def number(self) -> int:
        """The number of its attempt."""
        return self.status.attempt or 1


class Dispatcher:
    """Moves jobs through their states; ``on_change`` hears each, ``on_news`` when a job may have written more."""

    def __init__(
        self,
        journal: Journal,
        scheduler: Scheduler,
        zygotes: Zygotes,
        folder: Path,
        on_change: Callable[[str, JobStatus], None],
        on_news: Callable[[str], None],
    ) -> None:
        self.jobs: dict[str, LiveJob] = {}
        self.journal = journal
        self.scheduler = scheduler
        self._zygotes = zygotes
        self._folder = folder
        self._on_change = on_change
        self._on_news = on_news
        self._pass_due: asyncio.Handle | None = None

    def folder(self, run_id: str, attempt: int | None = None) -> Path:
        """Where a job's attempts are, or one of them."""
        return self._folder / run_id / str(attempt) if attempt else self._folder / run_id

    def add(self, request: LocalRequest) -> None:
        """Take a job, or a further attempt of one that has ended."""
        seq = self.journal.add(request)
        entry = Entry(request.run_id, request.queue, shape_of(request), request.priority, seq)
        job = self.jobs[request.run_id] = LiveJob(entry, JobStatus(JobState.QUEUED, attempt=request.attempt))
        self._enqueue(job)
        self._on_change(request.run_id, job.status)

    def take_up(self) -> None:
        """Go on where an earlier instance stopped."""
        for row in self.journal.live():
            request = row.request
            self.scheduler.lines.setdefault(request.queue, Line(Amount()))
            entry = Entry(row.run_id, request.queue, shape_of(request), request.priority, row.seq)
            job = self.jobs[row.run_id] = LiveJob(entry, row.status, row.stop)
            if row.status.state is JobState.QUEUED:
                self._enqueue(job)
            else:
                self._guarded(self._adopt, job, row)

    def cancel(self, run_id: str) -> None:
        """End a job for its user."""
        job = self.jobs.get(run_id)
        if job is None or job.stop == CANCELLED:
            return
        if job.attempt is None:
            self.scheduler.remove(job.entry)
            self._wake()
            self._finish(job, JobStatus(JobState.CANCELLED, CANCELLED, "cancelled while it waited", None, job.number))
        elif self._zygotes.withdraw(job.attempt):
            job.attempt.close()
            self._settle(job, JobStatus(JobState.CANCELLED, CANCELLED, "cancelled as it started", None, job.number))
        else:
            self._stop(job, CANCELLED, "cancelled by its user")

    def close(self) -> None:
        """Let go of everything; jobs go on."""
        if self._pass_due:
            self._pass_due.cancel()
        for job in self.jobs.values():
            if job.attempt:
                job.attempt.close()

    def on_running(self, attempt: Attempt) -> None:
        """``Listener``."""
        job = self.jobs[attempt.run_id]
        self._move(job, JobStatus(JobState.RUNNING, attempt=attempt.number))

    def on_news(self, attempt: Attempt) -> None:
        """``Listener``."""
        self._on_news(attempt.run_id)

    def on_unstarted(self, attempt: Attempt) -> None:
        """``Listener``."""
        job = self.jobs[attempt.run_id]
        if job.stop == CANCELLED:
            self._settle(job, JobStatus(JobState.CANCELLED, CANCELLED, "cancelled as it started", None, job.number))
        else:
            self._requeue(job, Reason.RETRY.value, "its start was cut short; it is started again")

    def on_ended(self, attempt: Attempt, record: dict[str, Any] | None, problem: str) -> None:
        """``Listener``."""
        job = self.jobs[attempt.run_id]
        if _reason(job, record) == PREEMPTED:
            self._requeue(job, PREEMPTED, "a job of higher priority took its place")
        elif record:
            self._settle(job, _outcome(job, record))
        elif job.stop:
            self._settle(job, JobStatus(JobState.CANCELLED, CANCELLED, "cancelled by its user", None, job.number))
        elif problem:
            self._settle(job, JobStatus(JobState.FAILED, Reason.START_FAILED.value, problem, None, job.number))
        else:
            self._settle(job, JobStatus(JobState.FAILED, Reason.LOST.value, _VANISHED, None, job.number))

    def _enqueue(self, job: LiveJob) -> None:
        self.scheduler.add(job.entry)
        self._wake()

    def _wake(self) -> None:
        """Have one scheduling pass for all that changes until the loop comes round."""
        if self._pass_due is None:
            self._pass_due = asyncio.get_running_loop().call_soon(self._pass)

    def _pass(self) -> None:
        self._pass_due = None
        decided = self.scheduler.schedule(time.monotonic())
        for entry in decided.preempt:
            self._preempt(self.jobs[entry.run_id])
        for entry in decided.start:
            self._guarded(self._start, self.jobs[entry.run_id])

    def _guarded(self, act: Callable[..., None], job: LiveJob, *more: Any) -> None:
        """What one job brings about ends that job, not the pass or the start in which it happens."""
        try:
            act(job, *more)
        except Exception as error:
            log.exception("%s", job.entry.run_id)
            if job.entry.run_id in self.jobs:
                problem = f"cannot be started: {type(error).__name__}: {error}"
                self._settle(job, JobStatus(JobState.FAILED, Reason.START_FAILED.value, problem, None, job.number))

    def _preempt(self, job: LiveJob) -> None:
        if job.attempt and self._zygotes.withdraw(job.attempt):
            job.attempt.close()
            self._requeue(job, PREEMPTED, "a job of higher priority took its place")
        else:
            self._stop(job, PREEMPTED, "a job of higher priority takes its place")

    def _start(self, job: LiveJob) -> None:
        """Give the job a folder and a process. The journal says so first: the next instance must look there."""
        run_id, number = job.entry.run_id, job.number
        self._move(job, JobStatus(JobState.ADMITTED, attempt=number))
        request = self.journal.request(run_id)
        self._launch(self._attempt(job, request), self._description(job, request), request.interpreter())

    def _launch(self, attempt: Attempt, description: dict[str, Any], interpreter: Interpreter) -> None:
        if attempt.ended:  # cancelled while it waited for a file
            return
        try:
            jobfolder.write_description(description, attempt.folder, bell=True)
            attempt.follow()
            self._zygotes.launch(attempt, interpreter)
        except FileExistsError:
            attempt.adopt()
        except OSError as error:
            if error.errno not in _PASSING:
                of = f": {error.filename}" if error.filename else ""
                attempt.process_ended(f"cannot start: {error.strerror or error}{of}")
                return
            log.warning("%s starts once there are files and space for it: %s", attempt.run_id, error)
            asyncio.get_running_loop().call_later(_PAUSE, self._launch, attempt, description, interpreter)

    def _attempt(self, job: LiveJob, request: LocalRequest) -> Attempt:
        folder = self.folder(request.run_id, job.number)
        job.attempt = Attempt(request.run_id, job.number, folder, request.grace, self)
        return job.attempt

    def _adopt(self, job: LiveJob, row: Row) -> None:
        self.scheduler.hold(job.entry, row.devices)
        attempt = self._attempt(job, row.request)
        job.entry.stopping = bool(job.stop)
        attempt.adopt()
        if job.stop and not attempt.ended:
            attempt.stop(job.stop, "asked to end before the controller restarted")

    def _description(self, job: LiveJob, request: LocalRequest) -> dict[str, Any]:
        return {**request.job, "attempt": job.number, "env": {**request.job["env"], **self._gpu_variables(job)}}

    def _gpu_variables(self, job: LiveJob) -> dict[str, str]:
        """On a machine with GPUs a job sees its own ones, and none if it asked for none."""
        machine = self.scheduler.machine
        if not machine.gpus:
            return {}
        seen = {"CUDA_VISIBLE_DEVICES": ",".join(job.entry.devices), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        return {**seen, "QWEX_SIMULATED_GPUS": "1"} if machine.simulated else seen

    def _stop(self, job: LiveJob, reason: str, message: str) -> None:
        job.stop = reason
        job.entry.stopping = True
        self._save(job)
        if job.attempt:
            job.attempt.stop(reason, message)

    def _requeue(self, job: LiveJob, reason: str, message: str) -> None:
        """Back to its place in the queue, which is that of its first arrival."""
        self.scheduler.release(job.entry)
        job.attempt, job.stop = None, ""
        self._move(job, JobStatus(JobState.QUEUED, reason, message, None, job.number + 1))
        self._enqueue(job)

    def _settle(self, job: LiveJob, status: JobStatus) -> None:
        """End a job that held quota."""
        self.scheduler.release(job.entry)
        self._finish(job, status)
        self._wake()

    def _finish(self, job: LiveJob, status: JobStatus) -> None:
        del self.jobs[job.entry.run_id]
        self._move(job, status)

    def _move(self, job: LiveJob, status: JobStatus) -> None:
        job.status = status
        if status.state is not JobState.RUNNING:
            # That it runs stands in its event file, which the next instance reads.
            self._save(job)
        self._on_change(job.entry.run_id, status)
        self._on_news(job.entry.run_id)

    def _save(self, job: LiveJob) -> None:
        try:
            self.journal.save(job.entry.run_id, job.status, stop=job.stop, devices=job.entry.devices)
        except (sqlite3.Error, UnicodeError) as error:
            # A full disk must not stop the queue; the next instance finds the same from the job's folder.
            log.warning("%s: %s was not recorded: %s", job.entry.run_id, job.status.state, error)


def _reason(job: LiveJob, record: dict[str, Any] | None) -> str:
    """What the record says, unless this side knows better why the job was stopped."""
    reason: str = record["reason"] if record else Reason.SIGNAL.value
    return job.stop if job.stop and reason in (PREEMPTED, Reason.SIGNAL.value) else reason


def _outcome(job: LiveJob, record: dict[str, Any]) -> JobStatus:
    code, reason, message = record["code"], _reason(job, record), record["message"]
    if reason == CANCELLED:
        return JobStatus(JobState.CANCELLED, CANCELLED, message, code, job.number)
    state = JobState.SUCCEEDED if code == 0 and not reason else JobState.FAILED
    return JobStatus(state, reason, message, code, job.number)
