"""Where a job stands, from all that is known of it: what counts before what. ``states`` has the words.

A pod ends by itself, or is ended from outside. Its own end is the job's, whatever becomes of its objects afterwards.
An end from outside is explained by the Job and the Workload, which may take a moment: each kind of object has a watch
of its own.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.state import JobState, JobStatus, Reason
from qwex_kueue.states import (
    as_it_stands,
    deactivated,
    deleted,
    disruption,
    ended,
    exit_of,
    finished,
    is_away,
    is_being_made,
    is_evicted,
    is_stuck,
    is_unexplained,
    pod_lost,
    preemptor,
    requeued,
    standing,
    was_ended_from_outside,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex_kueue.objects import Job, Pod, Workload
    from qwex_kueue.run import Run
    from qwex_kueue.settings import KueueSettings

__all__ = ["Judgement", "Puzzle", "judged", "runs_on"]

#: Seconds after which a pod's end counts as unexplained, if nothing that is watched explains it.
_SETTLE = 3.0


class Puzzle(Enum):
    """What does not go on, and nothing that is watched says why."""

    #: Kueue takes no notice of the Job.
    UNNOTICED = "unnoticed"
    #: The pod has its node, and its containers are not made.
    UNMADE = "unmade"
    #: The pod was told to end, and what is known of it and of its Job does not say by whom.
    UNEXPLAINED = "unexplained"
    #: The cluster has nothing more of it, and nobody saw its end: its agent may have left that elsewhere.
    VANISHED = "vanished"


class Judgement(NamedTuple):
    """What a look at a job comes to."""

    #: None when there is nothing new to tell.
    status: JobStatus | None = None
    #: Its objects only hold quota from now on.
    hopeless: bool = False
    #: The attempt is over, and the same Job will make another pod; the status is the next attempt's.
    goes_back: bool = False
    #: Seconds after which to look again, though nothing has changed.
    look_in: float | None = None
    #: What someone should find out the reason of, as it takes longer than it should.
    puzzle: Puzzle | None = None


class _End(NamedTuple):
    """The end of an attempt's pod, or of the job in it; without a record if nothing says how."""

    exit: dict[str, Any] | None
    from_outside: bool


_AS_TOLD = Judgement()


def judged(run: Run, workloads: Mapping[str, Workload], settings: KueueSettings) -> Judgement:
    """Where the job stands now. ``workloads`` are those of the namespace, by the uid of their Jobs."""
    job, pod = run.job, run.pod(run.attempt)
    end = _end_of(run, pod)
    if end and end.exit and not end.from_outside:
        return _by_itself(run, pod, end.exit)
    if run.stop:
        return Judgement(_stopped(run, pod, end))
    if job is None or job.deleted:
        return _withdrawn(run, job, pod, end)
    workload = workloads.get(job.uid)
    if end:
        return _from_outside(run, job, pod, end, workloads)
    if run.refused and (pod is None or is_being_made(pod)):
        return Judgement(JobStatus(JobState.FAILED, *run.refused, None, run.attempt), hopeless=True)
    if workload and pod is None and workload.has("Finished") and not job.end:
        return _given_up_by_kueue(run, workload)
    if _went_back_unseen(run, job, workload, pod):
        return _back_in_its_queue(run, workload, workloads)
    verdict = standing(job, workload, pod, run.attempt, impatient=_is_impatient(run, pod, settings))
    found = Judgement(verdict.status, verdict.hopeless, look_in=_left_of(run.stuck, settings.image_patience))
    if workload is None and pod is None:
        return _puzzling(found, Puzzle.UNNOTICED, run, settings.workload_patience)
    if pod and is_being_made(pod):
        return _puzzling(found, Puzzle.UNMADE, run, settings.image_patience)
    run.puzzle = None
    return found


def runs_on(run: Run, workload: Workload | None) -> bool:
    """Whether a job that has ended holds quota, or would begin once more.

    It was evicted before its Job knew of the end, or was given up and its Job is not deleted yet.
    """
    job = run.job
    if job is None or job.deleted or job.end:
        return False
    if job.suspended or is_evicted(workload) or run.was_replaced(run.attempt) or run.has_stray(job):
        return True
    return run.stop is not None or _end_of(run, run.pod(run.attempt)) is None


def _end_of(run: Run, pod: Pod | None) -> _End | None:
    exit = run.exits.get(run.attempt) or (exit_of(pod) if pod else None)
    if exit is None:
        return _End(None, from_outside=True) if run.had_pod(run.attempt) else None
    return _End(exit, was_ended_from_outside(exit, pod))


def _stopped(run: Run, pod: Pod | None, end: _End | None) -> JobStatus | None:
    """Told to end: it has, once its pod has; where there is none, once no further pod can come."""
    assert run.stop is not None
    if (
        end is None
        and not _is_unreachable(pod)
        and (pod is not None or any(not job.deleted for job in run.jobs.values()))
    ):
        return as_it_stands(pod, run.attempt) if pod else None
    code = end.exit.get("code") if end and end.exit else None
    return JobStatus(JobState.CANCELLED, *run.stop, code, run.attempt)


def _by_itself(run: Run, pod: Pod | None, exit: dict[str, Any]) -> Judgement:
    if pod and is_unexplained(pod, exit) and (left := _left(run)):
        return Judgement(look_in=left)
    return Judgement(ended(pod, run.attempt, exit))


def _withdrawn(run: Run, job: Job | None, pod: Pod | None, end: _End | None) -> Judgement:
    """Someone deleted its Job: there will be no further pod, and the one there is may still run."""
    if end is None and (pod or job) and not _is_unreachable(pod):
        return Judgement(as_it_stands(pod, run.attempt) if pod else None)
    if said := _said_by(job, end, run.attempt) if job else None:
        return Judgement(said)
    if run.unasked and not (end and end.exit):
        stands = run.told or JobStatus(JobState.RUNNING, attempt=run.attempt)
        return Judgement(stands, puzzle=Puzzle.VANISHED)
    return Judgement(deleted(run.attempt))


def _from_outside(run: Run, job: Job, pod: Pod | None, end: _End, workloads: Mapping[str, Workload]) -> Judgement:
    """Its Job says what becomes of that: it makes another pod, or gives up."""
    workload = workloads.get(job.uid)
    if status := _said_by(job, end, run.attempt):
        return Judgement(status)
    if workload and not workload.active:
        verdict = deactivated(workload, run.attempt)
        return Judgement(verdict.status, verdict.hopeless)
    if not job.end and (job.suspended or is_evicted(workload) or run.was_replaced(run.attempt)):
        return _back_in_its_queue(run, workload, workloads)
    if pod is None:
        return Judgement(pod_lost(None, run.attempt)) if job.end else _AS_TOLD
    if not run.verified:
        return _puzzling(_AS_TOLD, Puzzle.UNEXPLAINED, run, _SETTLE)
    if end.exit and not pod.deleted and not disruption(pod):
        return Judgement(ended(pod, run.attempt, end.exit))  # the signal came from within
    return Judgement(pod_lost(pod, run.attempt))


def _back_in_its_queue(run: Run, workload: Workload | None, workloads: Mapping[str, Workload]) -> Judgement:
    status = requeued(workload, run.attempt + 1, preemptor(workload, workloads))
    return Judgement(status, goes_back=True)


def _went_back_unseen(run: Run, job: Job, workload: Workload | None, pod: Pod | None) -> bool:
    """Whether it lost its quota before there was a pod."""
    admitted = run.told is not None and (run.told.state, run.told.attempt) == (JobState.ADMITTED, run.attempt)
    return admitted and pod is None and not job.end and is_evicted(workload)


def _is_unreachable(pod: Pod | None) -> bool:
    """Whether nobody can tell what becomes of the pod: its node does not answer."""
    return pod is not None and is_away(pod)


def _said_by(job: Job, end: _End | None, attempt: int) -> JobStatus | None:
    """What a Job knows better of an end from outside than its pod: that it was the Job's own doing, or came later.

    A Job takes a pod that ends well for complete, also one that was told to end before its time.
    """
    status = finished(job, attempt)
    if status is None or status.reason == Reason.LOST.value:
        return None
    return status if status.state is JobState.FAILED or end is None or end.exit is None else None


def _given_up_by_kueue(run: Run, workload: Workload) -> Judgement:
    """Kueue has done with it, and its Job does not say so; that may only not be known yet."""
    if left := _left(run):
        return Judgement(look_in=left)
    said = workload.conditions["Finished"]
    message = f"Kueue does not start it: {said.message or said.reason}"
    return Judgement(JobStatus(JobState.FAILED, Reason.REFUSED.value, message, None, run.attempt), hopeless=True)


def _left(run: Run) -> float:
    """Seconds that the other watches still have to show why a pod has ended; 0 when they have had them."""
    run.vanished = run.vanished or time.monotonic()
    return max(run.vanished + _SETTLE - time.monotonic(), 0.0)


def _is_impatient(run: Run, pod: Pod | None, settings: KueueSettings) -> bool:
    """Whether its pod has failed to start for as long as the settings allow."""
    run.stuck = (run.stuck or time.monotonic()) if pod and is_stuck(pod) else 0.0
    return _left_of(run.stuck, settings.image_patience) == 0


def _left_of(since: float, patience: float) -> float | None:
    return max(since + patience - time.monotonic(), 0.0) if since else None


def _puzzling(found: Judgement, puzzle: Puzzle, run: Run, patience: float) -> Judgement:
    """It may take that long; from then on someone finds out, again and again."""
    if run.puzzle is not puzzle:
        run.puzzle, run.since = puzzle, time.monotonic()
    if left := _left_of(run.since, patience):
        return found._replace(look_in=left)
    run.since = time.monotonic()
    return found._replace(look_in=patience, puzzle=puzzle)
