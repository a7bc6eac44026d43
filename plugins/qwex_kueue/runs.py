"""The jobs as the watches show them: each Job with its Workload and pods, put together, looked at, and told of."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from qwex.state import JobState, JobStatus, Reason
from qwex_kueue import elsewhere
from qwex_kueue.judging import Puzzle, judged, runs_on
from qwex_kueue.run import Run
from qwex_kueue.states import as_it_stands, deleted

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwex.record import JobRecord
    from qwex_kueue.journal import Journal
    from qwex_kueue.objects import Job, Pod, Workload
    from qwex_kueue.settings import KueueSettings

__all__ = ["Runs"]

log = logging.getLogger(__name__)


class Runs:
    """Every job of this controller by run id. ``tell`` hears each status that is new."""

    def __init__(
        self,
        journal: Journal,
        settings: KueueSettings,
        controller: str,
        tell: Callable[[str, JobStatus], None],
        *,
        leaves: bool = False,
    ) -> None:
        self._journal = journal
        self._settings = settings
        self._controller = controller
        self._tell = tell
        #: Whether agents leave somewhere else than in the cluster what nobody came for.
        self._leaves = leaves
        self._runs: dict[str, Run] = {}
        #: By the uid of the Job they are for.
        self._workloads: dict[str, Workload] = {}
        self._by_job: dict[str, str] = {}
        #: The uids of Jobs that are let go of and may be seen once more before they are gone.
        self._forgotten: set[str] = set()
        #: Jobs of other controllers by name.
        self._others: dict[str, Job] = {}
        self._complete = False
        #: Pods that were seen before all their Jobs were: which attempt they are cannot be told yet.
        self._early: dict[str, Pod] = {}
        #: Called with each change of a pod that is being ended: how its job ends is not in its status until it is gone.
        self.ending: Callable[[Run, Pod], None] = lambda run, pod: None
        #: Called with a run that goes back to the queue and will have another pod from the same Job.
        self.again: Callable[[Run], None] = lambda run: None
        #: Called with a run that does not go on, when nothing that is watched says why.
        self.puzzles: Callable[[Run, Puzzle], None] = lambda run, puzzle: None
        #: Called with a run whose objects only hold quota.
        self.hopeless: Callable[[Run], None] = lambda run: None

    def complete(self) -> None:
        """Every kind of object was listed: from now on what is not there is gone."""
        if not self._complete:
            self._complete = True
            for pod in self._early.values():
                self._guarded(pod.name, self.pod_changed, None, pod)
            self._early.clear()
            for run in list(self._runs.values()):
                self._guarded(run.run_id, self.look, run)

    def close(self) -> None:
        """Look at nothing any more."""
        for run in self._runs.values():
            if run.timer:
                run.timer.cancel()

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
        if job.uid in self._forgotten:
            if now is None:
                self._forgotten.discard(job.uid)
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
            run.drop_pod(pod)
        else:
            run.take_pod(now)
            if now.deleted and now.uid in run.pods:
                self.ending(run, now)
        self._seen(run)

    def workload_changed(self, before: Workload | None, now: Workload | None) -> None:
        """A watch's news."""
        workload = now or before
        assert workload is not None
        if now is None:
            # Another may have been made for the same Job by now.
            if (known := self._workloads.get(workload.job_uid)) and known.uid == workload.uid:
                del self._workloads[workload.job_uid]
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

    def refuses(self, run: Run, message: str, reason: Reason = Reason.REFUSED) -> None:
        """The job can never start."""
        run.refused = (reason.value, message)
        self.look(run)

    def stops(self, run: Run, reason: str, message: str) -> None:
        """The job is told to end."""
        run.stop = run.stop or (reason, message)
        self._journal.stops(run.run_id, reason, message)

    def forget(self, run_id: str) -> None:
        """Let go of a job."""
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        if run.timer:
            run.timer.cancel()
        for job in run.jobs.values():
            self._by_job.pop(job.uid, None)
            self._forgotten.add(job.uid)

    def status(self, run_id: str) -> JobStatus | None:
        """Where a job stands; None if the cluster never had it, or never all of its present attempt."""
        run, handed = self._runs.get(run_id), self._journal.handed(run_id)
        if handed and not handed.created and not handed.stop:
            return None
        if run and (run.told or run.jobs or run.pods):
            if run.told is None:
                self.look(run)
            return run.told
        if handed is None or not (handed.created or handed.stop):
            return None
        if handed.end is None and not handed.stop and self._leaves:
            # Its agent may have left how it ended.
            run = self._run(run_id, handed.attempt)
            self.look(run)
            return run.told
        if handed.end or not handed.stop:
            return handed.end or deleted(handed.attempt)
        return JobStatus(JobState.CANCELLED, handed.stop, handed.stop_message, None, handed.attempt)

    def told_to_end(self, run_id: str) -> JobStatus | None:
        """Where a job stands that was told to end, before or after its present hand-over; None if it was not."""
        handed = self._journal.handed(run_id)
        return self.status(run_id) if handed and handed.stop else None

    def verified(self, run: Run) -> None:
        """What is known of its Job and its pod is as the cluster has it now."""
        run.verified = True
        self.look(run)

    def _guarded(self, what: str, look: Callable[..., None], *given: object) -> None:
        """One that is not as expected keeps no other from being seen."""
        try:
            look(*given)
        except Exception:
            log.exception("%s could not be taken in", what)

    def _seen(self, run: Run) -> None:
        """One of its objects has changed."""
        self.look(run)
        if run.is_over:
            self.forget(run.run_id)

    def look(self, run: Run) -> None:
        """Judge the job anew."""
        if run.changed:
            run.changed.set()
        if not self._complete:
            return
        if run.has_ended:
            if runs_on(run, self._workload_of(run)):
                self.hopeless(run)
            return
        found = judged(run, self._workloads, self._settings)
        if found.look_in is not None:
            self._look_later(run, found.look_in)
        if found.puzzle:
            self.puzzles(run, found.puzzle)
        if found.goes_back:
            run.begin(run.attempt + 1)
            self.again(run)
        status = found.status or run.told or as_it_stands(run.pod(run.attempt), run.attempt)
        if status != run.told:
            self._says(run, status)
        if found.hopeless:
            self.hopeless(run)

    def _says(self, run: Run, status: JobStatus) -> None:
        """An end is written down before anyone hears of it: it stays one, whatever the cluster makes of the job."""
        run.told = status
        if status.state.terminal:
            self._journal.ends(run.run_id, status)
        self._tell(run.run_id, status)

    def _workload_of(self, run: Run) -> Workload | None:
        return self._workloads.get(run.job.uid) if run.job else None

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
            run = self._runs[run_id] = Run(run_id, attempt, self._journal, leaves=self._leaves)
        return run

    def _note_admission(self, before: Workload | None, now: Workload | None) -> None:
        """History for estimates: anybody's admission in the namespace, as it is seen to happen."""
        if before is None or now is None or before.has("Admitted"):
            return
        if admitted := now.has("Admitted"):
            begun = now.conditions["Requeued"].since if now.has("Requeued") else now.created
            self._journal.admitted(now.queue, now.uid, admitted.since, max(admitted.since - begun, 0.0))
