"""The jobs as the watches show them: each Job with its Workload and pods, put together, judged, and told of."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

from qwex import jobfolder
from qwex.state import JobState, JobStatus, Reason
from qwex_kueue import elsewhere
from qwex_kueue.run import Run
from qwex_kueue.states import (
    as_it_stands,
    deactivated,
    exit_of,
    finished,
    is_evicted,
    is_stuck,
    is_unexplained,
    judge,
    pod_lost,
    requeued,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwex.record import JobRecord
    from qwex_kueue.journal import Journal
    from qwex_kueue.objects import Job, Pod, Workload
    from qwex_kueue.settings import KueueSettings

__all__ = ["Runs"]

#: Seconds after which a pod's end counts as unexplained, if nothing that is watched explains it.
_SETTLE = 3.0
#: In Kueue's message of a preemption, whom it was for.
_PREEMPTOR = re.compile(r"JobUID: ([0-9a-f-]+)")


class Runs:
    """Every job of this controller by run id. ``tell`` hears each status that is new."""

    def __init__(
        self,
        journal: Journal,
        settings: KueueSettings,
        controller: str,
        tell: Callable[[str, JobStatus], None],
    ) -> None:
        self._journal = journal
        self._settings = settings
        self._controller = controller
        self._tell = tell
        self._runs: dict[str, Run] = {}
        #: By the uid of the Job they are for.
        self._workloads: dict[str, Workload] = {}
        self._by_job: dict[str, str] = {}
        #: Jobs of other controllers by name.
        self._others: dict[str, Job] = {}
        self._complete = False
        #: Pods that were seen before all their Jobs were: which attempt they are cannot be told yet.
        self._early: dict[str, Pod] = {}
        #: Called with each change of a pod that is being ended: how its job ends is not in its status until it is gone.
        self.ending: Callable[[Run, Pod], None] = lambda run, pod: None
        #: Called with a run that goes back to the queue and will have another pod from the same Job.
        self.again: Callable[[Run], None] = lambda run: None
        #: Called with a run of which Kueue takes no notice.
        self.unnoticed: Callable[[Run], None] = lambda run: None
        #: Called with a run whose objects only hold quota.
        self.hopeless: Callable[[Run], None] = lambda run: None

    def complete(self) -> None:
        """Every kind of object was listed: from now on what is not there is gone."""
        if not self._complete:
            self._complete = True
            for pod in self._early.values():
                self.pod_changed(None, pod)
            self._early.clear()
            for run in list(self._runs.values()):
                self.look(run)

    def get(self, run_id: str) -> Run | None:
        """The job, where the cluster has something of it."""
        return self._runs.get(run_id)

    def workload(self, job: Job) -> Workload | None:
        """Kueue's object of a Job."""
        return self._workloads.get(job.uid)

    def elsewhere(self) -> list[JobRecord]:
        """Jobs of other controllers, the latest attempt of each, newest first."""
        latest: dict[str, Job] = {}
        for job in sorted(self._others.values(), key=lambda job: job.attempt):
            latest[job.run_id] = job
        newest = sorted(latest.values(), key=lambda job: job.created, reverse=True)
        return [elsewhere.record(job, self.workload(job)) for job in newest]

    def equivalents(self, workload: Workload) -> list[Workload]:
        """Others, anybody's, that stand in the same queue for the same amounts."""
        alike = (workload.queue, workload.requests)
        return [each for each in self._workloads.values() if (each.queue, each.requests) == alike and each != workload]

    def created(self, job: Job) -> None:
        """The answer to a create; what the watch has shown meanwhile is newer."""
        if job.uid not in self._by_job:
            self.job_changed(None, job)

    def job_changed(self, before: Job | None, now: Job | None) -> None:
        """A watch's news."""
        job = now or before
        assert job is not None
        if job.controller != self._controller:
            self._note_other(job, gone=now is None)
            return
        run = self._run(job.run_id, job.attempt)
        if now is None:
            run.jobs.pop(job.name, None)
            self._by_job.pop(job.uid, None)
        else:
            run.take_job(now)
            self._by_job[job.uid] = job.run_id
        self._seen(run)

    def pod_changed(self, before: Pod | None, now: Pod | None) -> None:
        """A watch's news."""
        pod = now or before
        assert pod is not None
        if not self._complete:
            if now:
                self._early[now.uid] = now
            else:
                self._early.pop(pod.uid, None)
            return
        run = self._runs.get(pod.run_id) or (self._run(pod.run_id, 1) if self._journal.handed(pod.run_id) else None)
        if run is None:
            return
        if now is None:
            run.pods.pop(pod.uid, None)
        else:
            run.take_pod(now)
            if now.deleted:
                self.ending(run, now)
        self._seen(run)

    def workload_changed(self, before: Workload | None, now: Workload | None) -> None:
        """A watch's news."""
        workload = now or before
        assert workload is not None
        if now is None:
            self._workloads.pop(workload.job_uid, None)
        else:
            self._workloads[workload.job_uid] = now
        self._note_admission(before, now)
        run = self._runs.get(self._by_job.get(workload.job_uid, ""))
        if run:
            self.look(run)

    def ended(self, run: Run, attempt: int, exit: dict[str, Any]) -> None:
        """The attempt's exit record was read."""
        run.exits[attempt] = exit
        self.look(run)

    def started(self, pod: Pod, start: dict[str, Any]) -> None:
        """The start record of a pod was read."""
        if version := start.get("version"):
            self._journal.has_python(pod.image, pod.python, version)

    def refuses(self, run: Run, message: str) -> None:
        """The job can never be admitted."""
        run.refused = message
        self.look(run)

    def stops(self, run: Run, reason: str, message: str) -> None:
        """The job is told to end."""
        run.stop = run.stop or (reason, message)
        self._journal.stops(run.run_id, reason, message)

    def forget(self, run_id: str) -> None:
        """Let go of a job."""
        run = self._runs.pop(run_id, None)
        if run and run.timer:
            run.timer.cancel()

    def status(self, run_id: str) -> JobStatus | None:
        """Where a job stands; None if the cluster never had it, or never all of its present attempt."""
        run, handed = self._runs.get(run_id), self._journal.handed(run_id)
        if handed and not handed.created and not handed.stop:
            return None
        if run and (run.told or run.jobs):
            if run.told is None:
                self.look(run)
            return run.told
        if handed is None or not (handed.created or handed.stop):
            return None
        return handed.end or self._gone(handed.stop, handed.stop_message, handed.attempt)

    def told_to_end(self, run_id: str) -> JobStatus | None:
        """Where a job stands that was told to end, before or after its present hand-over; None if it was not."""
        handed = self._journal.handed(run_id)
        return self.status(run_id) if handed and handed.stop else None

    def _seen(self, run: Run) -> None:
        """One of its objects has changed."""
        self.look(run)
        if run.told and run.is_over:
            self._journal.ends(run.run_id, run.told)
            self.forget(run.run_id)

    def look(self, run: Run) -> None:
        """Judge the job anew."""
        if run.changed:
            run.changed.set()
        if not self._complete:
            return
        if run.told and run.told.state.terminal and not self._again(run, run.told):
            if run.attempt > (run.told.attempt or 1):
                self.hopeless(run)  # it was evicted in the moment of its end, and its Job begins anew
            return
        status = self._judged(run)
        if status is None or status == run.told:
            return
        run.told = status
        self._tell(run.run_id, status)

    def _again(self, run: Run, told: JobStatus) -> bool:
        """Whether a further attempt has begun since the end that was told."""
        return run.job is not None and run.job.attempt > (told.attempt or 1)

    def _judged(self, run: Run) -> JobStatus | None:
        job, attempt = run.job, run.attempt
        if job is None:
            return self._without_job(run)
        workload, pod, exit = self._workloads.get(job.uid), run.pod(attempt), run.exits.get(attempt)
        if run.stop:
            return self._stopping(run, pod)
        over, killed = _how_it_ended(run, pod, exit)
        if killed and workload and not workload.active:
            self.hopeless(run)
            return deactivated(workload, attempt).status
        if over and _goes_back(run, job, workload, killed=killed):
            return self._requeued(run, workload)
        if killed:
            return self._lost(run, job, pod)
        if pod and is_unexplained(pod, exit) and not self._settled(run):
            return run.told
        if job.deleted and (pod is None or pod.deleted):
            return run.told  # its end is seen when it is gone
        if run.refused:
            self.hopeless(run)
            return JobStatus(JobState.FAILED, Reason.REFUSED.value, run.refused, None, attempt)
        if workload is None and pod is None:
            self._await_workload(run)
        verdict = judge(job, workload, pod, attempt, exit, impatient=self._is_impatient(run, pod))
        if verdict.hopeless:
            self.hopeless(run)
        return verdict.status

    def _is_impatient(self, run: Run, pod: Pod | None) -> bool:
        """Whether its pod has failed to start for as long as the settings allow."""
        if pod is None or not is_stuck(pod):
            run.stuck = 0.0
            return False
        run.stuck = run.stuck or time.monotonic()
        left = run.stuck + self._settings.image_patience - time.monotonic()
        if left > 0:
            self._look_later(run, left)
        return left <= 0

    def _stopping(self, run: Run, pod: Pod | None) -> JobStatus | None:
        """Told to end: it has, once its pod has; where there is none, once no further pod can come."""
        assert run.stop is not None
        ended = run.exits.get(run.attempt) or (exit_of(pod) if pod else None)
        if pod is not None and ended is None:
            return as_it_stands(pod, run.attempt)
        if ended is None and any(not job.deleted for job in run.jobs.values()):
            return run.told or as_it_stands(pod, run.attempt)
        code = ended.get("code") if ended else None
        return JobStatus(JobState.CANCELLED, *run.stop, code, run.attempt)

    def _without_job(self, run: Run) -> JobStatus | None:
        exit = run.exits.get(run.attempt)
        if run.stop:
            return self._stopping(run, None)
        if exit is not None:
            return jobfolder.ended(exit, run.attempt)
        if any(not pod.deleted for pod in run.pods.values()):
            return run.told
        return self._gone("", "", run.attempt)

    def _requeued(self, run: Run, workload: Workload | None) -> JobStatus:
        run.begin(run.attempt + 1)
        self.again(run)
        return requeued(workload, run.attempt, self._preemptor(workload))

    def _lost(self, run: Run, job: Job, pod: Pod | None) -> JobStatus | None:
        """Its pod was ended from outside, and its quota was not taken away."""
        status = finished(job, run.attempt)
        if status and status.reason != Reason.LOST.value:
            return status
        if pod is None:
            # Its Job says what becomes of that: it counts each of its pods once, and makes another or gives up.
            return pod_lost(None, run.attempt) if status else run.told
        if job.deleted or not self._settled(run):
            return run.told
        return pod_lost(pod, run.attempt)

    def _preemptor(self, workload: Workload | None) -> str:
        """The name of the job that took the workload's place, where it is in this namespace."""
        preempted = workload.has("Preempted") if workload else None
        named = _PREEMPTOR.search(preempted.message) if preempted else None
        taker = self._workloads.get(named[1]) if named else None
        return taker.owner if taker else ""

    def _settled(self, run: Run) -> bool:
        """Whether the other watches had time to show why a pod is gone: each kind of object has its own."""
        run.vanished = run.vanished or time.monotonic()
        left = run.vanished + _SETTLE - time.monotonic()
        if left > 0:
            self._look_later(run, left)
        return left <= 0

    def _gone(self, stop: str, stop_message: str, attempt: int) -> JobStatus:
        if stop:
            return JobStatus(JobState.CANCELLED, stop, stop_message, None, attempt)
        message = "its Job is not in the cluster any more: someone deleted it, or it ended long ago"
        return JobStatus(JobState.FAILED, "Deleted", message, None, attempt)

    def _await_workload(self, run: Run) -> None:
        """Kueue has had no look at the Job yet; again and again someone finds out why."""
        left = run.since + self._settings.workload_patience - time.monotonic()
        if left <= 0:
            run.since, left = time.monotonic(), self._settings.workload_patience
            self.unnoticed(run)
        self._look_later(run, left)

    def _look_later(self, run: Run, seconds: float) -> None:
        """The soonest counts: each look finds out anew when the next one is due."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(seconds, 0.0) + 0.1
        if run.timer and not run.timer.cancelled() and loop.time() <= run.timer.when() <= when:
            return
        if run.timer:
            run.timer.cancel()
        run.timer = loop.call_at(when, self.look, run)

    def _note_other(self, job: Job, *, gone: bool) -> None:
        if gone:
            self._others.pop(job.name, None)
        else:
            self._others[job.name] = job

    def _run(self, run_id: str, attempt: int) -> Run:
        run = self._runs.get(run_id)
        if run is None:
            run = self._runs[run_id] = Run(run_id, attempt, self._journal)
        return run

    def _note_admission(self, before: Workload | None, now: Workload | None) -> None:
        """History for estimates: anybody's admission in the namespace, as it is seen to happen."""
        if before is None or now is None or before.has("Admitted"):
            return
        if admitted := now.has("Admitted"):
            begun = now.conditions["Requeued"].since if now.has("Requeued") else now.created
            self._journal.admitted(now.queue, now.uid, admitted.since, max(admitted.since - begun, 0.0))


def _how_it_ended(run: Run, pod: Pod | None, exit: dict[str, Any] | None) -> tuple[bool, bool]:
    """Whether the attempt's pod, or the job in it, has ended; and whether it was ended from outside."""
    if pod is None:
        return run.had_pod(run.attempt), run.had_pod(run.attempt) and (exit is None or _by_signal(exit))
    ended = exit or exit_of(pod)
    return ended is not None, ended is not None and pod.deleted and _by_signal(ended)


def _by_signal(exit: dict[str, Any]) -> bool:
    return bool(exit["reason"] == Reason.SIGNAL.value)


def _goes_back(run: Run, job: Job, workload: Workload | None, *, killed: bool) -> bool:
    """Whether its Job will make it another pod, whatever it made of its SIGTERM."""
    if job.end:
        return False
    return job.suspended or is_evicted(workload) or (killed and run.was_replaced(run.attempt))
